"""Whether a vocabulary fits the texts: a checkpoint of another language or script learns from next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError

NOTED, REFUSED = 0.01, 0.5  # share of texts without a token, or of tokens that are the unknown one


def check_coverage(
    tokenizer: Tokenizer, texts: Sequence[str], sequences: Sequence[Sequence[int]]
) -> tuple[str, ...]:
    """Remarks on texts that a vocabulary cuts into nothing, or into tokens for what it does not know.

    sequences: the token ids of each text. Raises UserError where that is half of them or more.
    """
    n_texts = sum(bool(text.strip()) for text in texts)
    around = len(tokenizer.prefix) + len(tokenizer.suffix)
    lost = sum(len(ids) <= around and bool(text.strip()) for text, ids in zip(texts, sequences, strict=True))
    n_tokens = sum(map(len, sequences))
    unknown = (
        sum(id_ == tokenizer.unk_id for ids in sequences for id_ in ids)
        if tokenizer.unk_id is not None
        else 0
    )
    found = [
        (lost, n_texts, "texts have no token in it"),
        (unknown, n_tokens, "tokens are the one for what it does not know"),
    ]
    notes = []
    for n, of, what in found:
        if not of or n / of < NOTED:
            continue
        line = f"the vocabulary {tokenizer.name} does not fit the data: {n:,} of {of:,} {what}"
        if n / of >= REFUSED:
            raise UserError(f"{line}: use a checkpoint that was trained on such texts")
        notes.append(line)
    return tuple(notes)
