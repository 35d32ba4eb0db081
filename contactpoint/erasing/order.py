"""Erasure: order it as an event, then destroy the data keys and what ingest remembers. Safe to repeat at any point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import publish_decision, read_decisions
from connectors.postgres import connect, sql_blocks, wrap_errors
from connectors.vault import KeyVault
from ingest.store import PostgresStore
from schemas.decisions import ErasedRecord, Erasure, ErasureOrdered
from schemas.errors import ConfigurationError, RejectedError
from schemas.events import event_id
from schemas.settings import KafkaSettings, PostgresSettings

_SQL = sql_blocks("contactpoint.erasing.sql", "order")
ERASURE = "erasure.ordered"
RETENTION_OVER = "retention_over"
REASONS = (RETENTION_OVER, "court_order", "unlawful_record")


@dataclass(frozen=True, slots=True)
class Approval:
    """Who erases, the second person who agrees, and the code for why."""

    by: str
    approved_by: str
    reason: str


def order_erasure(connection: Connection[TupleRow], child_number: str, approval: Approval) -> ErasureOrdered:
    """Return the event that erases all that was ever recorded of a child.

    That is every record which the child, or a number that was merged into it, ever had and no other child has now, up
    to the newest version that ingest heard of. Raises RejectedError when nothing is recorded, when two people do not
    agree, or when the time is not over and no other reason is given.
    """
    if approval.by == approval.approved_by:
        raise RejectedError("second_person_needed", "an erasure needs two different people")
    if approval.reason not in REASONS:
        raise RejectedError("reason_unknown", f"give one of these reasons: {', '.join(REASONS)}")
    with wrap_errors():
        due = connection.execute(_SQL["is_due"], (child_number,)).fetchone()
        rows = connection.execute(_SQL["records"], {"child": child_number}).fetchall()
    if not rows:
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
        data=Erasure(records=tuple(ErasedRecord(key=key, source_version=version) for key, version in rows)),
    )


def erase(kafka: KafkaSettings, postgres: PostgresSettings, child_number: str, approval: Approval) -> ErasureOrdered:
    """Order and carry out the erasure of a child; what a crash leaves undone, `enforce` does."""
    with connect(postgres, autocommit=True) as connection, closing(PostgresStore(postgres)):
        event = order_erasure(connection, child_number, approval)
    publish_decision(kafka, event)  # 1 every stage forgets, and refuses what comes again
    carry_out(kafka, postgres, [event])  # 2 the log, its copies and the dead letters cannot be read any more
    return event


def enforce(kafka: KafkaSettings, postgres: PostgresSettings) -> int:
    """Carry out every erasure that was ever ordered and is not done in this vault; return how many were not.

    For after a crash, and after a backup of the vault was restored.
    """
    ordered = [event for event in read_decisions(kafka) if isinstance(event, ErasureOrdered)]
    return carry_out(kafka, postgres, ordered)


def carry_out(kafka: KafkaSettings, postgres: PostgresSettings, events: list[ErasureOrdered]) -> int:
    """Destroy the data keys of the records that these events name, and what ingest keeps of them."""
    if kafka.vault is None:
        message = "CONTACTPOINT_KEK is not set: erasing means destroying keys in the vault"
        raise ConfigurationError(message)
    with KeyVault(kafka.vault) as vault, closing(PostgresStore(postgres)) as store:
        return sum(_carry_out(vault, store, event) for event in events)


def _carry_out(vault: KeyVault, store: PostgresStore, event: ErasureOrdered) -> bool:
    floors = dict(_floors(event))
    return vault.carry_out(event.event_id, list(floors), lambda: store.erase(floors))


def _floors(event: ErasureOrdered) -> Iterator[tuple[str, int]]:
    return ((record.key, record.source_version) for record in event.data.records)
