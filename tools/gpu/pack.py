"""Files for a machine without a network: data, GPT-2's vocabulary, and the corpus as packed tokens.

    python -m tools.gpu.pack CORPUS FOLDER

Writes FOLDER/cache (what `GPTCORE_CACHE` may name) and FOLDER/tokens. Tokens are uint16, compressed to less than half.
"""

from __future__ import annotations

import lzma
import shutil
import sys
import tempfile
from pathlib import Path

from gptcore.data.assets import ASSETS, fetch
from tools.pretrain.corpus import SPLITS, tokenise


def pack(corpus: Path, folder: Path) -> None:
    """Fetch the assets and tokenise the corpus. Raises UserError where a source is missing."""
    cache, tokens = folder / "cache", folder / "tokens"
    for kept in (cache, tokens):
        kept.mkdir(parents=True, exist_ok=True)
    for asset in ASSETS:
        shutil.copy(fetch(asset), cache / asset.name)
    with tempfile.TemporaryDirectory() as work:
        files = tokenise(corpus, Path(work))
        for split in SPLITS:
            with (
                files[split].open("rb") as plain,
                lzma.open(tokens / f"{split}.u16.xz", "wb", preset=1) as packed,
            ):
                shutil.copyfileobj(plain, packed, 2**20)
        shutil.copy(Path(work) / "corpus.json", tokens)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
