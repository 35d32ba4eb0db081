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
from matching.linkage.hashing import Hashes, Indices, sorted_unique
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights, score
from matching.resident_edges import EdgeTable
from matching.resident_index import BlockIndex
from matching.resident_records import RecordTable

_CHUNK: Final = 100_000


class ShieldWatch:
    """The loose pairs of all records that are, or were, with a shielded child (`covered`)."""

    def __init__(self, records: RecordTable, model: LinkageModel) -> None:
        self._records = records
        self._model: Final = model
        self._blocker: Final = Blocker(model, model.shield_rules)
        self._index = BlockIndex()
        self._edges = EdgeTable()
        self._covered: set[int] = set()

    def forget(self, gone: Indices) -> None:
        """Drop the pairs of records which change or end. Call it while their old values are still there."""
        if not self._covered:
            return
        covered = np.array(sorted(self._covered.intersection(gone.tolist())), np.int64)
        owners, keys = self._blocker.keys(self._records.columns, covered)
        self._index.remove(keys, covered[owners])
        self._covered.difference_update(covered.tolist())
        self._edges.reserve(len(self._records))
        self._edges.drop(gone, self._records.content_versions)

    def watch(self, compared: Indices, shielded: Indices) -> None:
        """Compare records with new content to those covered, and cover the `shielded` ones that are not yet."""
        if not self._model.shield_rules:
            return
        if self._covered:
            owners, keys = self._blocker.keys(self._records.columns, compared)
            at, others = self._index.candidates(keys)
            self._add(compared[owners[at]], others)
        fresh = np.array([rid for rid in shielded.tolist() if rid not in self._covered], np.int64)
        if len(fresh):
            self._cover(fresh)

    def pairs_of(self, rids: Indices) -> tuple[Indices, Indices, Weights]:
        """Return the loose pairs of some records: (record, other, weight), perhaps some of them twice."""
        if not self._covered:
            none = np.empty(0, np.int64)
            return none, none, none
        self._edges.reserve(len(self._records))
        return self._edges.of(rids, self._records.content_versions)

    def _cover(self, fresh: Indices) -> None:
        owners, keys = self._blocker.keys(self._records.columns, fresh)
        rids = fresh[owners]
        self._index.add(keys, rids)
        self._covered.update(fresh.tolist())
        if not len(keys):
            return
        wanted = np.sort(keys)
        live = np.flatnonzero(self._records.live[: len(self._records)])
        sought = BlockIndex(len(keys))
        sought.add(keys, rids)
        for start in range(0, len(live), _CHUNK):
            chunk = live[start : start + _CHUNK]
            chunk_owners, chunk_keys = self._blocker.keys(self._records.columns, chunk)
            hits = np.flatnonzero(_among(chunk_keys, wanted))
            at, others = sought.candidates(chunk_keys[hits])
            self._add(chunk[chunk_owners[hits[at]]], others)

    def _add(self, firsts: Indices, others: Indices) -> None:
        """Compare pairs and keep those that leave a doubt."""
        different = firsts != others
        left, right = decode_pairs(sorted_unique(encode_pairs(firsts[different], others[different])))
        weights = score(self._records.columns, left, right, self._model)
        kept = weights >= self._model.lowest_doubt
        self._edges.reserve(len(self._records))
        self._edges.add(left[kept], right[kept], weights[kept], self._records.content_versions)


def _among(values: Hashes, wanted: Hashes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = wanted[at] == values
    return found
