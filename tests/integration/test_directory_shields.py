"""Shields on real servers: what a reader's role can reach, at every moment, also while the log is replayed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date

import psycopg
import pytest
from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow

from connectors.kafka import end_offsets
from connectors.postgres import connect
from projections import checkpoint, schema
from projections.digest import digest
from projections.directory.projection import DirectoryProjection
from projections.directory.reader import DirectoryReader
from projections.rebuild import rebuild, verify
from projections.runner import Pace, Runner
from schemas.catalogue import AnyEvent
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.projecting import publish, wait_for_the_end
from tests.factories.waiting import wait_until
from tests.unit.projections.decision_events import clock, shield
from tests.unit.projections.histories import CHILDREN, KEYS, identity_events
from tests.unit.projections.test_directory_decisions import HIDDEN, told

DIRECTORY = DirectoryProjection()
QUICK = Pace(batch=2, wait=0.02, first_delay=0.05, standby=0.1)


def world() -> list[AnyEvent]:
    dealt = {CHILDREN[0]: frozenset(KEYS[:3]), CHILDREN[1]: frozenset(KEYS[3:6])}
    merged = {CHILDREN[0]: frozenset(KEYS[:6])}
    steps = [*identity_events({}, dealt, 1), *identity_events(dealt, merged, 2)]
    return [*map(told, KEYS[:6]), *steps, clock(date(2026, 5, 4))]


def published_text(connection: Connection[TupleRow], *, may_be_gone: bool = False) -> str:
    """Return every row of every table of the published database schema as text; some may be dropped meanwhile."""
    query = "select table_name from information_schema.tables where table_schema = 'directory'"
    names = [row[0] for row in connection.execute(query)]
    rows = []
    for name in names:
        found = sql.SQL("select t::text from {} t").format(sql.Identifier("directory", name))
        with suppress(*([errors.UndefinedTable] if may_be_gone else [])):
            rows += [row[0] for row in connection.execute(found)]
    return "\n".join(rows)


def fold_to_end(kafka: KafkaSettings, postgres: PostgresSettings) -> None:
    Runner(DIRECTORY, kafka, postgres, pace=QUICK).catch_up(end_offsets(kafka, DIRECTORY.topics))


@contextmanager
def running(kafka: KafkaSettings, postgres: PostgresSettings) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Runner(DIRECTORY, kafka, postgres, pace=QUICK).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def readers(
    postgres: PostgresSettings, look: Callable[[float, str], None], count: int = 4, *, may_be_gone: bool = False
) -> Iterator[None]:
    """Read all published tables again and again; `look` gets the time before each read, and what was read.

    A read that fails fails the block.
    """
    stop = threading.Event()

    def read() -> None:
        with connect(postgres, autocommit=True) as own:
            while not stop.is_set():
                began = time.monotonic()
                look(began, published_text(own, may_be_gone=may_be_gone))

    with ThreadPoolExecutor(count) as pool:
        reading = [pool.submit(read) for _ in range(count)]
        try:
            yield
        finally:
            stop.set()
    for each in reading:
        each.result()


def test_a_role_that_reads_every_published_table_reaches_nothing_that_a_shield_hides(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, [*world(), shield(KEYS[0])])
    fold_to_end(kafka, postgres)
    with connection.transaction(force_rollback=True):
        connection.execute("create role only_reader; grant usage on schema directory to only_reader")
        connection.execute("grant select on all tables in schema directory to only_reader; set role only_reader")
        text = published_text(connection)
        assert "Shown" in text
        assert HIDDEN not in text
        for table in DIRECTORY.tables:
            where = sql.Identifier(DIRECTORY.live.of(table), table.name)
            if not table.published:
                with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    connection.execute(sql.SQL("select from {}").format(where))
    assert HIDDEN in str(connection.execute("select document::text from sealed.shielded_entry").fetchall())


def test_no_field_is_explained_of_a_child_of_whom_the_directory_shows_nothing_but_to_who_has_the_right(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    (made,) = identity_events({}, {CHILDREN[2]: frozenset(KEYS[6:7])}, 1)
    held = made.model_copy(update={"data": made.data.model_copy(update={"held": True})})
    publish(kafka, [*world(), shield(KEYS[0]), told(KEYS[6]), held])
    fold_to_end(kafka, postgres)
    reader, refusals = DirectoryReader(connection), []
    for number in (CHILDREN[2], "0000000000000"):
        with pytest.raises(RejectedError) as refused:
            reader.explain(number, "names")
        refusals.append(str(refused.value).replace(number, "N"))
    assert refusals[0] == refusals[1]
    with pytest.raises(RejectedError, match="this child is shielded"):
        reader.explain(CHILDREN[0], "names")
    for number in (CHILDREN[0], CHILDREN[2]):
        assert reader.explain(number, "names", behind_shield=True).statements


def test_the_published_table_refuses_a_hidden_item_of_a_shielded_child(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, [*world(), shield(KEYS[0])])
    fold_to_end(kafka, postgres)
    with pytest.raises(errors.CheckViolation):
        connection.execute("update directory.entry set postcode = 'ZZ99 3CZ' where shielded")
    with pytest.raises(errors.CheckViolation):
        connection.execute("update directory.entry set document = '{\"whereabouts\": 1}' where shielded")


def test_no_read_that_begins_after_a_shield_was_acknowledged_sees_a_hidden_item(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    seen: list[tuple[float, bool]] = []
    publish(kafka, world())
    with running(kafka, postgres):
        wait_for_the_end(connection, kafka, DIRECTORY)
        with readers(postgres, lambda began, text: seen.append((began, HIDDEN in text))):
            wait_until(lambda: seen, "a first read", pause=0.01)
            publish(kafka, [shield(KEYS[0])])
            wait_for_the_end(connection, kafka, DIRECTORY)
            acknowledged = time.monotonic()
            wait_until(lambda: sum(began > acknowledged for began, _ in list(seen)) >= 200, "later reads", pause=0.01)
    assert any(hidden for _, hidden in seen)
    assert not any(hidden for began, hidden in seen if began > acknowledged)


def test_a_replay_into_empty_tables_shows_no_hidden_item_at_any_moment_and_ends_in_the_same_rows(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, [*world(), shield(KEYS[0])])
    fold_to_end(kafka, postgres)
    before = digest(connection, DIRECTORY)
    schema.drop(connection, DIRECTORY.live)
    connection.execute("create schema if not exists projection")
    checkpoint.create(connection)
    seen: list[bool] = []
    with (
        readers(postgres, lambda _, text: seen.append(HIDDEN in text), may_be_gone=True),
        running(kafka, postgres),
    ):
        wait_for_the_end(connection, kafka, DIRECTORY)
    assert not any(seen)
    assert digest(connection, DIRECTORY).settled() == before.settled()


def test_a_shield_that_is_set_amid_a_rebuild_holds_in_every_later_read_and_no_read_fails(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    seen: list[tuple[float, bool]] = []
    acknowledged: list[float] = []

    def set_shield(said: str) -> None:
        if "equal" in said:  # compared, and not swapped yet
            publish(kafka, [shield(KEYS[0])])
            wait_for_the_end(connection, kafka, DIRECTORY)
            acknowledged.append(time.monotonic())

    publish(kafka, world())
    with running(kafka, postgres):
        wait_for_the_end(connection, kafka, DIRECTORY)
        with readers(postgres, lambda began, text: seen.append((began, HIDDEN in text))):
            wait_until(lambda: seen, "a first read", pause=0.01)
            report = rebuild(DIRECTORY, kafka, postgres, pace=QUICK, report=set_shield)
            swapped = time.monotonic()
            wait_until(lambda: sum(began > swapped for began, _ in list(seen)) >= 100, "later reads", pause=0.01)
    assert (report.differences, report.swapped) == ((), True)
    assert any(hidden for _, hidden in seen)
    assert not any(hidden for began, hidden in seen if began > acknowledged[0])
    assert verify(DIRECTORY, kafka, postgres).equal
