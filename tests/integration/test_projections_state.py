"""PostgreSQL and the in-memory twin keep the same state, however the log is cut and ordered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.types.string import TextLoader

from connectors.kafka import Partition, ReadMessage
from projections.audit_trail.fold import earliest, source_event_row
from projections.audit_trail.projection import AuditTrailProjection
from projections.audit_trail.views import RecordEventView
from projections.base import Projection
from projections.directory.projection import DirectoryProjection
from projections.directory.reader import DirectoryReader
from projections.directory.state import EntryRow, IdentityVersion, Membership
from projections.status import due_for_rebuild
from projections.worker import start
from schemas.catalogue import AnyEvent
from schemas.codec import decode_as
from schemas.errors import ConfigurationError
from schemas.events import RecordObserved, record_event_id
from schemas.records import PersonRecord
from tests.unit.projections.decision_events import long_decisions
from tests.unit.projections.histories import identity_events, long_history, messages_of
from tests.unit.projections.test_directory_fold import fold, withdrawn

DIRECTORY, AUDIT_TRAIL = DirectoryProjection(), AuditTrailProjection()


def apply(projection: Projection, connection: Connection[TupleRow], messages: Sequence[ReadMessage]) -> None:
    partitions: list[Partition] = [(topic, 0) for topic in projection.topics]
    start(connection, projection, projection.live, partitions)
    random, begin = Random(5), 0
    while begin < len(messages):
        end = begin + random.randint(1, 150)
        with connection.transaction():
            assert projection.apply(connection, messages[begin:end]) == []
        begin = end


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_shuffled_log_in_small_batches_leaves_in_postgresql_what_one_batch_leaves_in_memory(
    seed: int, connection: Connection[TupleRow]
) -> None:
    events = [*long_history(seed, records=400), *long_decisions(seed, records=400)]
    events += retirements(fold([events]).children.values())
    expected = fold([events])
    messages = messages_of(events)
    Random(seed).shuffle(messages)
    apply(DIRECTORY, connection, messages)
    entries = connection.execute(
        "select child_number, surname, forename, others, birth_date, sex, postcode, shielded, document::text"
        " from directory.entry"
    )
    assert {row[0]: EntryRow._make((*row[:3], tuple(row[3]), *row[4:])) for row in entries} == expected.entries
    memberships = connection.execute("select record_key, child_number from projection.membership")
    assert set(map(Membership._make, memberships)) == expected.memberships
    identities = connection.execute("select child_number, version, members, former from projection.identity")
    assert {row[0]: (row[1], tuple(row[2]), tuple(row[3])) for row in identities} == {
        child: (identity.version, identity.members, identity.former) for child, identity in expected.children.items()
    }
    lineage = connection.execute("select event_id, kind, successors from directory.lineage")
    assert {row[0]: (row[1], tuple(row[2])) for row in lineage} == {
        event_id: (step.kind, step.successors) for event_id, (_, step) in expected.lineage.items() if step
    }
    assert restricted_rows(connection) == {
        "sealed.shielded_entry": set(expected.shielded.values()),
        "sealed.sensitive_service": set(expected.sensitive.values()),
        "archive.archived_entry": set(expected.archived.values()),
        "archive.closed_entry": set(expected.closed.values()),
        "projection.due": set(expected.dues.items()),
        "directory.gone": {(child,) for child in expected.gone},
        "projection.erased": {(key, floor, expected.ordered[key]) for key, floor in expected.erased.items()},
        "projection.revocation": set(expected.taken_back.values()),
    }
    reader = DirectoryReader(connection)
    told = {number: reader.archived(number).entries[0]["cause"] for number in expected.archived}
    assert told == {number: row.cause for number, row in expected.archived.items()}
    assert expected.shielded
    assert {"age", "withdrawn"} <= {row.cause for row in (*expected.archived.values(), *expected.closed.values())}


def retirements(children: Iterable[IdentityVersion]) -> list[AnyEvent]:
    """Return that every third child is retired, because all that its members said was withdrawn."""
    events: list[AnyEvent] = []
    for child in sorted(children)[::3]:
        events += [withdrawn(key, 9) for key in child.members]
        events += identity_events({child.child_number: frozenset(child.members)}, {}, 10_000)
    return events


def restricted_rows(connection: Connection[TupleRow]) -> dict[str, set[tuple[Any, ...]]]:
    """Return the rows of the tables that hold what readers do not see, and of those that follow from decisions."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for table in DIRECTORY.tables:
        if table.area is None and table.name not in {"gone", "due", "erased", "revocation"}:
            continue
        schema, columns = DIRECTORY.live.of(table), [sql.Identifier(column) for column in table.columns]
        select = sql.SQL("select {} from {}").format(sql.SQL(", ").join(columns), sql.Identifier(schema, table.name))
        with connection.cursor() as cursor:
            cursor.adapters.register_loader("json", TextLoader)
            found[f"{schema}.{table.name}"] = set(cursor.execute(select))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_repeated_receipts_postgresql_keeps_the_one_that_the_fold_keeps(
    seed: int, connection: Connection[TupleRow]
) -> None:
    random = Random(seed)
    receipts = [receipt(number % 3, random.randint(1, 5), random.choice([None, "a", "b"])) for number in range(60)]
    messages = messages_of(receipts)
    random.shuffle(messages)
    rows = [
        source_event_row(decode_as(message.value, RecordEventView), message.topic, message.partition, message.offset)
        for message in messages
    ]
    apply(AUDIT_TRAIL, connection, messages)
    kept = connection.execute("select event_id, ingested_at, correlation_id from audit.source_event")
    assert {row[0]: (row[1], row[2]) for row in kept} == {
        event_id: (row.ingested_at, row.correlation_id) for event_id, row in earliest(rows).items()
    }


def receipt(number: int, day: int, run: str | None) -> RecordObserved:
    key = f"school-1:{number}"
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", 1, "ff"),
        subject=key,
        feed="feed-1",
        source_version=1,
        fingerprint="ff",
        ingested_at=datetime(2026, 6, day, tzinfo=UTC),
        correlation_id=run,
        data=PersonRecord(),
    )


def test_rows_of_an_older_fold_are_due_for_a_rebuild_and_those_of_a_newer_one_are_refused(
    connection: Connection[TupleRow],
) -> None:
    apply(DIRECTORY, connection, [])
    assert due_for_rebuild(connection) == []
    connection.execute("update projection.checkpoint set fold_version = fold_version - 1")
    apply(DIRECTORY, connection, messages_of(long_history(1, records=20)))
    (said,) = due_for_rebuild(connection)
    assert f"fold version {DIRECTORY.version - 1}, this build has {DIRECTORY.version}" in said
    connection.execute("update projection.checkpoint set fold_version = fold_version + 2")
    with pytest.raises(ConfigurationError, match="run the newer build"):
        apply(DIRECTORY, connection, messages_of(long_history(1, records=20)))
