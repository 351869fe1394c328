"""The learning rate is the one of the lowest validation loss over both ways of training."""

import sys
from typing import Any

import pytest

from gptcore.result import Epoch
from tools import choose_lr


def point(loss: float, epoch: int) -> Epoch:
    fields: dict[str, Any] = dict.fromkeys(Epoch.model_fields, 0.5)
    return Epoch(**(fields | {"epoch": epoch, "step": 1, "validation_loss": loss}))


def test_the_lowest_mean_of_both_is_taken_and_half_a_setting_is_not() -> None:
    points = {
        (1e-4, 1): {"last_block": [point(0.2, 1), point(0.4, 1)], "all": [point(0.5, 1)]},
        (1e-3, 1): {"last_block": [point(0.3, 1)], "all": [point(0.3, 1)]},
        (1e-2, 1): {"last_block": [point(0.1, 1)]},
    }
    assert choose_lr.mean_loss(points[1e-4, 1]) == pytest.approx(0.4)
    assert choose_lr.choose(points) == (1e-3, 1)
    lines = choose_lr.table(points).splitlines()
    assert len(lines) == 2 + 3
    assert "0.300 / 50.0%" in lines[2]
    assert choose_lr.choose({(1e-2, 1): points[1e-2, 1]}) is None


def test_help_names_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["choose_lr", "--help"])
    with pytest.raises(SystemExit, match="0"):
        choose_lr.main()
    assert "python -m tools.choose_lr" in capsys.readouterr().out
