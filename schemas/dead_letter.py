"""Dead letters: inputs that a stage could not accept, with the bytes as they came and the reason.

On Kafka the value is the original bytes, untouched, and the headers say the rest. Header names follow Kafka Connect's
dead letter queue where it has one for the fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.errors import RejectedError
from schemas.events import event_id

_PREFIX = "__connect.errors."


class DeadLetter(NamedTuple):
    """One refused input. `origin` is a topic or a feed, `place` a partition and offset or a file and position in it."""

    letter_id: str
    stage: str
    origin: str
    place: str
    key: bytes | None
    value: bytes
    code: str
    reason: str


def dead_letter(
    *, stage: str, origin: str, place: str, key: bytes | None, value: bytes, error: RejectedError
) -> DeadLetter:
    """Make a dead letter whose id repeats when the same stage refuses the same input at the same place again."""
    letter_id = event_id("dead-letter", stage, origin, place, error.code)
    return DeadLetter(letter_id, stage, origin, place, key, value, error.code, error.reason)


def to_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Return the Kafka headers of a dead letter."""
    facts = {
        "id": letter.letter_id,
        "stage": letter.stage,
        "topic": letter.origin,
        "place": letter.place,
        "exception.class.name": letter.code,
        "exception.message": letter.reason,
    }
    return [(_PREFIX + name, text.encode()) for name, text in facts.items()]


def from_message(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> DeadLetter:
    """Read a dead letter back from a Kafka message; absent facts become empty strings."""
    facts = {name.removeprefix(_PREFIX): content.decode(errors="replace") for name, content in headers}
    return DeadLetter(
        letter_id=facts.get("id", ""),
        stage=facts.get("stage", ""),
        origin=facts.get("topic", ""),
        place=facts.get("place", ""),
        key=key,
        value=value or b"",
        code=facts.get("exception.class.name", ""),
        reason=facts.get("exception.message", ""),
    )
