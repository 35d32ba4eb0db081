from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from matching.changes import IdentityChange, RecordRow
from matching.features import ChangeReader
from matching.resident.owner import ResidentOwner
from matching.stage.engine import Engine, Start
from matching.stage.messages import Batch, Outcome, Outgoing, Position
from schemas.codec import encode
from tests.factories.linkage import SourceEvent, hand_made_model, history, observed_events

MODEL = hand_made_model()
READER = ChangeReader(MODEL)
EVENTS = history(21, 120)


class Message(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    erased: bool = False
    time: int = 0

    @property
    def original(self) -> bytes:
        return self.value or b""


@dataclass
class TableOfRows:
    """A batch writer that keeps rows as the tables do, and answers when it is asked to settle."""

    rows: dict[int, RecordRow] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    waiting: list[Batch] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        return len(self.waiting)

    def submit(self, batch: Batch) -> list[Outcome]:
        self.waiting.append(batch)
        return []

    def settle(self, most: int = 0) -> list[Outcome]:
        outcomes = []
        while len(self.waiting) > most:
            batch = self.waiting.pop(0)
            self.batches.append(batch)
            self.rows |= {row.rid: row for row in (*batch.inserted, *batch.rewritten)}
            for rid, version, fingerprint, ingested_at, number in batch.relabelled:
                self.rows[rid] = self.rows[rid]._replace(
                    version=version, fingerprint=fingerprint, ingested_at=ingested_at, child_number=number
                )
            outcomes.append(Outcome(batch.batch, published=bool(batch.outbox)))
        return outcomes


def engine_on(table: TableOfRows, *, publishing: bool = True) -> Engine:
    """Build an engine from the rows of a table, as after a restart."""
    owner = ResidentOwner(MODEL)
    owner.load(table.rows.values())
    positions = {position[:2]: position for batch in table.batches for position in batch.positions}
    start = Start(7, len(table.batches), MODEL.model_id, list(positions.values()))
    return Engine(owner, READER, table, start=start, publishing=publishing)


def outgoing(batch: Batch) -> Outgoing:
    return msgspec.msgpack.decode(batch.outbox, type=Outgoing) if batch.outbox else Outgoing([])


def as_messages(events: Sequence[SourceEvent]) -> list[Message]:
    return [Message(offset, b"", encode(event).value) for offset, event in enumerate(events)]


def memberships(events: Sequence[SourceEvent]) -> dict[str, tuple[str, ...]]:
    owner = ResidentOwner(MODEL)
    owner.apply([READER.read(encode(event).value) for event in events], 1)
    return owner.memberships()


def of_table(table: TableOfRows) -> dict[str, tuple[str, ...]]:
    owner = ResidentOwner(MODEL)
    owner.load(table.rows.values())
    return owner.memberships()


def test_a_message_that_is_no_event_becomes_a_dead_letter_among_its_neighbours() -> None:
    events = list(observed_events(1, 4))
    messages = as_messages(events)
    poison = Message(4, b"k", b"\xff")
    table = TableOfRows()
    engine = engine_on(table)
    engine.step({("source.yot", 2): [*messages, poison], ("decisions", 0): [Message(9, None, None)]})
    assert engine.settle(0)
    (batch,) = table.batches
    assert [(letter.origin, letter.place, letter.key, letter.value) for letter in outgoing(batch).letters] == [
        ("source.yot", "2:4", b"k", b"\xff"),
        ("decisions", "0:9", None, b""),
    ]
    assert batch.positions == [Position("source.yot", 2, 5), Position("decisions", 0, 10)]
    assert of_table(table) == memberships(events)


def test_a_replay_publishes_no_identity_but_keeps_dead_letters() -> None:
    table = TableOfRows()
    engine = engine_on(table, publishing=False)
    engine.step({("source.yot", 0): [*as_messages(EVENTS[:20]), Message(20, None, b"?")]})
    engine.settle(0)
    published = outgoing(table.batches[0])
    assert published.identities == []
    assert len(published.letters) == 1
    assert of_table(table) == memberships(EVENTS[:20])


def test_a_position_counts_as_committed_when_the_writer_says_so_and_not_before() -> None:
    table = TableOfRows()
    engine = engine_on(table)
    engine.step({("source.yot", 0): as_messages(EVENTS[:3])})
    assert engine.committed == {}
    engine.settle(0)
    assert engine.committed == {("source.yot", 0): 3}


@given(cuts=st.sets(st.integers(1, len(EVENTS) - 1), max_size=12), restarts=st.sets(st.integers(0, 12), max_size=4))
def test_neither_batches_nor_restarts_on_the_way_change_the_children(cuts: set[int], restarts: set[int]) -> None:
    table = TableOfRows()
    engine = engine_on(table)
    messages, bounds = as_messages(EVENTS), [0, *sorted(cuts), len(EVENTS)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        if number in restarts:
            engine = engine_on(table)
        engine.step({("source.yot", 0): messages[start:end]})
        engine.settle(0)
    assert engine.committed == {("source.yot", 0): len(EVENTS)}
    assert of_table(table) == memberships(EVENTS)
    published = [change for batch in table.batches for change in outgoing(batch).identities]
    newest = {change.child_number: change.members for change in published if isinstance(change, IdentityChange)}
    assert {number: members for number, members in newest.items() if members} == memberships(EVENTS)
