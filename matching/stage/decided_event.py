"""What the stage's events of identities and conflicts have in common: an envelope, the pairs compared, the newest one.

Each states the whole of its subject at a version, so the newest event of each subject is the state. The structs spell
the current versions of the contracts in `schemas`; tests decode what they write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from matching.changes import EvidencePair
from schemas.catalogue import CURRENT_VERSIONS
from schemas.codec import EncodedEvent, EventView, NamedView, decode_as, encode_named
from schemas.errors import RejectedError
from schemas.events import event_id


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One compared pair, as the events spell it."""

    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class Stated(msgspec.Struct, frozen=True, gc=False):
    """What an event states of its subject, at this version; the topic's own adds the rest."""

    version: int


class SubjectView(EventView, frozen=True, gc=False):
    """An event as far as a replay reads it; the topic's own view says what `data` is."""

    subject: str
    data: Stated


class _DecidedEvent(NamedView, frozen=True, gc=False, kw_only=True):
    causation_id: str | msgspec.UnsetType
    decided_at: str
    data: Stated


View = TypeVar("View", bound=SubjectView)


def spelt(pairs: Iterable[EvidencePair]) -> tuple[Evidence, ...]:
    """Return compared pairs as the events spell them."""
    return tuple([Evidence(*pair) for pair in pairs])


def encode_decided(
    event_type: str, subject: str, decided_at: str, data: Stated, causes: Sequence[str] = ()
) -> EncodedEvent:
    """Return an event, decided at `decided_at` (RFC 3339); its first cause goes into the envelope."""
    return encode_named(
        _DecidedEvent(
            event_id=event_id(subject, event_type, data.version),
            subject=subject,
            causation_id=causes[0] if causes else msgspec.UNSET,
            decided_at=decided_at,
            event_type=event_type,
            schema_version=CURRENT_VERSIONS[event_type],
            data=data,
        ),
        decided_at,
    )


def newest(values: Iterable[bytes | None], view: type[View]) -> dict[str, View]:
    """Return the newest event of each subject among a topic's values."""
    found: dict[str, View] = {}
    for value in values:
        try:
            event = decode_as(value, view)
        except RejectedError:
            continue  # not ours: nobody else should write here, and nothing it says can be ours to keep
        before = found.get(event.subject)
        if before is None or before.data.version <= event.data.version:
            found[event.subject] = event
    return found
