"""What links that cannot be tell of all others: the precision of clusters by records of one source that are in one.

Of two records of a source that holds each thing once none match, so whatever joins them is wrong, and joins records of
two sources that do not match as readily (the estimate of Blakely and Salmond 2002, who took it from records that were
linked more than once). It asks neither the model nor its labels, which may take a kind of things for one thing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from matching.estimation.sampling import MOST_REPEATS

Numbers = npt.NDArray[np.signedinteger]


def most_precision(clusters: Numbers, sources: Numbers, unique: npt.NDArray[np.bool_]) -> float:
    """Return the precision that clusters can have if the sources of `unique` hold each thing once, mostly.

    `clusters` and `sources` are of each record; `unique` says of each source whether it holds each thing mostly once.
    So many records of one source may be in one cluster as MOST_REPEATS allows; only what is beyond counts as wrong.
    """
    inside = np.array([_pairs_alike(clusters[sources == source]) for source in range(len(unique))], np.float64)
    sizes = np.bincount(sources, minlength=len(unique)).astype(np.float64)
    beyond = float(np.maximum(0.0, inside - MOST_REPEATS * sizes)[unique].sum())
    if beyond == 0.0:
        return 1.0
    within = sizes * (sizes - 1.0) / 2.0
    joined = float(_pairs_alike(clusters))
    across = len(clusters) * (len(clusters) - 1) / 2.0 - within.sum()
    wrong = min(joined - inside.sum(), beyond / within[unique].sum() * across)
    return float(1.0 - (beyond + wrong) / joined)


def _pairs_alike(codes: Numbers) -> int:
    _, sizes = np.unique(codes, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())
