"""The order to erase a child: one event that names everything which has to go, from what is known at that moment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import sql_blocks, wrap_errors
from schemas.decisions import ErasedRecord, Erasure, ErasureOrdered
from schemas.errors import RejectedError
from schemas.events import event_id
from schemas.two_people import same_person

QUERIES = sql_blocks("contactpoint.erasing.sql", "order")
ERASURE = "erasure.ordered"
RETENTION_OVER = "retention_over"
REASONS = (RETENTION_OVER, "court_order", "unlawful_record")
KEEPER = "retention-run"
"""Who orders what the law alone orders: the time is over, no person has anything to decide."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Who erases, the second person who agrees, and the code for why."""

    by: str
    approved_by: str | None
    reason: str


TIME_IS_OVER = Approval(KEEPER, None, RETENTION_OVER)


def order_erasure(
    connection: Connection[TupleRow], child_number: str, approval: Approval, hidden: Collection[str] = frozenset()
) -> ErasureOrdered:
    """Return the event that erases all that was ever recorded of a child.

    That is every record which the child, or a number that was merged into it or ended with its records, ever had and no
    other child has now, up to the newest version that ingest heard of; and the corrections that are about these records
    alone. Raises RejectedError when nothing is recorded, or only of `hidden` records may anything be said; when two
    people do not agree; or when the time is not over and no other reason is given.
    """
    _check(approval)
    with wrap_errors():
        due = connection.execute(QUERIES["is_due"], (child_number,)).fetchone()
        numbers = [row[0] for row in connection.execute(QUERIES["numbers"], {"child": child_number})]
        rows = connection.execute(QUERIES["records"], {"child": child_number, "numbers": numbers}).fetchall()
        keys = [key for key, _ in rows]
        decisions = [row[0] for row in connection.execute(QUERIES["corrections"], {"keys": keys})]
    if not rows or not frozenset(hidden).isdisjoint(keys):
        raise RejectedError("child_unknown", "nothing is recorded under this number")
    if approval.reason == RETENTION_OVER and not (due and due[0]):
        raise RejectedError("not_due", "this record has not been in the archive for six years")
    return ErasureOrdered(
        event_id=event_id(ERASURE, child_number, *(f"{key} {version}" for key, version in rows)),
        subject=rows[0][0],
        decided_at=datetime.now(UTC),
        by=approval.by,
        approved_by=approval.approved_by,
        reason=approval.reason,
        data=Erasure(
            records=tuple(ErasedRecord(key=key, source_version=version) for key, version in rows),
            child_numbers=tuple(numbers),
            decisions=tuple(decisions),
        ),
    )


def _check(approval: Approval) -> None:
    if approval.reason not in REASONS:
        raise RejectedError("reason_unknown", f"give one of these reasons: {', '.join(REASONS)}")
    if approval == TIME_IS_OVER:
        return  # whether it is over is looked up
    if approval.approved_by is None or same_person(approval.by, approval.approved_by):
        raise RejectedError("second_person_needed", "an erasure needs two different people")
