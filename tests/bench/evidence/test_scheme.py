"""When rows are judged, and what each look may spend."""

import pytest

from bench.evidence.scheme import LOOKS, next_share, parse_looks, unspent, with_looks
from gptcore.errors import UserError


def test_the_looks_of_until_decided_spend_nine_tenths() -> None:
    scheme = with_looks([], LOOKS)
    assert [look.seeds for look in scheme] == [5, 10, 20, 40]
    assert [look.share for look in scheme] == pytest.approx([0.1, 0.3, 0.3, 0.2], abs=2e-6)
    assert unspent(scheme) == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_added_looks_never_spend_more_than_is_left(n: int) -> None:
    scheme = with_looks([], range(3, 3 + n))
    for seeds in (20, 40, 80, 160):
        scheme = with_looks(scheme, [seeds])
        assert sum(look.share for look in scheme) < 1
    assert len(scheme) == n + 4


def test_growing_a_study_adds_looks_and_changes_none() -> None:
    first = with_looks([], [5])
    grown = with_looks(first, [10])
    assert grown[:1] == first
    assert grown[1].share == pytest.approx(0.75 * 0.25, abs=1e-6)
    assert with_looks(grown, [7, 10]) == grown  # what lies before its last look cannot be added
    assert next_share(first) == pytest.approx(grown[1].share, abs=1e-6)


def test_one_or_two_seeds_are_no_look() -> None:
    assert with_looks([], [1]) == []
    assert [look.seeds for look in with_looks([], [2, 3])] == [3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5,5", "--looks 5,5: each look needs more seeds than the one before"),
        ("10,5", "--looks 10,5: each look needs more seeds than the one before"),
        ("2,5", "--looks 2,5: recipes need 3 seeds or more"),
        ("five", "--looks five: write numbers of seeds, such as 5,10,20,40"),
        ("5,1000000", "--looks 5,1000000: a row has 1,000 seeds at most"),
        (",".join(map(str, range(3, 10**5))), "--looks: 99,997 looks: .*: plan 20 or fewer$"),
        ("", "--looks : write numbers of seeds"),
    ],
)
def test_bad_looks_are_one_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        parse_looks(text)
