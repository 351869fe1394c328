"""Two processes that train one classifier give what one gives; one that fails ends both. Real processes, with gloo."""

import re
import tempfile
from typing import Any

import numpy as np
import pytest

from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.training import distributed
from gptcore.training.distributed import TeamError, in_team
from tests.gptcore.training import teamwork

CLOSE = 1e-6  # in float64: norms of llama are in float32, and Adam divides by what may be all but nothing


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], TeamError]:
    """What one team told, and how it ended: a team takes ten seconds of imports."""
    told: list[tuple[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:  # the processes find each other also behind an odd path
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("a blank, an ü")))
        with pytest.raises(TeamError) as error:
            in_team(2, "cpu", teamwork.train_toys_and_fail, told.append, threads=1)
    assert [name for name, _ in told] == list(teamwork.CASES)
    return dict(told), error.value


@pytest.fixture(scope="module")
def together(team: tuple[dict[str, Any], TeamError]) -> dict[str, Any]:
    return team[0]


@pytest.mark.parametrize("name", teamwork.CASES)
def test_two_processes_train_as_one(name: str, together: dict[str, Any]) -> None:
    alone, shared = teamwork.train_toy(name, Engine()), together[name]
    assert shared["accuracy"] == alone["accuracy"]
    assert shared["best"] == alone["best"]
    for what in ("losses", "validation", "logits"):
        np.testing.assert_allclose(shared[what], alone[what], rtol=0, atol=CLOSE, err_msg=what)
    assert shared["weights"].keys() == alone["weights"].keys()
    for weight, expected in alone["weights"].items():
        np.testing.assert_allclose(shared["weights"][weight], expected, rtol=0, atol=CLOSE, err_msg=weight)
    assert np.ptp(alone["logits"], axis=0).min() > 0.01  # whose rows differ, so that their order shows


def test_the_best_epoch_is_not_the_last_where_it_is_restored(together: dict[str, Any]) -> None:
    found = together["all, best epoch"]
    assert 0 < found["best"] < len(found["validation"])


def test_a_process_that_fails_ends_the_others_and_each_has_half_of_the_weights(
    team: tuple[dict[str, Any], TeamError],
) -> None:
    said = str(team[1])
    assert re.match(r"^process 2 of 2: ValueError: broken after (\S+) and (\S+)$", said)
    shares = [float(word) for word in said.split() if word.startswith("0.")]
    assert sum(shares) == pytest.approx(1, abs=0.011)
    assert max(shares) < 0.55  # weights with an odd number of rows


@pytest.mark.slow
def test_a_process_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(TeamError, match=r"^process 1 of 2: .*[Tt]imed? ?out"):
        in_team(2, "cpu", teamwork.never_come, threads=1, silence_s=2.0)


@pytest.mark.parametrize(
    ("failures", "kind", "message"),
    [
        (
            {0: ("lost connection", False, False), 1: ("killed", False, True)},
            TeamError,
            "process 2 of 2: killed",
        ),
        (
            {1: ("ValueError: x", False, False), 0: ("other", False, False)},
            TeamError,
            "process 2 of 2: ValueError: x",
        ),
        ({0: ("not finite", False, False), 1: ("not finite", False, False)}, TeamError, "not finite"),
        ({0: ("no such model", True, False)}, UserError, "no such model"),
    ],
)
def test_the_failure_that_explains_the_others_is_named(
    failures: dict[int, tuple[str, bool, bool]], kind: type[Exception], message: str
) -> None:
    found = distributed._error({rank: distributed._Failed(*each) for rank, each in failures.items()}, 2)
    assert type(found) is kind
    assert str(found) == message
