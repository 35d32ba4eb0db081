"""The blocking keys of the resident owner's records: who has them, and how they change with a batch.

A record that comes again keeps most of its keys. Only the keys of rules that read a changed value leave or enter the
index; all keys of the record are looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matching.linkage.blocking import Blocker
from matching.linkage.columns import SEPARATOR, Flags, RecordColumns
from matching.linkage.hashing import Hashes, Indices, combine, is_among, mix
from matching.resident.index import BlockIndex


@dataclass(frozen=True, slots=True)
class RowsAtHand:
    """Rows numbered from 0, with their hashes, flags and values (joined): to be read as `RecordColumns` are."""

    all_hashes: Hashes
    all_flags: Flags
    rows: Sequence[str]

    def hashes(self, rids: Indices) -> Hashes:
        """Return the value hashes of rows, shape (rows, fields)."""
        return self.all_hashes[rids]

    def flags(self, rids: Indices) -> Flags:
        """Return the flags of rows."""
        return self.all_flags[rids]

    def texts(self, rids: Indices, field: int) -> list[str]:
        """Return the values of rows in one field."""
        return [self.rows[rid].split(SEPARATOR)[field] for rid in rids.tolist()]


@dataclass(frozen=True, slots=True)
class Former:
    """Rewritten records with the rows that they had before."""

    rids: Indices
    rows: RowsAtHand


class KeyIndex:
    """A blocker's keys in an index."""

    def __init__(self, blocker: Blocker, index: BlockIndex) -> None:
        self._blocker: Final = blocker
        self._index: Final = index

    def exchange(
        self, columns: RecordColumns, compared: Indices, rows: Sequence[str], former: Former
    ) -> tuple[Indices, Indices]:
        """Put the keys of compared records, with these rows, in the place of former ones; return who shares a key.

        The pairs are (compared record, other record): some twice, and each record with itself. Keys as they were and as
        they are now are made together, which takes hardly longer than one of them.
        """
        hashes, n_former = columns.hashes(compared), len(former.rids)
        both = RowsAtHand(
            np.concatenate([former.rows.all_hashes, hashes]),
            np.concatenate([former.rows.all_flags, columns.flags(compared)]),
            [*former.rows.rows, *rows],
        )
        reading = self._blocker.reading(columns.hashes(former.rids) != former.rows.all_hashes)
        marks = np.ones((len(compared), reading.shape[1]), dtype=bool)
        marks[_places(former.rids, compared)] = reading[_places(compared, former.rids)]
        everything = np.arange(n_former + len(compared))
        owners, keys, marked = self._blocker.marked_keys(both, everything, np.concatenate([reading, marks]))
        before, now = np.flatnonzero((owners < n_former) & marked), np.flatnonzero(owners >= n_former)
        rids, keys_now, new = compared[owners[now] - n_former], keys[now], marked[now]
        if len(before):
            former_rids, former_keys = former.rids[owners[before]], keys[before]
            was = combine(mix(former_keys), _as_hashes(former_rids))
            is_now = combine(mix(keys_now[new]), _as_hashes(rids[new]))
            lost = ~is_among(was, is_now)
            new[new] = ~is_among(is_now, was)
            self._index.remove(former_keys[lost], former_rids[lost])
        at, others = self._index.add_and_find(keys_now, rids, new)
        return rids[at], others


def _places(among: Indices, rids: Indices) -> Indices:
    """Return the positions in `rids` of those that are `among` others, in order of record number."""
    order = np.argsort(rids)
    places: Indices = order[is_among(rids[order], among)]
    return places


def _as_hashes(rids: Indices) -> Hashes:
    """Return record numbers as distinct hashes, none of them missing."""
    return rids.astype(np.uint64) + np.uint64(1)
