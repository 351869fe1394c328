"""SST-2: phrases of film reviews (Socher et al. 2013) as GLUE has them (Wang et al. 2019).

The labels of GLUE's test part are secret, so its development part is the test part here, as in published tables.
"""

from __future__ import annotations

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import HubTable, Labelled, Members, NamedData

LABEL_NAMES = ("negative", "positive")
_PARTS = {"train": "train", "dev": "test"}
_NOTE = "GLUE hides the labels of its test part: its development part is the test part here"


def parse_phrases(members: Members) -> Labelled:
    """Lines of phrase and 0 or 1, a TAB between them, below a header. Raises ValueError for anything else."""
    texts: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    for source, part in _PARTS.items():
        header, *lines = members[f"{source}.tsv"].decode().splitlines()
        if header != "sentence\tlabel":
            raise ValueError(f"{source}.tsv does not begin with a header of sentence and label")
        for line in lines:
            text, label = line.split("\t")
            texts.append(text)
            labels.append(LABEL_NAMES[int(label)])
            parts.append(part)
    return Labelled(texts, labels, parts, (_NOTE,))


SST2 = NamedData(
    name="sst2",
    about="SST-2, phrases of film reviews",
    label_names=LABEL_NAMES,
    sizes={"train": 67_349, "test": 872},
    licence="none stated, for research",
    citation="Socher et al. 2013 (EMNLP), in GLUE (Wang et al. 2019)",
    files=(
        (
            "SST-2.zip",
            Asset(
                name="SST-2.zip",
                sha256="d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
                sources=(Url("https://dl.fbaipublicfiles.com/glue/data/SST-2.zip", n_bytes=7_439_277),),
            ),
        ),
    ),
    members=("train.tsv", "dev.tsv"),
    parse=parse_phrases,
    hub=HubTable("stanfordnlp/sst2", text="sentence", parts={"train": "train", "validation": "test"}),
)
