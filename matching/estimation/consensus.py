"""Labels that several opinions make: the rules' opinions of one pair, and the opinions of all pairs of two people.

Each blocking rule is fitted alone, and now and then one fits its pairs in a way of its own: where nearly all match, it
may take the untidy matches for non-matches. What the others say of the same pairs shows it.

And a pair is not alone. If A and B are surely one person and so are C and D, then A and C match exactly where B and D
do. So a match with so many errors that its own comparisons tell little is told by tidier records of the same people,
and its errors count in m. This sees no household as one person: of two siblings no pair is sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.components import connected_components
from matching.linkage.hashing import Indices

Numbers = npt.NDArray[np.float64]

Opinion = tuple[npt.NDArray[np.bool_], Numbers]
"""Of which groups of pairs a rule speaks (a mask over all), and the match probability it gives each of these."""

_ROUNDS: Final = 5
_LEAST_WEIGHT: Final = 1e-3
_SHARPNESS: Final = 3.0
_SURE: Final = 0.95
_MOST_LOG_ODDS: Final = 5.0  # no single pair outvotes all others


def weighed(opinions: Sequence[Opinion], counts: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the label of each group of pairs, and of which groups anybody spoke.

    A label is the mean of what the rules say, each weighted by how far it agrees with the others about the matches
    among its pairs; mean and weights are found in turn, as Dawid and Skene (1979) do for observers. `counts` are the
    pairs of each group.
    """
    weights = np.ones(len(opinions))
    labels, voices = _mean(opinions, weights, len(counts))
    for _ in range(_ROUNDS):
        for i, (given, said) in enumerate(opinions):
            apart = (np.abs(said - labels[given]) * counts[given]).sum()
            matches = (np.maximum(said, labels[given]) * counts[given]).sum() + 1.0
            weights[i] = max(_LEAST_WEIGHT, 1.0 - apart / matches) ** _SHARPNESS
        labels, voices = _mean(opinions, weights, len(counts))
    return labels, voices > 0.0


def of_same_people(left: Indices, right: Indices, labels: Numbers, records: int) -> Numbers:
    """Return the labels of pairs of rows, each told by all pairs of the same two people.

    Records joined by sure matches are taken for one person. Pairs between two people get the mean of their log odds;
    pairs inside one, the higher of that and their own label.
    """
    sure = labels >= _SURE
    person = connected_components(records, left[sure], right[sure])
    first, second = person[left], person[right]
    both = np.minimum(first, second) * records + np.maximum(first, second)
    _, place, pairs = np.unique(both, return_inverse=True, return_counts=True)
    limited = np.clip(labels, 1e-9, 1.0 - 1e-9)
    log_odds = np.clip(np.log(limited) - np.log1p(-limited), -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
    together = 1.0 / (1.0 + np.exp(-(np.bincount(place, log_odds) / pairs)))[place]
    told: Numbers = np.where(pairs[place] > 1, together, labels)
    return np.where(first == second, np.maximum(labels, told), told)


def _mean(opinions: Sequence[Opinion], weights: Numbers, groups: int) -> tuple[Numbers, Numbers]:
    said, voices = np.zeros(groups), np.zeros(groups)
    for (given, each), weight in zip(opinions, weights, strict=True):
        said[given] += weight * each
        voices[given] += weight
    return np.divide(said, voices, out=np.zeros(groups), where=voices > 0.0), voices
