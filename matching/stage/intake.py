"""From messages to source changes: what is not an event becomes a dead letter, and the next one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from matching.changes import SourceChange
from matching.decision_reader import read_decision
from matching.linkage.decisions import Decision
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import RejectedError
from schemas.topics import DECISIONS

STAGE = "matching"


class Message(Protocol):
    """What the engine needs of a message, whichever client has read it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key as it came."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value, open; None for a tombstone."""
        ...

    @property
    def original(self) -> bytes:
        """Its value as it came, perhaps sealed."""
        ...

    @property
    def time(self) -> int:
        """When it was sent, in milliseconds since 1970."""
        ...

    @property
    def erased(self) -> bool:
        """Whether its data key was destroyed, so that it says nothing any more."""
        ...


Messages = Mapping[tuple[str, int], Sequence[Message]]
"""Messages of each topic and partition, in order of offset."""


class Reads(Protocol):
    """What reads source events: a `ChangeReader`, or the answers of one that has read them already."""

    def read(self, value: bytes | None) -> SourceChange:
        """Return the change that the next source event makes; raise RejectedError when it is none."""
        ...


def read_ahead_of(messages: Messages) -> Iterator[Message]:
    """Yield, in their order, the messages that `read_batch` asks its reader about."""
    for (topic, _), batch in messages.items():
        if topic != DECISIONS:
            yield from (message for message in batch if not message.erased)


def read_batch(
    reader: Reads, messages: Messages, check: Callable[[Decision], None] | None = None
) -> tuple[list[SourceChange], list[Decision], list[DeadLetter]]:
    """Return the changes and the decisions that messages state, and a letter for each message that cannot be read.

    `check` raises RejectedError for a decision that cannot be obeyed.
    """
    changes: list[SourceChange] = []
    decisions: list[Decision] = []
    letters: list[DeadLetter] = []
    for (topic, partition), batch in messages.items():
        for message in batch:
            if message.erased:
                continue
            try:
                if topic == DECISIONS:
                    found = read_decision(message.value)
                    if check is not None:
                        for decision in found:
                            check(decision)
                    decisions += found
                else:
                    changes.append(reader.read(message.value))
            except RejectedError as error:
                letters.append(_letter(topic, partition, message, error))
    return changes, decisions, letters


def _letter(topic: str, partition: int, message: Message, error: RejectedError) -> DeadLetter:
    return dead_letter(
        stage=STAGE,
        origin=topic,
        place=f"{partition}:{message.offset}",
        key=message.key,
        value=message.original,
        error=error,
    )
