"""The blocking keys of the resident owner's records: who has them, and how they change with a batch.

A record that comes again keeps most of its keys. Only those that it had not, or has no more, enter or leave the index;
all keys of the record are looked up.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from matching.linkage.hashing import Hashes, Indices, combine, is_among, mix
from matching.resident.index import BlockIndex


class KeyIndex:
    """The keys of records in an index."""

    def __init__(self, index: BlockIndex) -> None:
        self._index: Final = index

    def exchange(
        self, former: tuple[Indices, Hashes], again: tuple[Indices, Hashes], fresh: tuple[Indices, Hashes]
    ) -> tuple[Indices, Indices]:
        """Put keys of records in the place of `former` ones; return who shares a key.

        Each is the records and the key of each beside it: `again` what records have that had the former ones, `fresh`
        what others have. The pairs are (record that has one of the new keys, other record): some twice, and each record
        with itself.
        """
        was, is_now = combine(mix(former[1]), _as_hashes(former[0])), combine(mix(again[1]), _as_hashes(again[0]))
        lost = ~is_among(was, is_now)
        self._index.remove(former[1][lost], former[0][lost])
        rids, keys = np.concatenate([again[0], fresh[0]]), np.concatenate([again[1], fresh[1]])
        new = np.concatenate([~is_among(is_now, was), np.ones(len(fresh[0]), dtype=bool)])
        at, others = self._index.add_and_find(keys, rids, new)
        return rids[at], others


def _as_hashes(rids: Indices) -> Hashes:
    """Return record numbers as distinct hashes, none of them missing."""
    return rids.astype(np.uint64) + np.uint64(1)
