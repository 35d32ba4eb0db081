"""The edges of the resident owner: for each record the records it was compared with, as flat arrays.

Every edge stands in the chains of both its records. A record that changes simply loses its chain; what other chains
still say of it no longer holds, because its content version has moved on.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.growing import grown
from matching.linkage.hashing import Indices
from matching.linkage.scoring import Weights

_END: Final = -1
_FIRST: Final = 1 << 12

Ints = npt.NDArray[np.int32]


class EdgeTable:
    """Adjacency of records by record number, with total weights."""

    def __init__(self) -> None:
        self._heads: Ints = np.full(_FIRST, _END, np.int32)
        # Other record, its content version, weight, next: side by side, as one look at memory gives all four.
        self._entries: Ints = np.zeros((_FIRST, 4), np.int32)
        self._count = 0
        self._stale = 0  # at least about so many entries no longer hold

    @property
    def capacity(self) -> int:
        """How many entries, two an edge, have room before the table has to grow."""
        return len(self._entries)

    def reserve(self, n_records: int) -> None:
        """Make room for records 0 .. n_records - 1."""
        before, self._heads = len(self._heads), grown(self._heads, n_records)
        self._heads[before:] = _END

    def add(self, left: Indices, right: Indices, weights: Weights, content_versions: Ints) -> None:
        """Add edges between records, in both directions. `content_versions` is by record number."""
        rids, others = np.concatenate([left, right]), np.concatenate([right, left])
        order = np.argsort(rids, kind="stable")
        rids, others = rids[order], others[order]
        first, last = self._count, self._count + len(rids)
        self._entries = grown(self._entries, last)
        starts = np.flatnonzero(np.diff(rids, prepend=-1))
        following = np.arange(first - 1, last - 1, dtype=np.int32)
        following[starts] = self._heads[rids[starts]]
        entries = self._entries[first:last].T
        entries[0], entries[1], entries[3] = others, content_versions[others], following
        entries[2] = np.concatenate([weights, weights])[order]
        self._heads[rids[starts]] = np.append(starts[1:], len(rids)) - 1 + first
        self._count = last

    def drop(self, rids: Indices, content_versions: Ints) -> None:
        """Forget the edges of records, which get a new content version after this."""
        self._stale += 2 * len(self.of(rids, content_versions)[0])
        self._heads[rids] = _END

    def of(self, rids: Indices, content_versions: Ints) -> tuple[Indices, Indices, Weights]:
        """Return the edges of records that still hold: (record, other, weight), in no particular order."""
        owners: list[Indices] = [np.empty(0, np.int64)]
        found: list[Ints] = [np.empty((0, 4), np.int32)]
        current = self._heads[rids]
        while (going := current != _END).any():
            rids, entries = rids[going], self._entries[current[going]]
            owners.append(rids)
            found.append(entries)
            current = entries[:, 3]
        others, versions, weights, _ = np.concatenate(found).T.astype(np.int64)
        holds = versions == content_versions[others]
        return np.concatenate(owners)[holds], others[holds], weights[holds]

    def compact(self, content_versions: Ints) -> None:
        """Make the table again once most of its edges no longer hold."""
        if 2 * self._stale <= max(self._count, _FIRST):
            return
        rids = np.flatnonzero(self._heads != _END)
        owner, other, weights = self.of(rids, content_versions)
        once = owner < other
        fresh = EdgeTable()
        fresh.reserve(len(self._heads))
        fresh.add(owner[once], other[once], weights[once], content_versions)
        self.__dict__.update(fresh.__dict__)
