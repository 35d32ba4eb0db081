"""What the owner's process and the processes beside it say to each other: MessagePack, one message a frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, Self

import msgspec

from matching.changes import ConflictChange, Delta, IdentityChange, RecordRow, RowLabel
from matching.linkage.decisions import Decision
from schemas.dead_letter import DeadLetter

ReplayTarget = dict[str, dict[str, int]]
"""How far a replay goes: topic, partition (as JSON wants it: text), end offset."""

Failure = Literal["", "fenced", "retriable", "fatal"]

_ENCODER: Final = msgspec.msgpack.Encoder()


class Position(NamedTuple):
    """The next offset to read of one partition, and when the message before it was sent (ms since 1970; 0: unknown)."""

    topic: str
    partition: int
    next_offset: int
    last_time: int = 0


class Outgoing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of the outbox: what is to be published of a batch, in this order, as decided at `decided_at` (RFC 3339).

    Values of events in the place of changes are from rows that an earlier release wrote.
    """

    identities: Sequence[bytes | IdentityChange]
    letters: Sequence[DeadLetter] = []
    conflicts: Sequence[bytes | ConflictChange] = []
    model_id: str = ""
    decided_at: str = ""

    def payload(self) -> bytes:
        """Return the row's bytes, none where there is nothing to publish."""
        return _ENCODER.encode(self) if self.identities or self.letters or self.conflicts else b""


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that one transaction writes. `batch` must follow the last committed one of the same `epoch`.

    `outbox` is the payload of an `Outgoing`, which nobody on the way needs to look into; `conflicts` are what became of
    those in the tables. `ends_replay` clears the replay target.
    """

    epoch: int
    batch: int
    outbox: bytes = b""
    inserted: list[RecordRow] = []
    rewritten: list[RecordRow] = []
    relabelled: list[RowLabel] = []
    positions: list[Position] = []
    ends_replay: bool = False
    decisions: list[Decision] = []
    conflicts: list[ConflictChange] = []

    @classmethod
    def of(
        cls, delta: Delta, letters: Sequence[DeadLetter], positions: list[Position], *, epoch: int, publishing: bool
    ) -> Self:
        """Return the batch that writes a delta; `publishing` is False amid a replay."""
        published = (delta.identities, letters, delta.conflicts) if publishing else ([], letters, [])
        return cls(
            epoch,
            delta.batch,
            Outgoing(*published, delta.model_id, now()).payload(),
            delta.inserted,
            delta.rewritten,
            delta.relabelled,
            positions,
            decisions=delta.decisions,
            conflicts=delta.conflicts,
        )


def now() -> str:
    """Return the present time as events have it: RFC 3339, UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to a batch: committed, or why not. Nothing after a failed batch is written."""

    batch: int
    failure: Failure = ""
    reason: str = ""
    seconds: float = 0.0
    published: bool = False
