"""Decisions as the directory keeps them, and which of them hold. Pure.

A decision holds unless a retraction, or for consent a withdrawal, names it; a withdrawal can itself be retracted. Both
are looked up by what they name, so it does not matter which arrives first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple, Protocol

import msgspec

from projections.directory.views import Corrected
from schemas.codec import EventView, decode_as

SHIELD = "shield.set"
SEVERED = "decision.severed"
CONSENT = "consent.given"
HARM = "harm.recorded"
AUTHORITY = "authority.assumed"
CORRECTION = "correction.made"
WITHDRAWN = "consent.withdrawn"
RETRACTED = "decision.retracted"
CLOCK = "clock.advanced"
STANDING = frozenset({SHIELD, SEVERED, CONSENT, HARM, AUTHORITY, CORRECTION})
OF_ONE = frozenset({CONSENT, HARM, CORRECTION})
"""Decisions that show something, so that of several children only one may have them (decision 40)."""


class Ruling(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A decision about a child's records; which fields say something depends on `kind` (its event type).

    `records` are those it names; for a severance these are the former identity's and `current` the new one's.
    """

    event_id: str
    kind: str
    decided_at: datetime
    records: tuple[str, ...]
    current: tuple[str, ...] = ()
    scope: str | None = None
    until_age: int | None = None
    responsible: str | None = None
    previous: str | None = None
    since: date | None = None
    says: Corrected | None = None

    @property
    def about(self) -> tuple[str, ...]:
        """Return every record that it names."""
        return (*self.records, *self.current)


class Revocation(NamedTuple):
    """A retraction or a withdrawal: the event that takes `target` back, and when."""

    event_id: str
    target: str
    kind: str
    decided_at: datetime


class Standing(NamedTuple):
    """A decision that was not retracted; consent that was withdrawn holds until `ended`."""

    ruling: Ruling
    ended: datetime | None

    @property
    def holds(self) -> bool:
        """Tell whether it holds now."""
        return self.ended is None


class Revocations(Protocol):
    """Where revocations are looked up."""

    def revocations_of(self, event_ids: Collection[str]) -> Iterable[Revocation]:
        """Return the revocations that name any of these events."""
        ...


class DecisionView(EventView, frozen=True):
    """A decision as the directory reads it; `data` is read by its type."""

    event_id: str
    decided_at: datetime
    data: msgspec.Raw


class _Records(msgspec.Struct, frozen=True):
    records: tuple[str, ...] = ()
    scope: str | None = None
    until_age: int | None = None
    responsible: str | None = None
    previous: str | None = None
    since: date | None = None
    says: Corrected | None = None


class _Severance(msgspec.Struct, frozen=True):
    former: tuple[str, ...]
    current: tuple[str, ...]


class _Target(msgspec.Struct, frozen=True):
    decision: str = ""
    consent: str = ""


class _Clock(msgspec.Struct, frozen=True):
    today: date


def view_of(value: bytes | None) -> DecisionView:
    """Read a decision; raise RejectedError for what is none."""
    return decode_as(value, DecisionView)


def ruling_of(view: DecisionView) -> Ruling:
    """Return what a decision of one of the kinds `STANDING` says."""
    decided_at = view.decided_at.astimezone(UTC)
    if view.event_type == SEVERED:
        sides = msgspec.json.decode(view.data, type=_Severance)
        return Ruling(view.event_id, SEVERED, decided_at, sides.former, sides.current)
    said = msgspec.json.decode(view.data, type=_Records)
    return Ruling(
        view.event_id,
        view.event_type,
        decided_at,
        said.records,
        scope=said.scope,
        until_age=said.until_age,
        responsible=said.responsible,
        previous=said.previous,
        since=said.since,
        says=said.says,
    )


def revocation_of(view: DecisionView) -> Revocation:
    """Return what a retraction or a withdrawal of consent takes back."""
    named = msgspec.json.decode(view.data, type=_Target)
    return Revocation(view.event_id, named.decision or named.consent, view.event_type, view.decided_at.astimezone(UTC))


def day_of(view: DecisionView) -> date:
    """Return the day that a clock event says has begun."""
    return msgspec.json.decode(view.data, type=_Clock).today


def standing(rulings: Iterable[Ruling], revocations: Revocations) -> list[Standing]:
    """Return those of these decisions that were not retracted, in the order in which they were made."""
    by_id = {ruling.event_id: ruling for ruling in rulings}
    if not by_id:
        return []
    first = list(revocations.revocations_of(by_id))
    undone = {each.target for each in revocations.revocations_of({each.event_id for each in first})} if first else ()
    against: dict[str, list[Revocation]] = {}
    for each in first:
        if each.event_id not in undone:
            against.setdefault(each.target, []).append(each)
    found = (_standing(ruling, against.get(ruling.event_id, ())) for ruling in by_id.values())
    return sorted((each for each in found if each), key=lambda each: (each.ruling.decided_at, each.ruling.event_id))


def _standing(ruling: Ruling, against: Collection[Revocation]) -> Standing | None:
    if any(each.kind == RETRACTED for each in against):
        return None
    withdrawn = [each.decided_at for each in against] if ruling.kind == CONSENT else []
    return Standing(ruling, min(withdrawn, default=None))
