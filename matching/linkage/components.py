"""Connected components over the link threshold: the pieces that can be clustered one by one.

Average linkage joins two clusters only if their mean weight reaches the threshold, so only if some pair between them
does; clusters never reach across components, and clustering each component alone is the same as clustering all
records.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.hashing import Indices
from matching.linkage.model import CENTIBITS
from matching.linkage.scoring import Weights

Labels = npt.NDArray[np.int64]

_STEP: Final = CENTIBITS  # how much the threshold rises at a time where a component is too large


def connected_components(n: int, left: Indices, right: Indices) -> Labels:
    """Return a component label for each of n nodes: 0, 1, … in order of each component's first node.

    Every node points at a lower one of its component, at first itself. Each round hooks the lower of an edge's two
    targets under the higher and then lets all nodes point at their target's target, so chains halve (Shiloach and
    Vishkin 1982).
    """
    parents = np.arange(n, dtype=np.int64)
    while True:
        a, b = parents[left], parents[right]
        apart = a != b
        if not apart.any():
            break
        left, right, a, b = left[apart], right[apart], a[apart], b[apart]
        np.minimum.at(parents, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(higher := parents[parents], parents):
            parents = higher
    roots = parents == np.arange(n)
    numbers: Labels = np.cumsum(roots) - 1
    return numbers[parents]


def linked_components(
    n: int, links: tuple[Indices, Indices, Weights], must_link: Indices, threshold: int, cap: int
) -> tuple[Labels, list[Indices]]:
    """Return component labels over links at or above the threshold and must-links, none larger than `cap`.

    Also returns the nodes of each component that was larger: a question for a person.

    A larger component is cut by raising the threshold one bit at a time until every part fits; only must-links are
    never cut. So one generic value that slipped in cannot chain thousands together, and the result still depends on
    nothing but the component.
    """
    left, right, weights = links
    labels = _components_from(n, links, must_link, threshold)
    oversize = np.bincount(labels, minlength=1)[labels] > cap
    cut = [np.flatnonzero(labels == label) for label in np.unique(labels[oversize]).tolist()]
    highest = int(weights.max(initial=threshold))
    while oversize.any() and threshold <= highest:
        threshold += _STEP
        inside = oversize[left]
        parts = _components_from(n, (left[inside], right[inside], weights[inside]), must_link, threshold)
        labels = np.where(oversize, parts + n, labels)
        _, labels = np.unique(labels, return_inverse=True)
        oversize &= np.bincount(labels)[labels] > cap
    return labels, cut


def _components_from(n: int, links: tuple[Indices, Indices, Weights], must_link: Indices, threshold: int) -> Labels:
    left, right, weights = links
    strong = weights >= threshold
    return connected_components(
        n, np.concatenate([left[strong], must_link[:, 0]]), np.concatenate([right[strong], must_link[:, 1]])
    )
