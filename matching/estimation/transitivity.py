"""A pair is not alone: to be one person is transitive, so other records of two people tell whether they are one.

If A and B are surely one person and so are C and D, then A and C match exactly where B and D do. A match with so many
errors that its own comparisons tell little is told by tidier records of the same person, and only so do its errors
count in m: pair by pair EM takes it for a non-match, and never learns how often people are recorded so badly.

A mixture over pairs knows nothing of this (Sadinle and Fienberg 2013). A likelihood of whole people multiplies all
pairs between them, as if each were new evidence (Sadinle 2014); they are the same few records again, so this takes the
mean of their log odds, for all of them are worth about one (a composite likelihood, adjusted: Varin, Reid and Firth
2011). The mean is what clustering decides by, too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.candidates import encode_pairs
from matching.linkage.components import Labels as People
from matching.linkage.components import connected_components
from matching.linkage.hashing import Indices

Posteriors = npt.NDArray[np.float64]

_SURE: Final = 0.95
_OFTEN: Final = 3.0  # with fewer, no third record tells anything, and other pairs are those of a family
_MOST_LOG_ODDS: Final = 5.0  # in nats: no single pair outvotes all others


def people_recorded_often(left: Indices, right: Indices, labels: Posteriors) -> People | None:
    """Return each record's person, as sure matches join them; None where these have hardly more than two records.

    The pairs (left, right) match with the probabilities `labels`.
    """
    sure = labels >= _SURE
    if not sure.any():
        return None
    person = connected_components(int(max(left.max(), right.max())) + 1, left[sure], right[sure])
    sizes = np.bincount(person)
    return person if sizes[sizes > 1].mean() >= _OFTEN else None


def told_by_people(
    left: Indices, right: Indices, labels: Posteriors, known_non_match: npt.NDArray[np.bool_], person: People
) -> Posteriors:
    """Return the labels of pairs, corrected by all pairs of the same two people.

    The mean of their log odds raises the labels of these pairs where it speaks for a match, and lowers them where not;
    inside one person it only raises. A pair known not to match stays as it is, and whoever holds such a pair is more
    than one person and says nothing.
    """
    first, second = person[left], person[right]
    both = encode_pairs(np.minimum(first, second), np.maximum(first, second))
    _, place, pairs = np.unique(both, return_inverse=True, return_counts=True)
    limited = np.clip(labels, 1e-9, 1.0 - 1e-9)
    log_odds = np.clip(np.log(limited) - np.log1p(-limited), -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
    together = (1.0 / (1.0 + np.exp(-(np.bincount(place, log_odds) / pairs))))[place]
    raised = (first == second) | (together > 0.5)
    told = np.where(raised, np.maximum(labels, together), np.minimum(labels, together))
    several = np.isin(person, first[(first == second) & known_non_match])
    return np.where(known_non_match | several[left] | several[right], labels, told)
