"""Which decisions hold: a function of the set of decision events, whatever their order and however often repeated."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from schemas.decisions import (
    CannotLinkDecided,
    ClockAdvanced,
    DecisionEvent,
    DecisionRetracted,
    ErasureOrdered,
    MustLinkDecided,
)

NOT_DECISIONS = (ClockAdvanced, DecisionRetracted)
"""Events of the topic that say something about decisions and are none themselves."""


def in_force(events: Iterable[DecisionEvent], until: datetime | None = None) -> dict[str, DecisionEvent]:
    """Return, by id, each decision that was made (by `until`), is not retracted and has not expired, oldest first.

    A decision with a date holds to the end of that day; which day it is, the newest clock event says. An erasure is a
    fact: nothing takes it back.
    """
    made = {event.event_id: event for event in events if until is None or event.decided_at <= until}
    retracted = {event.data.decision for event in made.values() if isinstance(event, DecisionRetracted)}
    today = newest_day(made.values())
    held = [
        event
        for event in made.values()
        if not isinstance(event, NOT_DECISIONS)
        and (event.event_id not in retracted or isinstance(event, ErasureOrdered))
        and not _expired(event, today)
    ]
    return {event.event_id: event for event in sorted(held, key=lambda event: (event.decided_at, event.event_id))}


def newest_day(events: Iterable[DecisionEvent]) -> date:
    """Return the newest day that has begun, by the clock events among these; `date.min` before any has."""
    return max((event.data.today for event in events if isinstance(event, ClockAdvanced)), default=date.min)


def _expired(event: DecisionEvent, today: date) -> bool:
    expires = event.data.expires if isinstance(event, MustLinkDecided | CannotLinkDecided) else None
    return expires is not None and expires < today
