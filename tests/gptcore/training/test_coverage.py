"""A vocabulary that knows little of the texts is told, one that knows next to nothing refused."""

from dataclasses import dataclass

import pytest

from gptcore.errors import UserError
from gptcore.training.coverage import check_coverage


@dataclass(frozen=True)
class Known:
    """Only what the check asks."""

    unk_id: int | None = 0
    name: str = "toy"
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    n_vocab: int = 9
    pad_id: int = 1
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()

    def encode(self, text: str) -> list[int]:
        raise AssertionError(text)

    def encode_batch(self, texts: object) -> list[list[int]]:
        raise AssertionError(texts)

    def decode(self, ids: object) -> str:
        raise AssertionError(ids)


def test_texts_that_fit_leave_nothing_to_say() -> None:
    assert check_coverage(Known(), ["a b", " "], [[2, 3], []]) == ()


def test_some_unknown_tokens_and_empty_texts_are_noted() -> None:
    texts = ["a"] * 10
    ids = [[0, 2, 3], [], *[[2, 3]] * 8]
    lost, unknown = check_coverage(Known(), texts, ids)
    assert "1 of 10 texts have no token" in lost
    assert "1 of 19 tokens are the one for what it does not know" in unknown


@pytest.mark.parametrize("ids", [[[], [], [2]], [[0], [0], [2]]])
def test_mostly_unknown_is_refused(ids: list[list[int]]) -> None:
    with pytest.raises(UserError, match=r"vocabulary toy does not fit the data: 2 of 3 .*use a checkpoint"):
        check_coverage(Known(), ["a", "b", "c"], ids)


def test_without_an_unknown_token_none_counts() -> None:
    assert check_coverage(Known(unk_id=None), ["a"], [[0]]) == ()
