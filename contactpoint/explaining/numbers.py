"""Where a child number leads, with the cause of each step in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from matching.sql import QUERIES
from projections.audit_trail.lineage import Severance
from projections.audit_trail.reader import AuditReader, IdentityStep
from schemas.decisions import DecisionEvent, IdentitySevered, kind_of
from schemas.errors import RejectedError
from schemas.in_force import in_force


def lineage_answer(
    connection: Connection[TupleRow], decisions: Iterable[DecisionEvent], number: str, *, with_right: bool = False
) -> dict[str, Any]:
    """Return the numbers in use that this one leads to, and each step; raise RejectedError if it was never issued.

    With the right to see shielded children whole, also what severances cut: the numbers in use of the child's other
    lives, and that a severance was the cause. Without it nothing tells that there is one.
    """
    events = {event.event_id: event for event in decisions}
    apart, reader = severances(events.values()), AuditReader(connection)
    found = reader.lineage(number, () if with_right else apart)
    if not found.issued:
        raise RejectedError("child_unknown", f"{number} was never given to a child here")
    kinds = reader.kinds_of({cause for step in found.steps for cause in step.causes})
    kinds |= {name: f"{kind_of(event)} ({event.reason})" for name, event in events.items()}
    hidden = {name for name, event in events.items() if isinstance(event, IdentitySevered) and not with_right}
    steps = [
        {
            "number": step.child_number,
            "what": step.kind,
            "date": step.decided_at,
            "successors": list(step.successors),
            "causes": [f"{cause} {kinds.get(cause, '')}".strip() for cause in step.causes if cause not in hidden],
        }
        for step in found.steps
    ]
    answer = {"asked": number, "current": list(found.current), "steps": steps}
    return answer | {"other lives": _other_lives(connection, reader, number, apart)} if with_right else answer


def _other_lives(
    connection: Connection[TupleRow], reader: AuditReader, number: str, apart: Iterable[Severance]
) -> list[str]:
    """Return the numbers in use of the identities that are severed from this one."""
    ever = records_ever(reader.history(number).identity, number)
    named = [each.former | each.current for each in apart if not ever.isdisjoint(each.former | each.current)]
    with wrap_errors():
        rows = connection.execute(QUERIES["children_of_keys"], {"keys": sorted(frozenset().union(*named))}).fetchall()
    return sorted({child for _, child, _ in rows if child} - {number})


def records_ever(steps: Iterable[IdentityStep], number: str) -> frozenset[str]:
    """Return every record that an identity has had, by its number."""
    return frozenset[str]().union(*(step.records for step in steps if step.child_number == number))


def severances(events: Iterable[DecisionEvent]) -> list[Severance]:
    """Return the severances in force."""
    return [
        Severance(frozenset(event.data.former), frozenset(event.data.current))
        for event in in_force(events).values()
        if isinstance(event, IdentitySevered)
    ]
