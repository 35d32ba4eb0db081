"""A part of the linkage state as a resident owner of its own: the rows that a batch depends on, under small numbers.

The resident owner's outcome for a batch depends on the changed records, on what they are compared with, and on the
whole components of all of these. Given just these rows, it comes to the same delta as if it held every record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from matching.changes import ConflictState, Delta, RecordRow, RowLabel, SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.edges import EDGE, edges_of_rows, read_edges
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner
from matching.resident.records import NO_CLUSTER


class Part:
    """Some records of the store. `rows` are in order of rid; edges that lead out of the part are left out."""

    def __init__(
        self,
        model: LinkageModel,
        rows: Sequence[RecordRow],
        decisions: Iterable[Decision] = (),
        conflicts: Iterable[tuple[str, ConflictState]] = (),
    ) -> None:
        self._rids = np.array([row.rid for row in rows], np.int64)
        self._owner = ResidentOwner(model)
        self._owner.load(_renumbered(rows, self._rids), decisions, conflicts)

    def apply(
        self, changes: Sequence[SourceChange], batch: int, rid_of: Mapping[str, int], decisions: Sequence[Decision] = ()
    ) -> Delta:
        """Apply a batch and return its delta under the store's own numbers; `rid_of` has those of all changed keys."""
        delta = self._owner.apply(changes, batch, decisions)
        first = len(self._rids)
        fresh = [rid_of[row.key] for row in sorted(delta.inserted, key=lambda row: row.rid)]
        rids = np.concatenate([self._rids, np.array(fresh, np.int64)])
        if [row.rid for row in delta.inserted] != list(range(first, first + len(fresh))):
            raise AssertionError("new records are numbered in order")
        return replace(
            delta,
            inserted=_outward(delta.inserted, rids),
            rewritten=_outward(delta.rewritten, rids),
            relabelled=[RowLabel(int(rids[label.rid]), *label[1:]) for label in delta.relabelled],
        )

    def shielded(self) -> set[str]:
        """Return the keys of all records that are with a shielded child now."""
        records = self._owner.records
        founders = records.founders[: len(records)]
        rids = np.flatnonzero((founders != NO_CLUSTER) & records.shielded[np.maximum(founders, 0)])
        return {records.keys[rid] for rid in rids.tolist()}


def _renumbered(rows: Sequence[RecordRow], rids: Indices) -> list[RecordRow]:
    """Return rows numbered 0, 1, 2, ..., with the edges among them."""
    owners, edges = edges_of_rows([row.edges for row in rows])
    edges = edges.copy()
    others = edges["rid"].astype(np.int64)
    at = np.minimum(np.searchsorted(rids, others), max(len(rids) - 1, 0))
    inside = rids[at] == others if len(others) else np.zeros(0, dtype=bool)
    edges["rid"] = at
    data = edges[inside].tobytes()
    ends = (np.cumsum(np.bincount(owners[inside], minlength=len(rows))) * EDGE.itemsize).tolist()
    return [
        row._replace(rid=i, edges=data[begin:end])
        for i, (row, begin, end) in enumerate(zip(rows, [0, *ends], ends, strict=False))
    ]


def _outward(rows: Sequence[RecordRow], rids: Indices) -> list[RecordRow]:
    """Return rows under the store's own numbers."""
    edges = read_edges(b"".join([row.edges for row in rows])).copy()
    edges["rid"] = rids[edges["rid"].astype(np.int64)]
    data, start, outward = edges.tobytes(), 0, []
    for row in rows:
        end = start + len(row.edges)
        outward.append(row._replace(rid=int(rids[row.rid]), edges=data[start:end]))
        start = end
    return outward
