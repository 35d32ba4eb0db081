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
from matching.linkage.decisions import Decision
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.shared.blocks import missing_keys
from matching.shared.decided import Decided, pairs_named
from matching.shared.neighbours import STATED, both_ways, joined
from matching.shared.outcome import cover_shielded, write_outcome
from matching.shared.part import Part
from matching.shared.reserving import NOBODY, Reserver
from matching.shared.steps import Announced, ConflictError, Surveyed, Totals
from matching.shared.survey import Surveyor, newest_contents
from matching.shared.tables import Move, Tables
from matching.stage import store
from schemas.dead_letter import DeadLetter
from schemas.errors import FencedError


class SharedLinker:
    """Links batches over tables that other linkers use at the same time. One thread, one connection."""

    def __init__(self, tables: Tables, model: LinkageModel, totals: Totals | None = None) -> None:
        self._tables = tables
        self._model = model
        self._surveyor = Surveyor(model)
        self._decided = Decided(tables, model.model_id)
        self._reserver = Reserver(tables, self._surveyor, self._decided, model)
        self.totals = totals or Totals()
        with wrap_errors():
            store.prepare_writer(tables.connection)

    @property
    def model_id(self) -> str:
        """The id of the model that links."""
        return self._model.model_id

    def link(
        self,
        changes: Sequence[SourceChange],
        moves: Sequence[Move],
        letters: Sequence[DeadLetter] = (),
        decisions: Sequence[Decision] = (),
    ) -> bool:
        """Link a batch and move the positions with it; tell whether it left something to publish.

        Raises FencedError when a position is not where it has to be: another worker has this batch. Raises
        RetriableError when the database is away; the batch is then to be given again as a whole.
        """
        with wrap_errors():
            announced: Announced | None = None
            learned, alone = NOBODY, False
            while True:
                try:
                    announced = announced or self.announce(changes, decisions)
                    return self.settle(announced, self.survey(announced, learned, alone=alone), moves, letters)
                except ConflictError as conflict:
                    learned, alone = conflict.needed, alone or conflict.alone
                except errors.DeadlockDetected:
                    pass
                except errors.LockNotAvailable:
                    self._tables.end_silent_workers()
                except FencedError:
                    if announced:
                        self._tables.forget_announcement(announced.own)
                    raise
                self.totals.conflicts += 1

    def announce(self, changes: Sequence[SourceChange], decisions: Sequence[Decision] = ()) -> Announced:
        """The first transaction: names, contents, blocking keys."""
        begun = perf_counter()
        merges = [(change.key, change.merged_into) for change in changes if change.merged_into]
        named = [key for each in decisions for key in (*each.left, *each.right)]
        rid_of, fresh = self._tables.number(
            [*(change.key for change in changes), *(into for _, into in merges), *named]
        )
        contents = newest_contents(changes, rid_of)
        columns = self._surveyor.columns(contents)
        at, keys = self._surveyor.keys(columns)
        rids = np.array([content.rid for content in contents], np.int64)
        shield_at, shield_keys = self._surveyor.shield_keys(columns)
        pairs = np.array([(rid_of[key], rid_of[into]) for key, into in merges], np.int64).reshape(-1, 2)
        with self._tables.connection.transaction():
            self._tables.take_turn(alone=False)
            self._decided.refresh()
            settled = self._tables.at_rest(rids[~np.isin(rids, [*fresh])])
            owners, all_keys = rids[np.concatenate([at, shield_at])], np.concatenate([keys, shield_keys])
            missing = missing_keys(self._surveyor, settled, owners, all_keys)
            self._tables.announce(contents, owners[missing], all_keys[missing])
        self.totals.announcing += perf_counter() - begun
        own = np.array(sorted({rid_of[change.key] for change in changes}), np.int64)
        merged = both_ways(pairs[:, 0], pairs[:, 1], np.full(len(pairs), STATED))
        stated = joined([merged, pairs_named(decisions, rid_of)])
        known = {content.rid: content.features for content in settled}
        return Announced(changes, rid_of, contents, columns, known, at, keys, rids[at], own, stated, decisions)

    def survey(self, announced: Announced, learned: Indices = NOBODY, *, alone: bool = False) -> Surveyed:
        """Compare the batch's contents with all others that share a key, linked or announced. Reserves nothing.

        `learned` are records that a former attempt lacked; `alone` that it found that no other may be linked meanwhile.
        """
        begun = perf_counter()
        found = self._tables.candidates(announced.keys, announced.at, announced.key_rids)
        own = set(announced.own.tolist())
        mine = {(content.rid, content.features) for content in announced.contents}
        # Of an own record, what another batch has announced counts: that batch may have looked before this one spoke.
        others = [
            candidate
            for candidate in found
            if candidate.rid not in own or (candidate.announced and (candidate.rid, candidate.features) not in mine)
        ]
        findings = self._surveyor.compare(announced.contents, announced.columns, others)
        expected = self._reserver.expect(announced, findings, learned)
        self.totals.surveying += perf_counter() - begun
        return Surveyed(findings, expected, alone or bool(announced.decisions))

    def settle(
        self, announced: Announced, surveyed: Surveyed, moves: Sequence[Move], letters: Sequence[DeadLetter] = ()
    ) -> bool:
        """The second transaction: move the positions, reserve, decide, write. Raises ConflictError and FencedError."""
        begun = perf_counter()
        with self._tables.connection.transaction():
            if not self._tables.advance(moves):
                raise FencedError("another worker has linked this batch: its positions have moved on")
            self._tables.take_turn(alone=surveyed.alone)
            self._decided.refresh()
            reserved = self._reserver.reserve(announced, surveyed)
            batch = self._tables.next_batch()
            reserved_at = perf_counter()
            part = Part(self._model, reserved.rows, reserved.decisions, reserved.conflicts)
            delta = part.apply(announced.changes, batch, announced.rid_of, announced.decisions)
            decided_at = perf_counter()
            published = write_outcome(
                self._tables,
                self._surveyor,
                announced,
                reserved,
                delta,
                letters,
                publishing=not self._decided.replaying,
            )
            if reserved.shields:
                cover_shielded(self._tables, self._surveyor, reserved, delta, part.shielded())
            if announced.decisions:
                self._tables.note_decided()
        totals = self.totals
        totals.records += len(announced.changes)
        totals.batches += 1
        totals.identities += len(delta.identities)
        totals.reserving += reserved_at - begun
        totals.deciding += decided_at - reserved_at
        totals.writing += perf_counter() - decided_at
        return published
