"""What the owner's process and the processes beside it say to each other: MessagePack, one message a frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Self

import msgspec

from matching.changes import ConflictChange, Delta, IdentityChange, RecordRow, RowLabel
from matching.linkage.decisions import Decision
from schemas.dead_letter import DeadLetter

ReplayTarget = dict[str, dict[str, int]]
"""How far a replay goes: topic, partition (as JSON wants it: text), end offset."""

Failure = Literal["", "fenced", "retriable", "fatal"]


class Position(NamedTuple):
    """The next offset to read of one partition."""

    topic: str
    partition: int
    next_offset: int


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that one transaction writes. `batch` must follow the last committed one of the same `epoch`.

    `identities` and `announced` are published as decided at `decided_at` (RFC 3339); `conflicts` are what became of
    those in the tables. `ends_replay` clears the replay target.
    """

    epoch: int
    batch: int
    model_id: str
    decided_at: str
    inserted: list[RecordRow] = []
    rewritten: list[RecordRow] = []
    relabelled: list[RowLabel] = []
    identities: list[IdentityChange] = []
    letters: list[DeadLetter] = []
    positions: list[Position] = []
    ends_replay: bool = False
    decisions: list[Decision] = []
    conflicts: list[ConflictChange] = []
    announced: list[ConflictChange] = []

    @classmethod
    def of(
        cls, delta: Delta, letters: Sequence[DeadLetter], positions: list[Position], *, epoch: int, publishing: bool
    ) -> Self:
        """Return the batch that writes a delta; `publishing` is False amid a replay."""
        return cls(
            epoch,
            delta.batch,
            delta.model_id,
            now(),
            delta.inserted,
            delta.rewritten,
            delta.relabelled,
            delta.identities if publishing else [],
            list(letters),
            positions,
            decisions=delta.decisions,
            conflicts=delta.conflicts,
            announced=delta.conflicts if publishing else [],
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


class Outgoing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of the outbox: values for `identities` and `conflicts`, and dead letters, in the order of publication."""

    identities: list[bytes]
    letters: list[DeadLetter]
    conflicts: list[bytes] = []
