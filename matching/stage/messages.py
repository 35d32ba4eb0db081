"""What the owner's process and the processes beside it say to each other: MessagePack, one message a frame."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from matching.changes import ConflictChange, IdentityChange, RecordRow, RowLabel
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
    inserted: list[RecordRow]
    rewritten: list[RecordRow]
    relabelled: list[RowLabel]
    identities: list[IdentityChange]
    letters: list[DeadLetter]
    positions: list[Position]
    ends_replay: bool = False
    decisions: list[Decision] = []
    conflicts: list[ConflictChange] = []
    announced: list[ConflictChange] = []


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
