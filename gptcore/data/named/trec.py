"""TREC: questions by what they ask for (Li and Roth 2002), with 6 classes or with 50."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import HubTable, Labelled, Members, NamedData

COARSE = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
# Of each coarse class; the names of the 50 are such as "NUM:date".
_FINE = {
    "ABBR": "abb exp",
    "DESC": "def desc manner reason",
    "ENTY": "animal body color cremat currency dismed event food instru lang letter other plant product religion "
    "sport substance symbol techmeth termeq veh word",
    "HUM": "desc gr ind title",
    "LOC": "city country mount other state",
    "NUM": "code count date dist money ord other perc period speed temp volsize weight",
}
FINE = tuple(f"{coarse}:{fine}" for coarse, names in _FINE.items() for fine in names.split())
_URL = "https://cogcomp.seas.upenn.edu/Data/QA/QC"
_FILES = {"train": "train_5500.label", "test": "TREC_10.label"}


def parse_questions(members: Members, fine: bool) -> Labelled:
    """Lines of `COARSE:fine question`, in Latin-1. Raises ValueError for anything else."""
    texts: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    for part, file in _FILES.items():
        for line in members[file].decode("latin-1").replace("\r\n", "\n").split("\n"):
            if line.strip():
                label, text = line.split(" ", 1)
                texts.append(text.strip())
                labels.append(label if fine else label.split(":")[0])
                parts.append(part)
    return Labelled(texts, labels, parts)


def _asset(file: str, sha256: str) -> tuple[str, Asset]:
    return file, Asset(file, sha256, (Url(f"{_URL}/{file}"),))


TREC = NamedData(
    name="trec",
    about="TREC questions, coarse classes",
    label_names=COARSE,
    sizes={"train": 5_452, "test": 500},
    licence="none stated, for research",
    citation="Li and Roth 2002 (COLING)",
    files=(
        _asset("train_5500.label", "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3"),
        _asset("TREC_10.label", "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e"),
    ),
    members=tuple(_FILES.values()),
    parse=partial(parse_questions, fine=False),
    hub=HubTable("CogComp/trec", label="coarse_label"),
)
TREC_50 = replace(
    TREC,
    name="trec-50",
    about="TREC questions, fine classes",
    label_names=FINE,
    parse=partial(parse_questions, fine=True),
    hub=HubTable("CogComp/trec", label="fine_label"),
)
