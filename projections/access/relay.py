"""The relay: publishes numbered entries and witnessed checkpoints on the topic `access`, and reads them back.

At least once: the position moves when the brokers have acknowledged. A repeated event has the same id and the same leaf
number, so readers pass over it. The tables are ahead of the topic, so a topic that was restored from an older copy gets
everything once more.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from connectors.kafka import EventProducer, Watermarks, read_spans, read_to_end, watermarks
from connectors.postgres import wrap_errors
from projections.access.merkle import Frontier, leaf_hash
from projections.access.sql import QUERIES
from projections.access.store import Connection
from schemas.access import AccessCheckpointed, AccessRecorded, RecordedLeaf, SignedCheckpoint
from schemas.codec import decode, encode
from schemas.errors import FatalError
from schemas.events import event_id
from schemas.settings import KafkaSettings
from schemas.topics import ACCESS

BATCH = 1_000
_TAIL = 100  # messages: checkpoints of a trail that does not grow come behind its newest entry, and they are few


def begin_again_if_lost(connection: Connection, kafka: KafkaSettings) -> bool:
    """Let all be published once more where the topic lacks the newest entry that was; tell whether that is so."""
    with wrap_errors():
        row = connection.execute(QUERIES["read_relay"]).fetchone() or (0, 0)
    ends = watermarks(kafka, [ACCESS])
    tails = {place: Watermarks(max(mark.low, mark.high - _TAIL), mark.high) for place, mark in ends.items()}
    newest = (_leaf(message.value) for messages in read_spans(kafka, tails) for message in messages)
    if not row[0] or max(newest, default=-1) >= row[0] - 1:
        return False
    with wrap_errors():
        connection.execute(QUERIES["begin_relay_again"])
    return True


def _leaf(value: bytes | None) -> int:
    event = decode(value)
    return event.data.leaf if isinstance(event, AccessRecorded) else -1


def relay(connection: Connection, producer: EventProducer) -> int:
    """Publish the next entries and checkpoints; return how many. The producer's error: nothing has moved then."""
    with wrap_errors():
        row = connection.execute(QUERIES["read_relay"]).fetchone() or (0, 0)
        leaves = connection.execute(QUERIES["read_to_relay"], [row[0], BATCH]).fetchall()
        checkpoints = connection.execute(QUERIES["read_checkpoints_to_relay"], [row[1], BATCH]).fetchall()
    for leaf, at, key_ref, user, body, signature in leaves:
        producer.send_event(ACCESS, encode(recorded(leaf, at, key_ref or user, body, bytes(signature))))
    for size, at, note in checkpoints:
        producer.send_event(ACCESS, encode(checkpointed(size, at, note)))
    if leaves or checkpoints:
        producer.flush()
        next_leaf = leaves[-1][0] + 1 if leaves else 0
        next_checkpoint = checkpoints[-1][0] + 1 if checkpoints else 0
        with wrap_errors():
            connection.execute(QUERIES["move_relay"], [next_leaf, next_checkpoint])
    return len(leaves) + len(checkpoints)


def recorded(leaf: int, at: datetime, subject: str, body: str, signature: bytes) -> AccessRecorded:
    """Return the event of a numbered entry."""
    data = RecordedLeaf(leaf=leaf, body=body, signature=base64.b64encode(signature).decode())
    return AccessRecorded(event_id=event_id("access", leaf, body), subject=subject, decided_at=at, data=data)


def checkpointed(size: int, at: datetime, note: str) -> AccessCheckpointed:
    """Return the event of a witnessed checkpoint."""
    origin = note.partition("\n")[0]
    data = SignedCheckpoint(size=size, note=note)
    return AccessCheckpointed(event_id=event_id("checkpoint", origin, size), subject=origin, decided_at=at, data=data)


@dataclass(slots=True)
class PublishedTrail:
    """What the topic holds: the leaves in their order, without repetitions, and the checkpoints by size."""

    leaves: list[RecordedLeaf] = field(default_factory=list)
    checkpoints: list[SignedCheckpoint] = field(default_factory=list)

    def frontier(self) -> Frontier:
        """Return the tree over the leaves."""
        return Frontier().grow(leaf_hash(leaf.body.encode()) for leaf in self.leaves)[0]


def read_published(kafka: KafkaSettings) -> PublishedTrail:
    """Read the whole topic; raise FatalError for a gap in the numbers, or two events that differ in one number."""
    leaves: dict[int, RecordedLeaf] = {}
    checkpoints: dict[int, SignedCheckpoint] = {}
    for event in _events(kafka):
        if isinstance(event, AccessCheckpointed):
            checkpoints[event.data.size] = event.data
        elif leaves.setdefault(event.data.leaf, event.data) != event.data:
            message = f"the topic {ACCESS} holds two leaves {event.data.leaf}"
            raise FatalError(message)
    missing = next((number for number in range(len(leaves)) if number not in leaves), None)
    if missing is not None:
        message = f"the topic {ACCESS} lacks leaf {missing}"
        raise FatalError(message)
    return PublishedTrail(
        [leaves[number] for number in range(len(leaves))], [checkpoints[size] for size in sorted(checkpoints)]
    )


def _events(kafka: KafkaSettings) -> Iterable[AccessRecorded | AccessCheckpointed]:
    for message in read_to_end(kafka, [ACCESS]):
        event = decode(message.value)
        if isinstance(event, AccessRecorded | AccessCheckpointed):
            yield event
