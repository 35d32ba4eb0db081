"""Starting values by `recordlinkage`: its ECM classifier on vectors of agree and disagree.

A rough cut, which our own EM over levels then refines. This is the only place that knows `recordlinkage` and pandas.

Faults of recordlinkage 0.16 that this module works around (measured): an `ECMClassifier` cannot be fitted twice, so
each fit makes a new one; it takes binary vectors only; a column without variation stops it; and with a poor start it
may call the non-matches matches, so its answer is taken only where matches agree more than non-matches.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import recordlinkage

from matching.estimation.em import Vectors
from matching.estimation.probabilities import Probabilities, Table, log_ratios

MOST_PAIRS: Final = 20_000
"""Rows given to one fit."""

_MOST_FITS: Final = 4  # a fit takes about a second, nearly all of it in scikit-learn's checks of its input
_FEWEST_PAIRS: Final = 50
_LEAST, _MOST = 0.50, 0.99


@dataclass(frozen=True, slots=True)
class Blocked:
    """The comparison vectors of one blocking rule's pairs, and which comparisons the rule leaves free to vary."""

    vectors: Vectors
    free: npt.NDArray[np.bool_]


def starting_m(blocks: Sequence[Blocked], start: Probabilities, seed: int) -> Table:
    """Return `start.m` with its agreeing levels scaled to what recordlinkage's ECM finds among matches.

    A few blocks are fitted, each the first to leave a comparison free that none before it did; a comparison takes the
    mean of what they say.
    """
    agree = log_ratios(start) > 0.0
    said: dict[int, list[float]] = {}
    for block in _few(blocks):
        for comparison, share in _agreement(block, agree, seed).items():
            said.setdefault(comparison, []).append(float(np.clip(share, _LEAST, _MOST)))
    m = start.m.copy()
    for comparison, shares in said.items():
        m[comparison] = _scaled(start.m[comparison], agree[comparison], float(np.mean(shares)))
    return m


def _few(blocks: Sequence[Blocked]) -> list[Blocked]:
    """Return blocks that together leave every comparison free, _MOST_FITS at most."""
    chosen: list[Blocked] = []
    covered = np.zeros(len(blocks[0].free) if blocks else 0, dtype=bool)
    for block in blocks:
        if len(chosen) < _MOST_FITS and (block.free & ~covered).any() and block.vectors.counts.sum() >= _FEWEST_PAIRS:
            chosen.append(block)
            covered |= block.free
    return chosen


def _agreement(block: Blocked, agree: npt.NDArray[np.bool_], seed: int) -> dict[int, float]:
    """Return P(agree | match) by comparison, as far as recordlinkage could tell."""
    free = np.flatnonzero(block.free)
    binary = np.array([agree[i][block.vectors.levels[:, i]] for i in free]).T
    table = _sample(binary, block.vectors.counts, seed)
    varied = [i for i, column in enumerate(table.T) if 0.0 < column.mean() < 1.0]
    if len(varied) < 2:
        return {}
    found = _agreement_among_matches(table[:, varied])
    return {} if found is None else dict(zip(free[varied].tolist(), found, strict=True))


def _agreement_among_matches(table: npt.NDArray[np.int8]) -> list[float] | None:
    """Return P(agree | match) of each column as recordlinkage estimates it, or None if it mixed up the classes."""
    names = [f"c{i}" for i in range(table.shape[1])]
    classifier = recordlinkage.ECMClassifier(init="jaro", binarize=None, max_iter=30, atol=1e-3)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # it divides by zero on the way where a class empties
        classifier.fit(pd.DataFrame(table, columns=names))
        matched = [classifier.m_probs[name].get(1, 0.0) for name in names]
        unmatched = [classifier.u_probs[name].get(1, 0.0) for name in names]
    if not np.isfinite(matched).all() or np.sum(matched) <= np.sum(unmatched):
        return None
    return [float(share) for share in matched]


def _sample(binary: npt.NDArray[np.bool_], counts: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.int8]:
    """Return one row a pair, at most MOST_PAIRS of them."""
    repeats = counts.astype(np.int64)
    total = int(repeats.sum())
    if total > MOST_PAIRS:
        repeats = np.random.default_rng(seed).multinomial(MOST_PAIRS, repeats / total)
    return np.repeat(binary.astype(np.int8), repeats, axis=0)


def _scaled(m: Table, agree: npt.NDArray[np.bool_], share: float) -> Table:
    """Return one comparison's m with `share` on its agreeing levels and the rest on the others, proportions kept."""
    used = m < 1.0
    used[0] = False
    scaled = m.copy()
    for which, mass in ((used & agree, share), (used & ~agree, 1.0 - share)):
        if which.any():
            scaled[which] *= mass / scaled[which].sum()
    return scaled
