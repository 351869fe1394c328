"""What runs of a row will take: its forecast until it has run, then what its runs took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

FIXED = 0.25  # share of a run that neither epochs nor training texts change: loading, tokenising, evaluating
BESIDE_S = 0.1  # of each run, beside what it records


@dataclass(frozen=True)
class Took:
    """A run that has ended. epochs, size: shares of the row's own epochs and of all training texts."""

    row: str
    seconds: float
    epochs: float = 1.0
    size: float = 1.0


def part(epochs: float = 1.0, size: float = 1.0) -> float:
    """The share of a whole run that a run of a part of the epochs, on a part of the texts, takes."""
    return FIXED + (1 - FIXED) * epochs * size


class RowCosts:
    """Seconds of runs, row by row. forecast: of a whole run; took: the runs that have ended."""

    def __init__(self, forecast: Mapping[str, float], took: Iterable[Took] = ()) -> None:
        self._whole = dict(forecast)
        seen: dict[str, list[Took]] = {}
        for run in took:
            seen.setdefault(run.row, []).append(run)
        for row, runs in seen.items():
            whole = [run.seconds for run in runs if run.epochs == run.size == 1.0]
            self._whole[row] = fmean(whole or [run.seconds / part(run.epochs, run.size) for run in runs])

    def __contains__(self, row: str) -> bool:
        return row in self._whole

    def seconds(self, row: str, epochs: float = 1.0, size: float = 1.0) -> float:
        """Of one run. Raises KeyError where nothing is known of the row."""
        return BESIDE_S + self._whole[row] * part(epochs, size)
