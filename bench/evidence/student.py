"""An estimated difference, and what Student's t says of it: intervals, tails, probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt


@dataclass(frozen=True)
class Difference:
    """Mean difference in accuracy (share, 0 to 1) or another metric, and its interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Estimate:
    """A difference with its variance and degrees of freedom, on whatever scale it was estimated.

    most: that two values can lie apart.
    """

    value: float
    variance: float
    dof: float
    most: float = 1.0

    @property
    def reversed(self) -> Estimate:
        """The same difference seen from the other side."""
        return replace(self, value=-self.value)

    def interval(self, level: float = 0.95) -> Difference:
        """The value with Student's interval, cut to what two values can lie apart."""
        half = self.half_width(level)
        return Difference(self.value, max(-self.most, self.value - half), min(self.most, self.value + half))

    def half_width(self, level: float = 0.95) -> float:
        """Of Student's interval."""
        from scipy.special import stdtrit

        return float(stdtrit(self.dof, (1 + level) / 2)) * sqrt(self.variance)

    def below(self, bound: float) -> float:
        """Probability of a truth below `bound` with a flat prior: the one-sided p of a truth of `bound` or less."""
        return self._tail(bound - self.value)

    def above(self, bound: float) -> float:
        """Probability of a truth above `bound`, likewise."""
        return self._tail(self.value - bound)

    def p_zero(self) -> float:
        """Two-sided p of a truth of zero."""
        return min(1.0, 2 * self._tail(-abs(self.value)))

    def _tail(self, distance: float) -> float:
        from scipy.special import stdtr

        if not self.variance:
            return 0.5 if distance == 0 else float(distance > 0)
        return float(stdtr(self.dof, distance / sqrt(self.variance)))
