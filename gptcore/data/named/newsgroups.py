"""20 Newsgroups by date (Lang 1995, split by Rennie), without the headers that give the group away.

Of the header the subject is kept, so that no text is empty; signatures and quoted posts stay.
"""

from __future__ import annotations

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import Labelled, Members, NamedData

LABEL_NAMES = (
    *("alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware"),
    *("comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles"),
    *("rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med", "sci.space"),
    *("soc.religion.christian", "talk.politics.guns", "talk.politics.mideast", "talk.politics.misc"),
    "talk.religion.misc",
)
_PARTS = {"20news-bydate-train": "train", "20news-bydate-test": "test"}


def parse_posts(members: Members) -> Labelled:
    """One post a file, in Latin-1, a folder a group; in the order of their paths."""
    texts: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    for path in sorted(members):
        folder, group, _ = path.split("/")
        texts.append(subject_and_body(members[path].decode("latin-1")))
        labels.append(group)
        parts.append(_PARTS[folder])
    return Labelled(texts, labels, parts, ("headers are removed, but for the subject",))


def subject_and_body(post: str) -> str:
    """A post's subject, an empty line, and what stands below its header."""
    header, _, body = post.partition("\n\n")
    subject = next((line[8:].strip() for line in header.split("\n") if line.startswith("Subject:")), "")
    return f"{subject}\n\n{body}".strip()


NEWSGROUPS = NamedData(
    name="20newsgroups",
    about="20 Newsgroups by date, headers removed",
    label_names=LABEL_NAMES,
    sizes={"train": 11_314, "test": 7_532},
    licence="none stated, for research",
    citation="Lang 1995 (ICML)",
    files=(
        (
            "20news-bydate.tar.gz",
            Asset(
                name="20news-bydate.tar.gz",
                sha256="8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
                sources=(
                    Url("https://ndownloader.figshare.com/files/5975967", n_bytes=14_464_277),
                    Url("https://qwone.com/~jason/20Newsgroups/20news-bydate.tar.gz", n_bytes=14_464_277),
                ),
            ),
        ),
    ),
    members=tuple(f"{folder}/*/*" for folder in _PARTS),
    parse=parse_posts,
)
