"""The projections on a real Kafka and PostgreSQL: rows and positions together, poison aside, one writer at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import count
from random import Random

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import SecretStr
from structlog.testing import capture_logs

from connectors.kafka import EventProducer, ReadMessage, end_offsets, read_to_end
from connectors.postgres import connect
from contactpoint.stack.kafka import free_ports
from projections.audit_trail.changes import changes
from projections.audit_trail.projection import AuditTrailProjection
from projections.audit_trail.reader import AuditReader
from projections.base import Projection, Refused
from projections.digest import ProjectionDigest, digest
from projections.directory.projection import DirectoryProjection
from projections.directory.reader import DirectoryReader
from projections.rebuild import rebuild, verify
from projections.runner import Pace, Runner
from projections.worker import Worker
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.dead_letter import DeadLetter, from_message
from schemas.errors import ConfigurationError, FencedError
from schemas.events import RecordObserved, record_event_id
from schemas.records import NameClaim, PersonRecord
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DEAD_LETTERS, IDENTITIES
from tests.factories.projecting import behind, publish, wait_for_the_end
from tests.unit.projections.histories import CHILDREN, identity_events

DIRECTORY, AUDIT_TRAIL = DirectoryProjection(), AuditTrailProjection()
BOTH: Sequence[Projection] = (DIRECTORY, AUDIT_TRAIL)
QUICK = Pace(batch=100, wait=0.02, first_delay=0.05, standby=0.1)


def observed(key: str, family: str = "Doe", version: int = 1) -> RecordObserved:
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", version, family),
        subject=key,
        feed="feed-1",
        source_version=version,
        fingerprint=family,
        source_time=datetime(2026, 1, version, tzinfo=UTC),
        ingested_at=datetime(2026, 6, 1, tzinfo=UTC),
        data=PersonRecord(names=(NameClaim(family=family, given="Test"),), birth_date=date(2014, 11, 3)),
    )


def two_children() -> list[AnyEvent]:
    start = {CHILDREN[0]: frozenset({"school-1:1"}), CHILDREN[1]: frozenset({"health-1:1"})}
    merged = {CHILDREN[0]: frozenset({"school-1:1", "health-1:1"})}
    return [
        observed("school-1:1"),
        observed("health-1:1", version=2),
        *identity_events({}, start, 1),
        *identity_events(start, merged, 2),
    ]


def send(kafka: KafkaSettings, topic: str, *values: bytes | None) -> None:
    with EventProducer(kafka) as producer:
        for value in values:
            producer.send(topic, b"key", value)


def fold_to_end(projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings) -> None:
    ends = end_offsets(kafka, projection.topics)
    Runner(projection, kafka, postgres, pace=QUICK).catch_up(ends)


def digest_of(projection: Projection, connection: Connection[TupleRow]) -> ProjectionDigest:
    return digest(connection, projection)


def step_until_messages_come(worker: Worker) -> None:
    while worker.step(100, 0.05) == 0:
        pass


def dead_letters(kafka: KafkaSettings) -> list[DeadLetter]:
    messages = read_to_end(kafka, [DEAD_LETTERS], with_headers=True)
    return [from_message(message.key, message.value, message.headers) for message in messages]


def place_of(letter: DeadLetter) -> tuple[str, str]:
    return letter.origin, letter.place


def test_events_become_an_entry_a_lineage_and_a_trail(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, two_children())
    for projection in BOTH:
        fold_to_end(projection, kafka, postgres)
    reader = DirectoryReader(connection)
    entry = reader.entry(CHILDREN[0]).entries[0]
    assert {source["kind"] for source in entry["sources"]} == {"health"}  # the newer of two equal statements
    superseded = reader.entry(CHILDREN[1])
    assert [step.kind for step in superseded.lineage] == ["merged"]
    assert superseded.entries == (entry,)
    assert reader.find("DOE", date(2014, 11, 3), "test") == [entry]
    assert reader.child_of("health-1:1") == [CHILDREN[0]]
    assert reader.stats().children_by_source_kinds == {2: 1}
    history = AuditReader(connection).history(CHILDREN[0])
    told = {(pair.left, pair.right, pair.weight) for step in history.identity for pair in step.evidence}
    assert told == {("health-1:1", "school-1:1", 12.0)}
    assert [(step.record_key, step.items) for step in history.records] == [
        ("health-1:1", ("names", "birth_date")),
        ("school-1:1", ("names", "birth_date")),
    ]


def test_a_source_that_stalls_keeps_its_time_while_another_one_goes_on(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    def heard() -> dict[str, datetime | None]:
        rows = connection.execute("select topic, max(advanced_at) from projection.position group by topic").fetchall()
        return {topic: at for topic, at in rows if topic.startswith("source.")}

    publish(kafka, [observed("school-1:1"), observed("health-1:1")])
    fold_to_end(DIRECTORY, kafka, postgres)
    before = heard()
    publish(kafka, [observed("health-1:1", version=2)])
    fold_to_end(DIRECTORY, kafka, postgres)
    after = heard()
    assert after["source.schools"] == before["source.schools"] is not None
    assert after["source.health"] is not None
    assert before["source.health"] is not None
    assert after["source.health"] > before["source.health"]
    assert after["source.yot"] is None


def test_what_a_version_changed_is_worked_out_from_the_log(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, [observed("yot-1:1"), observed("school-1:1", "Smith", 2), observed("school-1:1", "Doe", 1)])
    fold_to_end(AUDIT_TRAIL, kafka, postgres)
    steps = AuditReader(connection).records(["school-1:1"])
    assert list(changes(kafka, steps).values()) == [["names", "birth_date"], ["names"]]


@pytest.mark.parametrize("projection", BOTH, ids=lambda projection: str(projection.name))
def test_repeated_events_change_no_row(
    projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, two_children())
    fold_to_end(projection, kafka, postgres)
    before = digest_of(projection, connection)
    publish(kafka, list(reversed(two_children())))
    fold_to_end(projection, kafka, postgres)
    after = digest_of(projection, connection)
    assert after.positions != before.positions
    assert not after.differences(before)


@pytest.mark.parametrize("projection", BOTH, ids=lambda projection: str(projection.name))
def test_poison_goes_to_the_dead_letters_and_the_feed_goes_on(
    projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    good = encode(observed("school-1:7")).value
    nul = good.replace(b'"family":"Doe"', b'"family":"Do\\u0000e"')
    too_long = encode(observed(f"school-1:{Random(1).randbytes(10_000).hex()}")).value  # no index takes such a key
    far_off = good.replace(b'"source_version":1,', b'"source_version":99999999999999999999,')
    poison = [b"", b"", b"[" * 100_000, b"\xff{", b'{"a":1}', nul, too_long, far_off]
    send(kafka, "source.schools", None, *poison[1:], good)
    send(kafka, IDENTITIES, b"{}")
    with capture_logs() as logs:
        fold_to_end(projection, kafka, postgres)
    letters = [letter for letter in dead_letters(kafka) if letter.stage == projection.name]
    places = sorted(letter.place for letter in letters if letter.origin == "source.schools")
    assert [place.partition("/")[2] for place in places] == [str(offset) for offset in range(8)]
    assert [letter.value for letter in sorted(letters, key=place_of)] == [b"{}", *poison]
    assert [letter.code for letter in letters].count("database_refused_value") == 1
    assert not [word for word in ("Doe", "Test", "2014") if word in str((logs, [letter.reason for letter in letters]))]
    rows = {table.table: table.rows for table in digest_of(projection, connection).tables}
    assert rows["record_version" if projection is DIRECTORY else "source_event"] == 1


class Waits(threading.Event):
    """A stop that is given after so many waits, and lets none of them take time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.asked = most, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        """Note how long somebody would have waited."""
        self.asked.append(timeout or 0.0)
        if len(self.asked) >= self.most:
            self.set()
        return self.is_set()


