"""Before anything is reserved: which records of the store a batch's own contents may be linked with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from matching.changes import RecordRow, SourceChange
from matching.linkage.blocking import Blocker
from matching.linkage.columns import RecordColumns
from matching.linkage.comparisons import compare
from matching.linkage.hashing import Hashes, Indices, sorted_unique
from matching.linkage.marks import VERIFIED, VerifiedNumbers
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights, leave_doubt, total_weights
from matching.linkage.similarity import Levels
from matching.resident.versions import order_of

_ANY_VERIFIED: Final = np.uint8((1 << len(VERIFIED)) - 1)


class Content(NamedTuple):
    """The newest values that a batch states about one record: what it announces."""

    rid: int
    event_id: str
    source: str
    features: bytes


class Candidate(NamedTuple):
    """A record that shares a key with the content at position `at`, as it is linked or as it is announced."""

    at: int
    rid: int
    announced: bool
    source: str
    features: bytes


Wanted = Callable[[Levels, Weights], np.ndarray[tuple[int], np.dtype[np.bool_]]]
"""Which pairs are kept, by their levels and weights."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Pairs at or above the review floor: own record, other record, whether with its announced content, weight."""

    own: Indices
    others: Indices
    announced: np.ndarray[tuple[int], np.dtype[np.bool_]]
    weights: Indices

    def linked_with(self, threshold: int) -> Indices:
        """Return the other records of pairs whose components a batch may join, or whose place it has to wait for."""
        return sorted_unique(self.others[(self.weights >= threshold) | self.announced])


class Surveyor:
    """Compares a batch's contents with what the store has; knows the model's blocking."""

    def __init__(self, model: LinkageModel) -> None:
        self._model = model
        self._blocker = Blocker(model)
        self._shield_blocker = Blocker(model, model.shield_rules)
        self._verified = VerifiedNumbers(model)

    def columns(self, contents: Sequence[Content]) -> RecordColumns:
        """Return contents by column, ready to be blocked and compared."""
        columns = RecordColumns(self._model)
        columns.append([content.features.decode() for content in contents], [content.source for content in contents])
        return columns

    def keys(self, columns: RecordColumns) -> tuple[Indices, Hashes]:
        """Return the blocking keys of contents: position, key."""
        return self._blocker.keys(columns, np.arange(len(columns), dtype=np.int64))

    def shield_keys(self, columns: RecordColumns) -> tuple[Indices, Hashes]:
        """Return the keys of contents by the shield rules: position, key."""
        return self._shield_blocker.keys(columns, np.arange(len(columns), dtype=np.int64))

    def index_keys(self, contents: Sequence[Content]) -> tuple[Indices, Hashes]:
        """Return all keys by which contents are to be found: record, key."""
        columns = self.columns(contents)
        pairs = [self.keys(columns), self.shield_keys(columns)]
        at, keys = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return np.array([content.rid for content in contents], np.int64)[at], keys

    def shield_index_keys(self, contents: Sequence[Content]) -> tuple[Indices, Hashes]:
        """Return the keys by which contents of shielded children are to be found: record, key."""
        at, keys = self.shield_keys(self.columns(contents))
        return np.array([content.rid for content in contents], np.int64)[at], keys

    def doubts(self, contents: Sequence[Content], found: Sequence[Candidate]) -> Indices:
        """Return the records that may be the same child as one of these, however little speaks for it."""
        doubt = partial(leave_doubt, model=self._model)
        return sorted_unique(self._compare(contents, self.columns(contents), found, doubt).others)

    def compare(self, contents: Sequence[Content], columns: RecordColumns, found: Sequence[Candidate]) -> Findings:
        """Return the pairs that reach the review floor, or have a number in common that may be verified.

        `columns` are those of the contents; what was found is appended to them.
        """
        return self._compare(contents, columns, found, lambda _, weights: weights >= self._model.review_floor)

    def _compare(
        self, contents: Sequence[Content], columns: RecordColumns, found: Sequence[Candidate], wanted: Wanted
    ) -> Findings:
        places: dict[tuple[int, bytes], int] = {}  # of one record several contents may be announced
        rows: list[Candidate] = []
        right = np.empty(len(found), np.int64)
        first = len(columns)
        for i, candidate in enumerate(found):
            place = places.setdefault((candidate.rid, candidate.features), first + len(rows))
            if place == first + len(rows):
                rows.append(candidate)
            right[i] = place
        columns.append([row.features.decode() for row in rows], [row.source for row in rows])
        left = np.array([candidate.at for candidate in found], np.int64)
        levels = compare(columns, left, right, self._model)
        weights = total_weights(levels, self._model)
        marks = np.full(len(columns), _ANY_VERIFIED, np.uint8)
        kept = np.flatnonzero(wanted(levels, weights) | self._verified.shared(columns, marks, left, right))
        chosen = [found[i] for i in kept.tolist()]
        return Findings(
            np.array([contents[candidate.at].rid for candidate in chosen], np.int64),
            np.array([candidate.rid for candidate in chosen], np.int64),
            np.array([candidate.announced for candidate in chosen], dtype=bool),
            weights[kept],
        )


def newest_contents(changes: Sequence[SourceChange], rid_of: Mapping[str, int]) -> list[Content]:
    """Return what a batch announces: the values of each record whose newest change in the batch is an observation."""
    newest: dict[str, SourceChange] = {}
    for change in changes:
        known = newest.get(change.key)
        if known is None or order_of(change) > order_of(known):
            newest[change.key] = change
    return [content_of(change, rid_of) for change in newest.values() if change.kind == "observed"]


def contents_of(rows: Iterable[RecordRow]) -> list[Content]:
    """Return the contents of live rows."""
    return [Content(row.rid, "", row.source, row.features) for row in rows if row.live]


def content_of(change: SourceChange, rid_of: Mapping[str, int]) -> Content:
    """Return the content that an observation states."""
    return Content(rid_of[change.key], change.event_id, change.source, (change.row or "").encode())
