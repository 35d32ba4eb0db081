"""What is to be expected of a link threshold: precision and recall without labels, from the fitted model alone.

A fitted model gives every pair its match probability p. Among the pairs at or above a threshold the expected share of
matches is their mean p (precision), and the expected share of all matches found is their sum of p over the sum of p of
all pairs (recall): Belin and Rubin (1995), Blakely and Salmond (2002). Both are as good as the model's probabilities
are calibrated; `make accuracy` measures by how much they are off.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.model import CENTIBITS
from matching.linkage.operating import OperatingPoint
from matching.linkage.scoring import Weights

Numbers = npt.NDArray[np.float64]

_MOST_BITS: Final = 500.0


def match_probabilities(weights: Weights) -> Numbers:
    """Return the match probability of each total weight (centibits): odds / (1 + odds) with odds 2^(weight / 100)."""
    bits = np.clip(weights / CENTIBITS, -_MOST_BITS, _MOST_BITS)
    probabilities: Numbers = 1.0 / (1.0 + np.exp2(-bits))
    return probabilities


def expected_operating_points(weights: Weights, thresholds: npt.NDArray[np.int64]) -> tuple[OperatingPoint, ...]:
    """Return the expected precision and recall of linking the candidate pairs at or above each threshold.

    `weights` are the total weights of candidate pairs in centibits. Where no pair reaches a threshold precision is 1;
    where no match is expected at all recall is 1. Linked pairs only: what clustering adds or takes is in a trained
    model's own `operating_points`.
    """
    ordered = np.sort(weights)
    linked = np.arange(len(ordered), -1.0, -1.0)
    found = np.append(np.cumsum(match_probabilities(ordered)[::-1])[::-1], 0.0)
    first = np.searchsorted(ordered, thresholds, side="left")
    return tuple(
        OperatingPoint(int(threshold), _share(found[at], linked[at]), _share(found[at], found[0]))
        for threshold, at in zip(thresholds.tolist(), first.tolist(), strict=True)
    )


def _share(part: float, whole: float) -> float:
    return min(1.0, float(part / whole)) if whole > 0.0 else 1.0
