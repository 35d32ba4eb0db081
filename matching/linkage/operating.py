"""One point of a model's operating curve: what is expected of a link threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LEAST_PRECISION: Final = 0.7


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What is expected of one link threshold (a total weight in centibits)."""

    threshold: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total > 0.0 else 0.0

    @property
    def value(self) -> float:
        """F1, less where precision is so low that most links would have to be undone (few or no true matches)."""
        return float(self.f1 * min(1.0, self.precision / _LEAST_PRECISION) ** 4)
