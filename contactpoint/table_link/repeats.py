"""Records that repeat others in everything: a few of each are linked, the rest follow them.

A person with thousands of equal records would fill every block beyond what blocking may cost, and be linked to nobody;
and their pairs, all alike, would be most of what training learns from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from matching.linkage.batch import LinkedTable, PairTable
from matching.linkage.columns import RecordColumns
from matching.linkage.constraints import SourceRules
from matching.linkage.hashing import Hashes, Indices, mix
from matching.linkage.marks import Marks
from matching.linkage.model import LinkageModel

KEPT: Final = 10
"""Records of one source, equal in every field, that are linked themselves; at least two, so that they are compared."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Which rows are linked themselves: `rows`, in order.

    `first` and `second` are places in `rows`, for each row of the table: of a row that follows, the first two that it
    equals; of others the row itself.
    """

    rows: Indices
    first: Indices
    second: Indices

    @property
    def following(self) -> int:
        """How many rows follow others."""
        return len(self.first) - len(self.rows)

    def taken(self, columns: RecordColumns, model: LinkageModel) -> RecordColumns:
        """Return the columns of `rows` alone."""
        if not self.following:
            return columns
        names = columns.source_names
        few = RecordColumns(model)
        few.append(columns.rows(self.rows), [names[code] for code in columns.sources[self.rows].tolist()])
        return few

    def followed(self, linked: LinkedTable) -> LinkedTable:
        """Return the outcome for the whole table from that of `rows`; its `resolution` stays that of `rows`.

        A row follows those that it equals only if these are one person: two records of a common name and nothing else
        are not, however equal.
        """
        if not self.following:
            return linked
        own = np.arange(len(self.first), dtype=np.int64)
        one, other = linked.clusters[self.first], linked.clusters[self.second]
        pairs = linked.pairs
        there = PairTable(self.rows[pairs.left], self.rows[pairs.right], pairs.weights, pairs.levels)
        return replace(linked, clusters=np.where(one == other, self.rows[one], own), pairs=there)


def repeats_of(columns: RecordColumns, model: LinkageModel, marks: Marks | None) -> Repeats:
    """Return the rows to link: all but those beyond KEPT that are equal in every field, mark and source.

    In a source that holds each person once equal records are two people or a mistake; all of them are linked.
    """
    codes = _codes(columns, marks)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.append(True, codes[order][1:] != codes[order][:-1]))[: len(order)]
    begins = np.repeat(starts, np.diff(starts, append=len(order)))
    once = SourceRules(model, columns.source_names).holds_once(columns.sources)
    follows = (np.arange(len(order)) - begins >= KEPT) & ~once[order]
    first, second = np.arange(len(order), dtype=np.int64), np.arange(len(order), dtype=np.int64)
    first[order[follows]], second[order[follows]] = order[begins[follows]], order[begins[follows] + 1]
    linked = np.ones(len(order), dtype=bool)
    linked[order[follows]] = False
    place = np.cumsum(linked) - 1
    return Repeats(np.flatnonzero(linked), place[first], place[second])


def _codes(columns: RecordColumns, marks: Marks | None) -> Hashes:
    """Return one hash of all that is known of each row."""
    codes = columns.sources.astype(np.uint64)
    if marks is not None:
        codes = mix(codes) ^ marks.astype(np.uint64)
    for field in columns.hashes(np.arange(len(columns), dtype=np.int64)).T:
        codes = mix(codes) ^ field
    return mix(codes)
