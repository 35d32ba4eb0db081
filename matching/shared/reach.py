"""How far records reach over their neighbours, each record's neighbours read once."""

from __future__ import annotations

import numpy as np

from matching.linkage.hashing import Indices, sorted_unique
from matching.shared.neighbours import ALL, Neighbours, joined
from matching.shared.tables import Tables


class Reach:
    """The neighbours read so far. They stay true of records that are reserved; of others they are a moment's."""

    def __init__(self, tables: Tables, threshold: int) -> None:
        self._tables = tables
        self._threshold = threshold
        self._read: Indices = np.empty(0, np.int64)
        self._rows = Neighbours.of([])

    def read(self, rids: Indices) -> None:
        """Read the neighbours of records that were not read yet."""
        fresh = np.setdiff1d(rids, self._read)
        if len(fresh):
            self._read = np.concatenate([self._read, fresh])
            rows = joined([self._rows, self._tables.neighbours(fresh, ALL)])
            order = np.argsort(rows.rids, kind="stable")
            self._rows = Neighbours(*(column[order] for column in rows))

    def forget(self, rids: Indices) -> None:
        """Read the neighbours of these records again when next asked for."""
        kept = ~np.isin(self._rows.rids, rids)
        self._read = np.setdiff1d(self._read, rids)
        self._rows = Neighbours(*(column[kept] for column in self._rows))

    def of(self, rids: Indices) -> Neighbours:
        """Return the neighbours of records; `rids` are all different."""
        self.read(rids)
        begin = np.searchsorted(self._rows.rids, rids, "left")
        counts = np.searchsorted(self._rows.rids, rids, "right") - begin
        ends = np.cumsum(counts)
        at = np.arange(counts.sum()) + np.repeat(begin - (ends - counts), counts)
        return Neighbours(*(column[at] for column in self._rows))

    def reached(self, seeds: Indices) -> tuple[Indices, Indices]:
        """Return the records that can be reached from these over neighbours that may be linked, and all neighbours."""
        reached = frontier = sorted_unique(seeds)
        others = [np.empty(0, np.int64)]
        while len(frontier):
            found = self.of(frontier)
            others.append(found.others)
            frontier = np.setdiff1d(found.others[found.weights >= self._threshold], reached)
            reached = np.concatenate([reached, frontier])
        return np.sort(reached), np.concatenate(others)

    def with_clusters(self, region: Indices, near: Indices) -> Indices:
        """Return a region, what is near it, and the whole clusters of both."""
        return sorted_unique(np.concatenate([region, self.reached(np.setdiff1d(near, region))[0]]))
