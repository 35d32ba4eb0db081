"""Match weights that allow for comparisons that depend on each other: u adjusted by a ridge logistic regression.

Address, postcode and surname agree together in a household, so under independence their weights are counted two and
three times over. A logistic regression of the labels on the levels, started from the Fellegi-Sunter weights and held to
them by a ridge, gives each level the weight that is right beside the others. The model still holds m as it was counted;
u becomes m / 2^weight, an effective u: what the level is worth when the others have spoken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.probabilities import Probabilities, log_ratios
from matching.estimation.sampling import Groups

_STEPS: Final = 30
_LONGEST_STEP: Final = 3.0
_SETTLED: Final = 1e-4
_MOST_LOG_ODDS: Final = 30.0
_LEAST_U, _MOST_U = 1e-9, 1.0

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """m as it was, u as it is effective, and the prior that goes with them."""

    probabilities: Probabilities
    prior: float


def calibrated(
    groups: Groups, labels: Array, probabilities: Probabilities, prior: float, ridge: float = 30.0
) -> Calibrated:
    """Return the effective u and prior for pairs whose match probabilities by group are `labels` (nan: unknown).

    `ridge` is how many nats of log likelihood half a squared nat of change in a weight costs.
    """
    columns = [(i, k) for i, row in enumerate(probabilities.m) for k in np.flatnonzero(row < 1.0).tolist()]
    counts, matched = _by_vector(groups, labels)
    design = np.column_stack(
        [np.ones(len(groups.vectors)), *((groups.vectors[:, i] == k).astype(np.float64) for i, k in columns)]
    )
    ratios = log_ratios(probabilities)
    offset = np.log(prior) - np.log1p(-prior) + ratios[np.arange(len(ratios)), groups.vectors].sum(axis=1)
    change = _newton(design, offset, counts, matched, np.array([1e-6, *([ridge] * len(columns))]))
    u = probabilities.u.copy()
    for (i, k), shift in zip(columns, change[1:], strict=True):
        u[i, k] = np.clip(probabilities.m[i, k] / np.exp(ratios[i, k] + shift), _LEAST_U, _MOST_U)
    odds = prior / (1.0 - prior) * np.exp(np.clip(change[0], -_MOST_LOG_ODDS, _MOST_LOG_ODDS))
    return Calibrated(Probabilities(probabilities.m, u), float(odds / (1.0 + odds)))


def _by_vector(groups: Groups, labels: Array) -> tuple[Array, Array]:
    """Return how many labelled pairs have each comparison vector, and how many of them are expected to match."""
    known = ~np.isnan(labels)
    vector, counts = groups.vector[known], groups.counts[known]
    n = len(groups.vectors)
    matched = np.bincount(vector, counts * labels[known], n)
    return np.bincount(vector, counts, n).astype(np.float64), matched.astype(np.float64)


def _newton(design: Array, offset: Array, counts: Array, matched: Array, ridge: Array) -> Array:
    """Maximise the ridged binomial likelihood by Newton's method; return the coefficients."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        log_odds = np.clip(offset + design @ coefficients, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
        expected = 1.0 / (1.0 + np.exp(-log_odds))
        gradient = design.T @ (matched - counts * expected) - ridge * coefficients
        hessian = (design * (counts * expected * (1.0 - expected))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        coefficients += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < _SETTLED:
            break
    return coefficients
