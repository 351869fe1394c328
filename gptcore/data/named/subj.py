"""Subj: sentences that judge against sentences that tell a plot (Pang and Lee 2004)."""

from __future__ import annotations

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import Labelled, Members, NamedData

_FILES = {"objective": "plot.tok.gt9.5000", "subjective": "quote.tok.gt9.5000"}


def parse_sentences(members: Members) -> Labelled:
    """A sentence a line, in Latin-1, a file a class."""
    texts: list[str] = []
    labels: list[str] = []
    for label, file in _FILES.items():
        lines = [line.strip() for line in members[file].decode("latin-1").split("\n")]
        texts += [line for line in lines if line]
        labels += [label] * (len(texts) - len(labels))
    return Labelled(
        texts, labels, notes=("no digest of the archive is known: checked by its number of sentences",)
    )


SUBJ = NamedData(
    name="subj",
    about="Subj, sentences that judge or tell",
    label_names=tuple(_FILES),
    sizes={"": 10_000},
    licence="none stated, for research",
    citation="Pang and Lee 2004 (ACL)",
    files=(
        (
            "rotten_imdb.tar.gz",
            Asset(
                name="rotten_imdb.tar.gz",
                sha256=None,
                sources=(Url("https://www.cs.cornell.edu/people/pabo/movie-review-data/rotten_imdb.tar.gz"),),
            ),
        ),
    ),
    members=tuple(_FILES.values()),
    parse=parse_sentences,
)
