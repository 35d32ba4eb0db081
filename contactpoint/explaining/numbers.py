"""Where a child number leads, with the cause of each step in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from projections.audit_trail.lineage import Severance
from projections.audit_trail.reader import AuditReader
from schemas.decisions import DecisionEvent, IdentitySevered, kind_of
from schemas.errors import RejectedError
from schemas.in_force import in_force


def lineage_answer(connection: Connection[TupleRow], decisions: Iterable[DecisionEvent], number: str) -> dict[str, Any]:
    """Return the numbers in use that this one leads to, and each step; raise RejectedError if it was never issued."""
    events = {event.event_id: event for event in decisions}
    reader = AuditReader(connection)
    found = reader.lineage(number, severances(events.values()))
    if not found.issued:
        raise RejectedError("child_unknown", f"{number} was never given to a child here")
    kinds = reader.kinds_of({cause for step in found.steps for cause in step.causes})
    kinds |= {name: f"{kind_of(event)} ({event.reason})" for name, event in events.items()}
    steps = [
        {
            "number": step.child_number,
            "what": step.kind,
            "date": step.decided_at,
            "successors": list(step.successors),
            "causes": [f"{cause} {kinds.get(cause, '')}".strip() for cause in step.causes],
        }
        for step in found.steps
    ]
    return {"asked": number, "current": list(found.current), "steps": steps}


def severances(events: Iterable[DecisionEvent]) -> list[Severance]:
    """Return the severances in force."""
    return [
        Severance(frozenset(event.data.former), frozenset(event.data.current))
        for event in in_force(events).values()
        if isinstance(event, IdentitySevered)
    ]
