"""Banking77: customers' questions to a bank by intent (Casanueva et al. 2020)."""

from __future__ import annotations

import csv
import io

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import HubTable, Labelled, Members, NamedData

_URL = "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/master/banking_data"


def parse_questions(members: Members) -> Labelled:
    """Rows of text and category below a header. Raises ValueError for anything else."""
    texts: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    for part in ("train", "test"):
        header, *rows = csv.reader(io.StringIO(members[f"{part}.csv"].decode(), newline=""))
        if header != ["text", "category"]:
            raise ValueError(f"{part}.csv does not begin with a header of text and category")
        for text, label in rows:
            texts.append(text)
            labels.append(label)
            parts.append(part)
    return Labelled(texts, labels, parts)


def _file(part: str, sha256: str) -> tuple[str, Asset]:
    return f"{part}.csv", Asset(f"banking77-{part}.csv", sha256, (Url(f"{_URL}/{part}.csv"),))


BANKING77 = NamedData(
    name="banking77",
    about="Banking77, questions to a bank by intent",
    n_classes=77,
    sizes={"train": 10_003, "test": 3_080},
    licence="CC BY 4.0",
    citation="Casanueva et al. 2020 (NLP4ConvAI)",
    files=(
        _file("train", "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b"),
        _file("test", "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d"),
    ),
    members=("train.csv", "test.csv"),
    parse=parse_questions,
    hub=HubTable("PolyAI/banking77"),
)
