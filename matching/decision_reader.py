"""From the bytes of a decision event to what linkage reads of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from matching.linkage.decisions import Decision, DecisionKind
from schemas.codec import decode
from schemas.decisions import (
    CannotLinkDecided,
    ClockAdvanced,
    DecisionEvent,
    DecisionRetracted,
    ErasureOrdered,
    IdentitySevered,
    ModelActivated,
    MustLinkDecided,
    ShieldSet,
)
from schemas.errors import RejectedError
from schemas.identity import RecordKey

_KINDS: Final[dict[type[DecisionEvent], DecisionKind]] = {
    MustLinkDecided: "must_link",
    CannotLinkDecided: "cannot_link",
    IdentitySevered: "severed",
    DecisionRetracted: "retracted",
    ShieldSet: "shield",
    ErasureOrdered: "erasure",
    ModelActivated: "model",
    ClockAdvanced: "clock",
}


LONGEST_ID: Final = 600


def read_decision(value: bytes | None) -> list[Decision]:
    """Return the decision that an event states: none when it is one that linkage has no use for.

    Raises RejectedError (a code, no content) when the event is not a decision, or cannot be right.
    """
    event = decode(value)
    if not isinstance(event, DecisionEvent):
        raise RejectedError("event_type_unexpected", "the event is not a decision")
    kind = _KINDS.get(type(event))
    return [] if kind is None else [_checked(_decision(event, kind))]


def _decision(event: DecisionEvent, kind: DecisionKind) -> Decision:
    decision = Decision(event.event_id, kind, _microseconds(event.decided_at))
    if isinstance(event, (MustLinkDecided, CannotLinkDecided)):
        left, right = event.data.records
        if left == right:
            raise RejectedError("decision_invalid", "a decision about a link names two different records")
        decision = decision._replace(
            left=(left,),
            right=(right,),
            day=event.data.expires.isoformat() if event.data.expires else "",
            seen=(event.data.seen.weight,) if event.data.seen else (),
        )
    elif isinstance(event, IdentitySevered):
        if set(event.data.former) & set(event.data.current):
            raise RejectedError("decision_invalid", "a record belongs to the former identity or to the new one")
        decision = decision._replace(left=event.data.former, right=event.data.current)
    elif isinstance(event, ShieldSet):
        decision = decision._replace(left=event.data.records)
    elif isinstance(event, ErasureOrdered):
        erased = event.data.records
        decision = decision._replace(
            left=tuple(each.key for each in erased), versions=tuple(each.source_version for each in erased)
        )
    elif isinstance(event, DecisionRetracted):
        decision = decision._replace(target=event.data.decision)
    elif isinstance(event, ModelActivated):
        decision = decision._replace(target=event.data.model, right=(event.data.sha256,))
    elif isinstance(event, ClockAdvanced):
        decision = decision._replace(day=event.data.today.isoformat())
    return decision


def _checked(decision: Decision) -> Decision:
    """Refuse what PostgreSQL could not store, and keys that are none."""
    if not decision.event_id.isprintable() or len(decision.event_id) > LONGEST_ID:
        raise RejectedError("name_invalid", "an event id is too long or has control characters")
    for key in (*decision.left, *(() if decision.kind == "model" else decision.right)):
        RecordKey.parse(key)
        if not key.isprintable():
            raise RejectedError("name_invalid", "a record key has control characters")
    return decision


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
