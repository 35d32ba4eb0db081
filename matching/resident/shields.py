"""Looser blocking against shielded children only: who else has their birth date, or their names.

In March 2009 updates that did not match made unshielded duplicates of shielded children. So records of shielded
children are also compared with whoever shares one of the model's `shield_rules` with them, however little else agrees.
These pairs never link anybody; they only raise doubts. They are kept in memory and found again at the start.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from matching.linkage.blocking import Blocker
from matching.linkage.candidates import decode_pairs, encode_pairs
from matching.linkage.comparisons import compare
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights, leave_doubt, total_weights
from matching.resident.edges import EdgeTable
from matching.resident.index import BlockIndex
from matching.resident.records import RecordTable

_CHUNK: Final = 100_000


class ShieldWatch:
    """The loose pairs of all records that are, or were, with a shielded child (`covered`).

    From the first shield on, all live records are indexed by their loose keys; until then nothing is kept.
    """

    def __init__(self, records: RecordTable, model: LinkageModel) -> None:
        self._records = records
        self._model: Final = model
        self._blocker: Final = Blocker(model, model.shield_rules)
        self._everybody: BlockIndex | None = None
        self._index = BlockIndex()
        self._edges = EdgeTable()
        self._covered: set[int] = set()

    def forget(self, gone: Indices) -> None:
        """Drop the keys and pairs of records which change or end. Call it while their old values are still there."""
        if self._everybody is None or not len(gone):
            return
        owners, keys = self._blocker.keys(self._records.columns, gone)
        self._everybody.remove(keys, gone[owners])
        covered = np.array([rid in self._covered for rid in gone.tolist()], dtype=bool)
        self._index.remove(keys[covered[owners]], gone[owners][covered[owners]])
        self._covered.difference_update(gone.tolist())
        self._edges.reserve(len(self._records))
        self._edges.drop(gone, self._records.content_versions)

    def watch(self, compared: Indices, shielded: Indices) -> None:
        """Compare records with new content to those covered, and cover the `shielded` ones that are not yet."""
        if not self._model.shield_rules:
            return
        if self._everybody is not None:
            owners, keys = self._blocker.keys(self._records.columns, compared)
            self._everybody.add(keys, compared[owners])
            at, others = self._index.candidates(keys)
            self._add(compared[owners[at]], others)
        elif len(shielded):
            self._everybody = self._index_everybody()
        fresh = np.array([rid for rid in shielded.tolist() if rid not in self._covered], np.int64)
        if self._everybody is not None and len(fresh):
            owners, keys = self._blocker.keys(self._records.columns, fresh)
            self._index.add(keys, fresh[owners])
            self._covered.update(fresh.tolist())
            at, others = self._everybody.candidates(keys)
            self._add(fresh[owners[at]], others)

    def pairs_of(self, rids: Indices) -> tuple[Indices, Indices, Weights]:
        """Return the loose pairs of some records: (record, other, weight), perhaps some of them twice."""
        if not self._covered:
            none = np.empty(0, np.int64)
            return none, none, none
        self._edges.reserve(len(self._records))
        return self._edges.of(rids, self._records.content_versions)

    def _index_everybody(self) -> BlockIndex:
        live = np.flatnonzero(self._records.live[: len(self._records)])
        index = BlockIndex(len(live) * len(self._blocker.rules))
        for start in range(0, len(live), _CHUNK):
            rids = live[start : start + _CHUNK]
            owners, keys = self._blocker.keys(self._records.columns, rids)
            index.add(keys, rids[owners])
        return index

    def _add(self, firsts: Indices, others: Indices) -> None:
        """Compare pairs and keep those that leave a doubt."""
        different = firsts != others
        left, right = decode_pairs(sorted_unique(encode_pairs(firsts[different], others[different])))
        if not len(left):
            return
        levels = compare(self._records.columns, left, right, self._model)
        weights = total_weights(levels, self._model)
        kept = leave_doubt(levels, weights, self._model)
        self._edges.reserve(len(self._records))
        self._edges.add(left[kept], right[kept], weights[kept], self._records.content_versions)
        self._edges.compact(self._records.content_versions)
