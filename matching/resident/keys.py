"""The blocking keys of the resident owner's records: who has them, and how they change with a batch.

A record that comes again keeps most of its keys. Only the keys of rules that read a changed value leave or enter the
index; all keys of the record are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from matching.linkage.blocking import Blocker
from matching.linkage.columns import Filled, RecordColumns
from matching.linkage.hashing import Hashes, Indices, combine, is_among, mix
from matching.linkage.part_hashes import Bools
from matching.resident.index import BlockIndex


@dataclass(frozen=True, slots=True)
class Former:
    """What rewritten records had before: `reading` tells which rules read a value that changes, (records, rules)."""

    rewritten: Indices
    reading: Bools
    rids: Indices
    keys: Hashes


class KeyIndex:
    """A blocker's keys in an index."""

    def __init__(self, blocker: Blocker, index: BlockIndex) -> None:
        self._blocker: Final = blocker
        self._index: Final = index

    def former(self, columns: RecordColumns, rewritten: Indices, filled: Filled) -> Former:
        """Return the keys that records may lose by new values. Call it while their old values are still there."""
        reading = self._blocker.reading(columns.hashes(rewritten) != filled.hashes)
        at, keys = self._blocker.wanted_keys(columns, rewritten, reading)
        return Former(rewritten, reading, rewritten[at], keys)

    def exchange(self, columns: RecordColumns, compared: Indices, former: Former) -> tuple[Indices, Indices]:
        """Put the keys of compared records in the place of former ones; return who shares any key with them.

        The pairs are (compared record, other record): some twice, and each record with itself.
        """
        marks = np.ones((len(compared), former.reading.shape[1]), dtype=bool)
        marks[_places(former.rewritten, compared)] = former.reading[_places(compared, former.rewritten)]
        owners, keys, new = self._blocker.marked_keys(columns, compared, marks)
        rids = compared[owners]
        if len(former.keys):
            before = combine(mix(former.keys), _as_hashes(former.rids))
            after = combine(mix(keys[new]), _as_hashes(rids[new]))
            lost = ~is_among(before, after)
            new[new] = ~is_among(after, before)
            self._index.remove(former.keys[lost], former.rids[lost])
        at, others = self._index.add_and_find(keys, rids, new)
        return rids[at], others


def _places(among: Indices, rids: Indices) -> Indices:
    """Return the positions in `rids` of those that are `among` others, in order of record number."""
    order = np.argsort(rids)
    places: Indices = order[is_among(rids[order], among)]
    return places


def _as_hashes(rids: Indices) -> Hashes:
    """Return record numbers as distinct hashes, none of them missing."""
    return rids.astype(np.uint64) + np.uint64(1)
