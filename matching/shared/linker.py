"""The shared linker: one batch in two transactions, so that any number of workers end where one would.

First a batch *announces* its contents and their blocking keys, and commits. So of any two batches at least one sees
the other's contents. Then it *links*: it looks for what may be linked with its contents, reserves these records with
their whole components, reads them again under the reservation, and lets a resident owner that holds just them decide.
`docs/decisions/0012-shared-linkage.md` argues why no link is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
from psycopg import errors

from connectors.postgres import wrap_errors
from matching.changes import SourceChange
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.model import LinkageModel
from matching.shared.neighbours import ALL, ANNOUNCED, MERGED, Neighbours, both_ways
from matching.shared.outcome import write_outcome
from matching.shared.part import Part
from matching.shared.steps import Announced, ConflictError, Reserved, Surveyed, Totals
from matching.shared.survey import Surveyor, newest_contents
from matching.shared.tables import Move, Tables
from matching.stage import store
from schemas.dead_letter import DeadLetter
from schemas.errors import FencedError

_NOBODY = np.empty(0, np.int64)


class SharedLinker:
    """Links batches over tables that other linkers use at the same time. One thread, one connection."""

    def __init__(self, tables: Tables, model: LinkageModel, totals: Totals | None = None) -> None:
        self._tables = tables
        self._model = model
        self._surveyor = Surveyor(model)
        self.totals = totals or Totals()
        with wrap_errors():
            store.prepare_writer(tables.connection)

    def link(self, changes: Sequence[SourceChange], moves: Sequence[Move], letters: Sequence[DeadLetter] = ()) -> bool:
        """Link a batch and move the positions with it; tell whether it left something to publish.

        Raises FencedError when a position is not where it has to be: another worker has this batch. Raises
        RetriableError when the database is away; the batch is then to be given again as a whole.
        """
        with wrap_errors():
            announced = self.announce(changes)
            learned = _NOBODY
            while True:
                try:
                    return self.settle(announced, self.survey(announced, learned), moves, letters)
                except ConflictError as conflict:
                    learned = conflict.needed
                except errors.DeadlockDetected:
                    pass
                except errors.LockNotAvailable:
                    self._tables.end_silent_workers()
                except FencedError:
                    self._tables.forget_announcement(announced.own)
                    raise
                self.totals.conflicts += 1

    def announce(self, changes: Sequence[SourceChange]) -> Announced:
        """The first transaction: names, contents, blocking keys."""
        begun = perf_counter()
        merges = [(change.key, change.merged_into) for change in changes if change.merged_into]
        rid_of = self._tables.rids_of([*(change.key for change in changes), *(into for _, into in merges)])
        contents = newest_contents(changes, rid_of)
        at, keys = self._surveyor.keys(contents)
        key_rids = np.array([content.rid for content in contents], np.int64)[at]
        pairs = np.array([(rid_of[key], rid_of[into]) for key, into in merges], np.int64).reshape(-1, 2)
        with self._tables.connection.transaction():
            self._tables.announce(contents, key_rids, keys)
        self.totals.announcing += perf_counter() - begun
        own = np.array(sorted({rid_of[change.key] for change in changes}), np.int64)
        merged = both_ways(pairs[:, 0], pairs[:, 1], np.full(len(pairs), MERGED))
        return Announced(changes, rid_of, contents, at, keys, key_rids, own, merged)

    def survey(self, announced: Announced, learned: Indices = _NOBODY) -> Surveyed:
        """Compare the batch's contents with all others that share a key, linked or announced. Reserves nothing.

        `learned` are records that a former attempt lacked.
        """
        begun = perf_counter()
        found = self._tables.candidates(announced.keys, announced.at, announced.key_rids)
        own = set(announced.own.tolist())
        others = [candidate for candidate in found if candidate.rid not in own]
        findings = self._surveyor.compare(announced.contents, others)
        seeds = [announced.own, announced.merges.rids, findings.linked_with(self._model.link_threshold), learned]
        expected = self._reached(sorted_unique(np.concatenate(seeds)))
        self.totals.surveying += perf_counter() - begun
        return Surveyed(findings, expected)

    def settle(
        self, announced: Announced, surveyed: Surveyed, moves: Sequence[Move], letters: Sequence[DeadLetter] = ()
    ) -> bool:
        """The second transaction: move the positions, reserve, decide, write. Raises ConflictError and FencedError."""
        begun = perf_counter()
        with self._tables.connection.transaction():
            if not self._tables.advance(moves):
                raise FencedError("another worker has linked this batch: its positions have moved on")
            reserved = self._reserve(announced, surveyed)
            batch = self._tables.next_batch()
            reserved_at = perf_counter()
            delta = Part(self._model, reserved.rows).apply(announced.changes, batch, announced.rid_of)
            decided_at = perf_counter()
            published = write_outcome(self._tables, self._surveyor, announced, reserved, delta, letters)
        totals = self.totals
        totals.records += len(announced.changes)
        totals.batches += 1
        totals.identities += len(delta.identities)
        totals.reserving += reserved_at - begun
        totals.deciding += decided_at - reserved_at
        totals.writing += perf_counter() - decided_at
        return published

    def _reserve(self, announced: Announced, surveyed: Surveyed) -> Reserved:
        """Reserve everything that the outcome depends on, and read it.

        What the records are linked with can have changed while this worker waited for them: what is needed beyond the
        expected is reserved only if nobody has it, since out of order two workers could wait for each other.
        """
        tables, findings, reserved = self._tables, surveyed.findings, surveyed.expected
        tables.reserve(reserved)
        pending = tables.still_incoming(sorted_unique(findings.others[findings.announced]))
        waiting = findings.announced & np.isin(findings.others, pending)
        marks = np.full(int(waiting.sum()), ANNOUNCED, np.int64)
        hints = Neighbours(findings.others[waiting], findings.own[waiting], marks)
        own = tables.neighbours(announced.own, ALL)
        linked = findings.linked_with(self._model.link_threshold)
        seeds = sorted_unique(np.concatenate([announced.own, announced.merges.rids, linked, own.others]))
        while True:
            needed = self._reached(seeds)
            more = np.setdiff1d(needed, reserved)
            if not len(more):
                break
            self._reserve_more(more, reserved)
            reserved = np.concatenate([reserved, more])
        rows = tables.records(sorted_unique(np.concatenate([needed, findings.others])))
        return Reserved(own, hints, rows)

    def _reserve_more(self, more: Indices, reserved: Indices) -> None:
        try:
            with self._tables.connection.transaction():
                self._tables.reserve_at_once(more)
        except errors.LockNotAvailable:
            raise ConflictError(sorted_unique(np.concatenate([reserved, more]))) from None

    def _reached(self, seeds: Indices) -> Indices:
        """Return the records that can be reached from these over neighbours that may be linked, in order."""
        reached, frontier = seeds, seeds
        while len(frontier):
            found = self._tables.neighbours(frontier, self._model.link_threshold)
            frontier = np.setdiff1d(found.others, reached)
            reached = np.concatenate([reached, frontier])
        return np.sort(reached)
