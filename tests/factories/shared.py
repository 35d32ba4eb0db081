"""Several shared linkers on one database, their steps in any order, for tests."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np

from connectors.postgres import connect
from matching.changes import ConflictState, Delta, IdentityChange, SourceChange
from matching.linkage.blocking import Blocker
from matching.linkage.columns import SEPARATOR, columns_of
from matching.linkage.decisions import Decision
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner
from matching.shared.indexing import ensure_index
from matching.shared.linker import SharedLinker
from matching.shared.steps import Announced, ConflictError, Surveyed
from matching.shared.tables import Move, Tables, create_tables
from matching.sql import QUERIES
from matching.stage import store
from matching.stage.made_with import MadeWith
from matching.stage.messages import Batch, Outgoing
from schemas.settings import PostgresSettings
from tests.unit.matching.durable import DurableRows

Event = SourceChange | Decision

WORKERS = 3
EMPTY = (
    "truncate matching.record, matching.outbox, matching.position, matching.shared_name, matching.shared_incoming, "
    "matching.shared_block, matching.shared_neighbour, matching.shared_question, matching.shared_covered, "
    "matching.decision, matching.conflict, matching.shared_whole restart identity"
)
CRASH = """do $$ declare t regclass; begin for t in
    select oid from pg_class where relnamespace = 'matching'::regnamespace and relkind = 'r' and relpersistence = 'u'
    loop execute format('truncate %s restart identity', t); end loop; end $$"""


@dataclass(slots=True)
class Hand:
    """One worker in the middle of a batch."""

    linker: SharedLinker
    batch: list[Event] | None = None
    announced: Announced | None = None
    surveyed: Surveyed | None = None


class SharedStore:
    """Tables, and workers whose steps a test orders."""

    def __init__(self, tables: Sequence[Tables]) -> None:
        self._tables = tables
        self._connection = tables[0].connection
        self._model: LinkageModel | None = None

    @classmethod
    @contextmanager
    def opened(cls, settings: PostgresSettings) -> Iterator[Self]:
        """Create the tables and open a connection for each worker."""
        create_tables(settings)
        connections = [connect(settings, autocommit=True) for _ in range(WORKERS)]
        try:
            yield cls([Tables(connection) for connection in connections])
        finally:
            for connection in connections:
                connection.close()

    def empty(self, model: LinkageModel) -> list[SharedLinker]:
        """Empty the tables; return a linker for each worker."""
        self._connection.execute(EMPTY)
        self._connection.execute("update matching.shared_decided set stamp = stamp + 1")
        self._connection.execute(
            "update matching.owner set (model_id, fold_version) = (%s, %s)", MadeWith(model.model_id)
        )
        self._model = model
        return self.own(model, [])

    def own(self, model: LinkageModel, batches: Sequence[list[Event]]) -> list[SharedLinker]:
        """Let an owner that finds these tables link batches; return linkers that go on from there."""
        owner, connection = ResidentOwner(model), self._connection
        owner.load(store.read_records(connection), store.read_decisions(connection), store.read_conflicts(connection))
        (before,) = connection.execute(QUERIES["last_batch"]).fetchone() or (0,)
        for number, batch in enumerate(batches, before + 1):
            self._write(owner.apply(*_sorted(batch, number)))
        connection.execute("update matching.owner set batch = %s", [before + len(batches)])
        connection.execute("truncate matching.shared_whole")
        assert ensure_index(self._tables[0], model)
        return [SharedLinker(tables, model) for tables in self._tables]

    def run(self, model: LinkageModel, batches: Sequence[list[Event]], rng: random.Random) -> None:
        """Link batches from empty tables: each step by a worker drawn at random, some of which die and are replaced.

        Now and then, and for half of the batches perhaps at first, they all end and an owner links some; or the server
        crashes.
        """
        hands = [Hand(linker) for linker in self.empty(model)]
        waiting = list(reversed(batches))
        owned = rng.choice([0, 0, len(batches) // 2])
        while waiting or any(hand.batch is not None for hand in hands):
            hand = rng.choice(hands)
            if owned or rng.random() < 0.04:
                waiting += [each.batch for each in hands if each.batch is not None]
                hands = [Hand(linker) for linker in self._interrupted(model, waiting, owned or rng.choice([0, 1, 2]))]
                owned = 0
            elif hand.batch is None:
                hand.batch = waiting.pop() if waiting else None
            elif rng.random() < 0.05:
                waiting.append(hand.batch)
                hand.batch = hand.announced = hand.surveyed = None
            elif hand.announced is None:
                changes, _, decisions = _sorted(hand.batch, 0)
                hand.announced = hand.linker.announce(changes, decisions)
            elif hand.surveyed is None:
                hand.surveyed = hand.linker.survey(hand.announced)
            else:
                self._settle(hand, hand.announced, hand.surveyed)

    def rows(self) -> DurableRows:
        """Return the rows of all records; the index is checked on the way."""
        rows = DurableRows()
        found = list(store.read_records(self._connection))
        rows.rows.update((row.rid, row) for row in found)
        self._check_index(rows)
        return rows

    def published(self) -> tuple[dict[str, tuple[str, ...]], set[str]]:
        """Return the newest membership of every child that the outbox tells of, and which of them are held."""
        newest: dict[str, tuple[int, tuple[str, ...]]] = {}
        held: set[str] = set()
        for (payload,) in self._connection.execute("select payload from matching.outbox order by batch"):
            for change in msgspec.msgpack.decode(payload, type=Outgoing).identities:
                assert isinstance(change, IdentityChange)
                number = change.child_number
                assert number not in newest or newest[number][0] < change.version
                newest[number] = (change.version, change.members)
                (held.add if change.held else held.discard)(number)
        return {number: members for number, (_, members) in newest.items() if members}, held

    def keys(self) -> int:
        """Return how many blocking keys are there."""
        (count,) = self._connection.execute("select count(*) from matching.shared_block").fetchone() or (0,)
        return int(count)

    def conflicts(self) -> dict[str, ConflictState]:
        """Return the open conflicts."""
        return dict(store.read_conflicts(self._connection))

    def _interrupted(self, model: LinkageModel, waiting: list[list[Event]], owned: int) -> list[SharedLinker]:
        """Let an owner link so many batches, or crash the server; return new linkers."""
        if not owned:
            self._connection.execute(CRASH)
        return self.own(model, [waiting.pop() for _ in range(min(owned, len(waiting)))])

    def _write(self, delta: Delta) -> None:
        written = Batch.of(delta, [], [], epoch=0, publishing=True)
        store.prepare_writer(self._connection)
        with self._connection.transaction():
            store.write_changes(self._connection, written)

    def _settle(self, hand: Hand, announced: Announced, surveyed: Surveyed) -> None:
        moves: list[Move] = []
        try:
            hand.linker.settle(announced, surveyed, moves)
            hand.batch = hand.announced = hand.surveyed = None
        except ConflictError as conflict:
            hand.surveyed = hand.linker.survey(announced, conflict.needed, alone=conflict.alone)

    def _check_index(self, rows: DurableRows) -> None:
        """Nothing is left announced, and each live record has exactly the keys of its content."""
        assert self._model is not None
        live = [row for row in rows.rows.values() if row.live]
        values = [row.features.decode().split(SEPARATOR) for row in live]
        columns = columns_of(self._model, values, [row.source for row in live])
        rules = (*self._model.blocking_rules, *self._model.shield_rules)
        owners, keys = Blocker(self._model, rules).keys(columns, np.arange(len(live)))
        expected = sorted(zip(keys.view(np.int64).tolist(), [live[i].rid for i in owners.tolist()], strict=True))
        found = self._connection.execute("select key, rid from matching.shared_block order by key, rid").fetchall()
        assert found == expected
        assert not self._connection.execute("select 1 from matching.shared_incoming").fetchall()


def _sorted(batch: list[Event], number: int) -> tuple[list[SourceChange], int, list[Decision]]:
    """Return what an owner takes: changes, the batch's number, decisions."""
    changes = [each for each in batch if isinstance(each, SourceChange)]
    return changes, number, [each for each in batch if isinstance(each, Decision)]
