"""AG News (Zhang, Zhao, LeCun 2015, "Character-level Convolutional Networks for Text Classification")."""

from __future__ import annotations

import csv
import io

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import HubTable, Labelled, Members, NamedData

LABEL_NAMES = ("World", "Sports", "Business", "Sci/Tech")
_URL = (
    "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/"
    "555590db4219b1243abb1918effd6a7425a2d75f/data/ag_news_csv"
)


def parse_news(members: Members) -> Labelled:
    """Rows of class (from 1), title, description; the text is both, a blank between them, as the hub has it."""
    texts: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    for part in ("train", "test"):
        for number, title, description in csv.reader(
            io.StringIO(members[f"{part}.csv"].decode(), newline="")
        ):
            texts.append(f"{title} {description}")
            labels.append(LABEL_NAMES[int(number) - 1])
            parts.append(part)
    return Labelled(texts, labels, parts)


def _file(part: str, sha256: str, n_bytes: int) -> tuple[str, Asset]:
    asset = Asset(f"ag-news-{part}.csv", sha256, (Url(f"{_URL}/{part}.csv", n_bytes=n_bytes),))
    return f"{part}.csv", asset


AG_NEWS = NamedData(
    name="ag-news",
    about="AG News, title and description",
    label_names=LABEL_NAMES,
    sizes={"train": 120_000, "test": 7_600},
    licence="none stated, for research",
    citation="Zhang, Zhao, LeCun 2015 (NeurIPS)",
    files=(
        _file("train", "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e", 29_470_338),
        _file("test", "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699", 1_857_427),
    ),
    members=("train.csv", "test.csv"),
    parse=parse_news,
    hub=HubTable("fancyzhx/ag_news"),
)
