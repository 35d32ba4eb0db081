"""What every benchmark returns: a value beside the limit that was measured in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypedDict


class Measure(TypedDict):
    """One line of `benchmarks/results.json`; `limit` and `ratio` are None where there is nothing to compare with."""

    value: float
    unit: str
    limit: float | None
    ratio: float | None
    runs: list[float]


def beside_limit(runs: Sequence[float], limits: Sequence[float], unit: str) -> Measure:
    """Return the median of the runs beside the median of the limits."""
    value, limit = statistics.median(runs), statistics.median(limits)
    return Measure(value=value, unit=unit, limit=limit, ratio=value / limit, runs=list(runs))


def alone(runs: Sequence[float], unit: str) -> Measure:
    """Return the median of runs that have no limit to stand beside."""
    return Measure(value=statistics.median(runs), unit=unit, limit=None, ratio=None, runs=list(runs))
