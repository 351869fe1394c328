"""The judge of the regression gate: it fails on a real loss, and not on noise."""

import numpy as np
import pytest

from bench.evidence.regress import (
    ACCURACY_MARGIN,
    ALL_ROWS,
    BASE_MARGIN,
    Check,
    Rounds,
    as_markdown,
    judge_accuracy,
    judge_speed,
    null_medians,
    smallest_loss,
    verdict,
)

N, N_SEEDS = 300, 2
ROWS = ("baseline", "first-token", "all-layers")
LABELS = np.arange(N) % 2


def predicted(accuracy: float, random: np.random.Generator) -> np.ndarray:
    """(N_SEEDS, N) classes, right with that chance."""
    return np.where(random.random((N_SEEDS, N)) < accuracy, LABELS, 1 - LABELS)


def redrawn(classes: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """The same but for `n` messages on the edge, which fall to either side with each seed."""
    changed = classes.copy()
    changed[:, :n] = random.integers(0, 2, size=(N_SEEDS, n))
    return changed


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.failed]


def test_the_same_predictions_pass() -> None:
    rows = {name: predicted(0.9, np.random.default_rng(0)) for name in ROWS}
    checks = judge_accuracy(LABELS, rows, rows)
    assert [check.name for check in checks] == [*ROWS, ALL_ROWS]
    assert not failed(checks)


def test_a_lost_row_is_named() -> None:
    random = np.random.default_rng(1)
    before = {name: predicted(0.93, random) for name in ROWS}
    now = before | {"first-token": predicted(0.80, random)}
    checks = judge_accuracy(LABELS, before, now)
    assert "first-token" in failed(checks)
    assert "baseline" not in failed(checks)
    assert verdict(checks).startswith("FAILED: first-token (accuracy)")


def test_a_gain_passes() -> None:
    random = np.random.default_rng(2)
    before = {"row": predicted(0.8, random)}
    assert not failed(judge_accuracy(LABELS, before, {"row": predicted(0.95, random)}))


def test_a_small_loss_in_every_row_is_seen_in_all_together() -> None:
    random = np.random.default_rng(3)
    before = {f"row {i}": np.tile(LABELS, (N_SEEDS, 1)) for i in range(6)}
    now = {name: predicted(0.975, random) for name in before}
    found = failed(judge_accuracy(LABELS, before, now))
    assert ALL_ROWS in found


def test_the_smallest_loss_is_where_the_judge_turns() -> None:
    _, most = smallest_loss(2, N_SEEDS, N)
    before = {"row": np.tile(LABELS, (N_SEEDS, 1))}

    def losing(n: int) -> dict[str, np.ndarray]:
        now = before["row"].copy()
        now[:, :n] = 1 - now[:, :n]
        return {"row": now}

    k = round(most * N)
    assert "row" in failed(judge_accuracy(LABELS, before, losing(k)))
    assert "row" not in failed(judge_accuracy(LABELS, before, losing(k - 1)))


def test_a_row_that_did_not_run_fails() -> None:
    before = {name: np.tile(LABELS, (1, 1)) for name in ROWS}
    checks = judge_accuracy(LABELS, before, {name: before[name] for name in ROWS[:2]})
    assert failed(checks) == ["all-layers"]


def test_twenty_times_noise_in_accuracy_raises_no_alarm() -> None:
    """Another machine rounds otherwise: some predictions flip, in both directions."""
    random = np.random.default_rng(4)
    for _ in range(20):
        sure = {name: predicted(0.9, random) for name in ROWS}
        before, now = ({name: redrawn(row, 30, random) for name, row in sure.items()} for _ in range(2))
        assert not failed(judge_accuracy(LABELS, before, now))


def times(random: np.random.Generator, noise: float, slowdown: float = 1.0, n_rounds: int = 12) -> Rounds:
    """Log-normal times with, now and then, a round that another process disturbed."""

    def seconds(factor: float) -> np.ndarray:
        disturbed = np.where(random.random(n_rounds) < 0.08, 2.0, 1.0)
        return factor * disturbed * np.exp(noise * random.standard_normal(n_rounds))

    return Rounds("case", seconds(slowdown), seconds(slowdown), seconds(1.0))


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_equal_code_raises_no_alarm(noise: float) -> None:
    """Twenty gates of four cases."""
    random = np.random.default_rng(5)
    checks = [judge_speed(times(random, noise), "base", BASE_MARGIN) for _ in range(20 * 4)]
    assert not any(check.failed for check in checks)


@pytest.mark.parametrize(("noise", "slowdown"), [(0.02, 1.2), (0.1, 1.6)])
def test_a_slowdown_is_seen(noise: float, slowdown: float) -> None:
    random = np.random.default_rng(6)
    checks = [judge_speed(times(random, noise, slowdown), "base", BASE_MARGIN) for _ in range(30)]
    assert sum(check.failed for check in checks) >= 27


def test_what_it_could_have_seen_it_sees_four_times_in_five() -> None:
    """The same noise among equals, and other code that is slower by just that much."""
    random = np.random.default_rng(7)
    seen = []
    for _ in range(100):
        equal = times(random, 0.05)
        smallest = judge_speed(equal, "base", BASE_MARGIN).smallest
        slow = times(random, 0.05, 1 + float(smallest.rstrip("%")) / 100)
        again = np.divide(slow.ours, equal.ours) * equal.again
        seen.append(judge_speed(Rounds("case", slow.ours, again, slow.theirs), "base", BASE_MARGIN).failed)
    assert 0.65 <= np.mean(seen) <= 0.95


def test_a_slowdown_within_the_margin_or_a_gain_passes() -> None:
    random = np.random.default_rng(8)
    for slowdown in (0.5, 1.02):
        checks = [judge_speed(times(random, 0.02, slowdown), "base", BASE_MARGIN) for _ in range(20)]
        assert not any(check.failed for check in checks)


def test_ratios_are_compared_with_what_is_expected() -> None:
    rounds = Rounds("case", [1.0] * 12, [1.0] * 12, [2.0] * 12)
    assert not judge_speed(rounds, "plain", 0.25, expected_ratio=0.5).failed
    slower = judge_speed(rounds, "plain", 0.25, expected_ratio=0.3)
    assert slower.failed
    assert (slower.before, slower.now, slower.change) == ("0.300", "0.500", "+66.7%")


def test_the_null_is_symmetric_and_narrows_with_rounds() -> None:
    ratios = np.random.default_rng(9).normal(0.1, 0.1, 12)  # a bias of the order is noise, too
    few, many = null_medians(ratios, 8), null_medians(ratios, 64)
    assert abs(np.median(few)) < 0.02
    assert np.quantile(many, 0.99) < np.quantile(few, 0.99)


def test_the_table_says_what_failed_and_what_could_have_been_seen() -> None:
    before = {"row": np.tile(LABELS, (N_SEEDS, 1))}
    text = as_markdown(judge_accuracy(LABELS, before, {"row": 1 - before["row"]}), ["A note."])
    assert "**FAILED: row (accuracy), all rows together (accuracy)**" in text
    assert f"more than {100 * ACCURACY_MARGIN:g} points" in text
    assert "| 1.3 to 2.7 points" in text
    assert text.endswith("A note.\n")
