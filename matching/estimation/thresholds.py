"""The link threshold that is expected to serve best, chosen by clustering with several and asking the labels.

Without truth the labels are probabilities that pairs match, from training: at each threshold the expected precision is
the mean label of the blocked pairs that fell into one cluster, the expected recall their share of all expected matches.
Where the truth of some records is known, both are counted on these, and what is expected of all pairs decides between
thresholds that are as good for them: few labels leave a wide choice. Either way the threshold takes into account what
clustering does with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.batch import PairTable, cluster_pairs
from matching.linkage.columns import RecordColumns
from matching.linkage.components import Labels
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.operating import OperatingPoint

LOWEST: Final = -600
HIGHEST: Final = 2400
"""Thresholds are looked for between these total weights, in centibits."""

REVIEW_BAND: Final = 500
"""How far below its link threshold the review floor of a trained model is, in centibits."""

_STEPS: Final = (400, 200, 100, 50)
_PLATEAU_STEP: Final = 200
_SHOWN: Final = (-400, -200, 200, 400, 800)  # around the best, so that a person sees what another choice would cost
_AS_GOOD: Final = 2e-5  # differences of expected F1 that mean nothing: the threshold nearer an even chance is taken


Judge = Callable[[Labels], tuple[float, float]]
"""Precision and recall of clusters, given as a number for each row."""


def judge_by_pairs(left: Indices, right: Indices, labels: npt.NDArray[np.float64]) -> Judge:
    """Return a judge that expects the pair (left, right) to match with the probability in `labels`."""
    there = labels.sum()

    def judge(clusters: Labels) -> tuple[float, float]:
        """Return the expected precision and recall."""
        together = clusters[left] == clusters[right]
        found, joined = labels[together].sum(), together.sum()
        return _ratio(found, joined), _ratio(found, there)

    return judge


def judge_by_truth(truth: Indices, unknown: int) -> Judge:
    """Return a judge over all pairs of the records whose person is known (`truth` is not `unknown`)."""
    known = truth != unknown
    people = truth[known]
    there = _pairs_together(people)

    def judge(clusters: Labels) -> tuple[float, float]:
        """Return precision and recall among the known."""
        own = clusters[known]
        both = _pairs_together(people * (own.max(initial=0) + 1) + own)
        return _ratio(both, _pairs_together(own)), _ratio(both, there)

    return judge


@dataclass(frozen=True, slots=True)
class _Tried:
    """A threshold with its value to each judge."""

    point: OperatingPoint
    values: tuple[float, ...]

    @property
    def threshold(self) -> int:
        """Its total weight in centibits."""
        return self.point.threshold

    def gain(self, other: _Tried) -> float:
        """Return by how much it is better, as the first judge says who sees a difference; 0 if none does."""
        differences = (own - theirs for own, theirs in zip(self.values, other.values, strict=True))
        return next((each for each in differences if abs(each) > _AS_GOOD), 0.0)


def choose_threshold(
    columns: RecordColumns, model: LinkageModel, pairs: PairTable, judges: Sequence[Judge], *, nobody: bool = False
) -> LinkageModel:
    """Return the model with the best threshold, and in it all operating points that were tried, by the first judge.

    `pairs` are all candidate pairs that weigh LOWEST or more, and perhaps others. A judge is asked where those before
    see no difference. `nobody`: no pair is more likely a match than not; then the best of wrong links is none, and the
    highest threshold is taken.
    """
    tried: dict[int, _Tried] = {}

    def attempt(threshold: int) -> _Tried:
        """Return what this threshold does, each tried once."""
        if threshold not in tried:
            clusters = cluster_pairs(columns, pairs, with_threshold(model, threshold)).labels
            points = [OperatingPoint(threshold, *judge(clusters)) for judge in judges]
            tried[threshold] = _Tried(points[0], tuple(point.value for point in points))
        return tried[threshold]

    best = attempt(HIGHEST) if nobody else _middle(attempt, _climb(attempt))
    for step in _SHOWN:
        attempt(min(max(best.threshold + step, LOWEST), HIGHEST))
    curve = tuple(tried[threshold].point for threshold in sorted(tried))
    return replace(with_threshold(model, best.threshold), operating_points=curve)


def with_threshold(model: LinkageModel, threshold: int) -> LinkageModel:
    """Return the model with this link threshold and the review floor REVIEW_BAND below it."""
    return replace(model, link_threshold=threshold, review_floor=threshold - REVIEW_BAND)


def _climb(attempt: Callable[[int], _Tried]) -> _Tried:
    """Find the best threshold from 0 in smaller and smaller steps, each as long as it gets better."""
    best = attempt(0)
    for step in _STEPS:
        for direction in (-step, step):
            while LOWEST <= best.threshold + direction <= HIGHEST:
                beside = attempt(best.threshold + direction)
                if not _better(beside, best):
                    break
                best = beside
    return best


def _middle(attempt: Callable[[int], _Tried], best: _Tried) -> _Tried:
    """Return the middle of the thresholds around the best that are as good: the furthest from either edge."""
    ends = []
    for direction in (-_PLATEAU_STEP, _PLATEAU_STEP):
        end = best.threshold
        while LOWEST <= end + direction <= HIGHEST and best.gain(attempt(end + direction)) <= 0.0:
            end += direction
        ends.append(end)
    middle = attempt(sum(ends) // 2 // _STEPS[-1] * _STEPS[-1])
    return middle if best.gain(middle) <= 0.0 else best


def _better(beside: _Tried, best: _Tried) -> bool:
    gain = beside.gain(best)
    return gain > 0.0 or (gain == 0.0 and abs(beside.threshold) < abs(best.threshold))


def _pairs_together(labels: Indices) -> int:
    _, sizes = np.unique(labels, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 1.0