def test_poison_is_a_matter_of_its_own_batch_and_costs_no_wait_and_at_most_two_more_folds_of_it(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    """R38's second, by what could take one: no retry, no pause, and twice the batch's work again (`fold` halves)."""
    size, at = 512, Random().randrange(512)
    folded: list[int] = []

    class Refusing(DirectoryProjection):
        def apply(self, connection: Connection[TupleRow], messages: Sequence[ReadMessage]) -> list[Refused]:
            folded.append(len(messages))
            if any(message.offset == at for message in messages):
                raise psycopg.DataError
            return []

    with Worker(Refusing(), kafka, postgres, DIRECTORY.live) as worker:
        worker.commit([ReadMessage("source.schools", 0, offset, b"k", b"{}") for offset in range(size)])
        assert worker.positions["source.schools", 0] == size
    assert sum(folded) < 3 * size
    assert [letter.place for letter in dead_letters(kafka)] == [f"0/{at}"]
    assert connection.execute("select commits from projection.checkpoint").fetchone() == (1,)


def test_a_projection_whose_database_is_away_tries_again_at_least_every_ten_seconds(kafka: KafkaSettings) -> None:
    """What R40's minute leaves for catching up: fifty seconds. The waits are counted and not waited for."""
    stop = Waits(12)
    away = PostgresSettings(dsn=SecretStr(f"host=127.0.0.1 port={free_ports(1)[0]} dbname=away"))
    Runner(DIRECTORY, kafka, away).run(stop)
    assert stop.asked[:3] == [0.25, 0.5, 1.0]
    assert max(stop.asked) == 10.0


def test_escaped_backslashes_before_u0000_are_no_nul_character(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, [observed("school-1:1", family="a\\u0000b")])
    fold_to_end(DIRECTORY, kafka, postgres)
    assert dead_letters(kafka) == []
    assert DirectoryReader(connection).stats().live_records == 1


def test_a_second_worker_is_fenced_and_nothing_of_its_batch_stays(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    with (
        Worker(DIRECTORY, kafka, postgres, DIRECTORY.live) as first,
        Worker(DIRECTORY, kafka, postgres, DIRECTORY.live) as zombie,
    ):
        publish(kafka, two_children())
        of_children = [each for each in first.positions if each[0] == IDENTITIES]
        first.read_only(of_children)
        zombie.read_only([each for each in zombie.positions if each not in of_children])  # nothing that the first reads
        step_until_messages_come(first)
        before = digest_of(DIRECTORY, connection)
        with pytest.raises(FencedError):
            step_until_messages_come(zombie)
    assert digest_of(DIRECTORY, connection) == before


def test_a_standby_runner_takes_over_from_one_that_stops(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    stops = [threading.Event(), threading.Event()]
    threads = [
        threading.Thread(target=Runner(AUDIT_TRAIL, kafka, postgres, pace=QUICK).run, args=(stop,)) for stop in stops
    ]
    for thread in threads:
        thread.start()
    publish(kafka, two_children())
    wait_for_the_end(connection, kafka, AUDIT_TRAIL)
    stops[0].set()
    threads[0].join()
    publish(kafka, [observed("yot-1:9")])
    wait_for_the_end(connection, kafka, AUDIT_TRAIL)
    stops[1].set()
    threads[1].join()
    assert AuditReader(connection).counts() == {"source_event": 3, "identity_event": 4}


@pytest.mark.parametrize("projection", BOTH, ids=lambda projection: str(projection.name))
def test_a_rebuild_is_equal_and_takes_the_place_of_the_live_tables_under_readers_and_writers(
    projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    said: list[str] = []
    all_written, stop = threading.Event(), threading.Event()

    def write() -> int:
        for number in count(1):
            publish(kafka, [observed(f"yot-1:{number}")])
            if all_written.is_set():
                return number
        raise AssertionError

    def read() -> int:
        """Read until told to stop; never fewer rows than before."""
        reads, most = 0, 0
        with connect(postgres, autocommit=True) as own:
            while not stop.is_set():
                rows = sum(table.rows for table in digest_of(projection, own).tables)
                assert rows >= most
                reads, most = reads + 1, rows
        return reads

    publish(kafka, two_children())
    with ThreadPoolExecutor(3) as pool:
        live = pool.submit(Runner(projection, kafka, postgres, pace=QUICK).run, stop)
        wait_for_the_end(connection, kafka, projection)
        reading, writing = pool.submit(read), pool.submit(write)
        try:
            report = rebuild(projection, kafka, postgres, pace=QUICK, report=said.append)
            all_written.set()
            written = writing.result()
            wait_for_the_end(connection, kafka, projection)
        finally:
            all_written.set()
            stop.set()
        live.result()
        assert reading.result() > 1
    assert (report.equal, report.swapped) == (True, True)
    assert re.search(r"\d events in \d+\.\d s, [\d,]+ s a million", said[1])
    assert sum(digest_of(projection, connection).positions.values()) == 6 + written
    assert verify(projection, kafka, postgres).equal


def test_a_rebuild_reports_a_live_table_that_was_tampered_with_and_keeps_it(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, two_children())
    fold_to_end(DIRECTORY, kafka, postgres)
    connection.execute("update directory.entry set surname = 'changed'")
    report = rebuild(DIRECTORY, kafka, postgres, pace=QUICK)
    assert (report.differences, report.swapped) == (("entry",), False)
    assert rebuild(DIRECTORY, kafka, postgres, pace=QUICK, swap="always").swapped
    assert verify(DIRECTORY, kafka, postgres).equal


def test_a_rebuild_of_a_projection_that_never_ran_says_so(kafka: KafkaSettings, postgres: PostgresSettings) -> None:
    with pytest.raises(ConfigurationError, match="has never run"):
        rebuild(DIRECTORY, kafka, postgres)


def test_a_projection_that_never_ran_lags_by_the_whole_log(
    kafka: KafkaSettings, connection: Connection[TupleRow]
) -> None:
    publish(kafka, two_children())
    assert behind(connection, kafka, DIRECTORY) == 6
