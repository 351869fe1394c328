"""Film reviews (Maas et al. 2011), put in order, shuffled and split as the published study does it.

The splits depend on the order of the files' names, so they need the archive or an unpacked copy: the hub's tables
have the same texts without the names (`--data hub:stanfordnlp/imdb` gives its own train and test parts).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptcore.data.assets import Asset, Url
from gptcore.data.named.base import Labelled, Members, NamedData
from gptcore.errors import UserError

if TYPE_CHECKING:
    from gptcore.data.parts import Parts

LABEL_NAMES = ("negative", "positive")
N_TRAIN, N_VALIDATION = 35_000, 5_000  # of 50,000; the rest is the test split
PUBLISHED_SEED = 123
# SHA-256 of each split's lines `label<TAB>text<LF>` (0 negative, 1 positive) in order, with the published seed
PUBLISHED_SPLITS = {
    "train": "2c0f916e60751a0345c973e06ae792fbe3679dbb21ba2e407b1705ff0694aa5e",
    "validation": "24319c6e885280ccce7d09f7f18d22820b5e1490aba5ca0fbe85ff7922cc2303",
    "test": "564dc22c314417aa940f13c8f9e0abde8738740fd1d70ea9d7d70cd7fbcd858e",
}
_FOLDERS = (("test/pos", 1), ("test/neg", 0), ("train/pos", 1), ("train/neg", 0))  # in the published order
_ARCHIVE = Asset(
    name="aclImdb_v1.tar.gz",
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    sources=(Url("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", n_bytes=84_125_825),),
)


def parse_reviews(members: Members) -> Labelled:
    """One review a file, by folder, then by name."""
    texts: list[str] = []
    labels: list[str] = []
    for folder, label in _FOLDERS:
        for name in sorted(name for name in members if name.startswith(f"{folder}/")):
            # As Python's text files read them: every kind of line break is one.
            texts.append(members[name].decode().replace("\r\n", "\n").replace("\r", "\n"))
            labels.append(LABEL_NAMES[label])
    return Labelled(texts, labels)


def published_parts(labels: Sequence[str], seed: int) -> Parts:
    """Row numbers (int64) of train, validation and test: the published study's two shuffles with pandas, then cuts.

    Toy data are cut in the same proportions.
    """
    import numpy as np
    import pandas as pd

    order = pd.DataFrame(index=range(len(labels)))
    for _ in range(2):  # once on making the table, once on splitting it, with the same seed
        order = order.sample(frac=1, random_state=seed)
    n_train, n_validation = (len(labels) * n // 50_000 for n in (N_TRAIN, N_VALIDATION))
    train, validation, test = np.split(order.index.to_numpy(), [n_train, n_train + n_validation])
    return train, validation, test


def split_digests(found: Labelled, seed: int = PUBLISHED_SEED) -> dict[str, str]:
    """SHA-256 of each split, as in `PUBLISHED_SPLITS`."""
    digests = {}
    for part, rows in zip(PUBLISHED_SPLITS, published_parts(found.labels, seed), strict=True):
        lines = hashlib.sha256()
        for row in rows:
            lines.update(f"{LABEL_NAMES.index(found.labels[row])}\t{found.texts[row]}\n".encode())
        digests[part] = lines.hexdigest()
    return digests


def check_splits(found: Labelled) -> None:
    """Raises UserError where the published procedure does not give the published splits."""
    for part, got in split_digests(found).items():
        if got != PUBLISHED_SPLITS[part]:
            raise UserError(
                f"imdb: the {part} split of these files has the SHA-256 {got}, not {PUBLISHED_SPLITS[part]}: "
                "texts or names differ from the published archive, so unpack aclImdb_v1.tar.gz anew"
            )


IMDB = NamedData(
    name="imdb",
    about="IMDb film reviews, split as published (35,000/5,000/10,000)",
    label_names=LABEL_NAMES,
    sizes={"": 50_000},
    licence="none stated, for research with citation",
    citation="Maas et al. 2011 (ACL)",
    files=(("aclImdb_v1.tar.gz", _ARCHIVE),),
    members=tuple(f"{folder}/*.txt" for folder, _ in _FOLDERS),
    parse=parse_reviews,
    published=published_parts,
    check=check_splits,
)
