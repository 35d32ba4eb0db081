"""Ingest with a real broker and a real database: nothing lost, nothing doubled, whatever is killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.base import FileProgress
from connectors.kafka import EventProducer, ReadMessage, read_to_end
from ingest.report import FeedReport
from ingest.settings import FeedSettings
from ingest.stage import run_feed
from ingest.store import FeedStatus, IngestStore, InMemoryStore, PostgresStore, StoredRecord, Totals, Writes
from schemas.codec import decode
from schemas.dead_letter import from_message
from schemas.errors import FencedError
from schemas.events import RecordObserved
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DEAD_LETTERS
from tests.factories.line import sealed
from tests.factories.waiting import end
from tests.unit.connectors.source_samples import FULL_REFRESH, MAKERS, YOT_TABLE, ctf, feed, pupil, yot, yot_row
from tests.unit.ingest.ingest_harness import NOW, clock

NIGHTS = ("yot_20260301010000.csv", "yot_20260302010000.csv")
PROGRESS = FileProgress("d1", "a.xml", 5)


def read(kafka: KafkaSettings, topic: str) -> list[ReadMessage]:
    """Return everything on a topic."""
    return list(read_to_end(kafka, [topic], with_headers=True))


def ids(kafka: KafkaSettings, topic: str) -> list[str]:
    return [decode(message.value).event_id for message in read(kafka, topic)]


def run(settings: FeedSettings, kafka: KafkaSettings, postgres: PostgresSettings) -> FeedReport:
    with closing(PostgresStore(postgres)) as store, EventProducer(kafka) as producer:
        return run_feed(settings, producer, store, clock)


@pytest.mark.parametrize("connector", sorted(MAKERS))
def test_a_feed_arrives_on_its_topic_once(
    connector: str, kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(MAKERS[connector](25), newline="")
    settings = feed(connector, tmp_path, batch_size=10)
    first, second = run(settings, kafka, postgres), run(settings, kafka, postgres)
    messages = read(kafka, settings.topic)
    events = [decode(message.value) for message in messages]
    assert (first.accepted, second.received) == (25, 0)
    assert len({event.event_id for event in events}) == len(events) == 25
    assert all(message.key == event.subject.encode() for message, event in zip(messages, events, strict=True))
    assert all(isinstance(event, RecordObserved) and event.ingested_at == NOW for event in events)


def test_a_bad_record_is_a_dead_letter_with_its_bytes(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    bad = "<Pupil><UPN>X</Pupil>"
    (tmp_path / "file").write_text(ctf(pupil(1), bad, pupil(3)))
    report = run(feed("ctf", tmp_path), kafka, postgres)
    (message,) = read(kafka, DEAD_LETTERS)
    letter = from_message(message.key, message.value, message.headers)
    assert (report.accepted, report.rejected) == (2, 1)
    assert (letter.stage, letter.origin, letter.code, letter.value) == (
        "ingest",
        "feed-ctf",
        "xml_invalid",
        bad.encode(),
    )


def test_a_dead_letter_of_ten_megabytes_fits(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> None:
    row = yot_row(2, ClientID=" ", Surname="A" * 10_000_000)
    (tmp_path / "file").write_text(yot(yot_row(1), row, yot_row(3)), newline="")
    report = run(feed("yot_csv", tmp_path), kafka, postgres)
    (message,) = read(kafka, DEAD_LETTERS)
    assert (report.accepted, report.rejected) == (2, 1)
    assert message.value == row.encode()


class _GoneBeforeSaving(PostgresStore):
    """A process that dies after the broker has the events and before they are saved."""

    def commit(self, *_: Any) -> None:
        raise KeyboardInterrupt


def test_a_crash_between_publishing_and_saving_repeats_ids_only(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(MAKERS["ctf"](30))
    settings = feed("ctf", tmp_path, batch_size=20)
    with (
        closing(_GoneBeforeSaving(postgres)) as store,
        EventProducer(kafka) as producer,
        pytest.raises(KeyboardInterrupt),
    ):
        run_feed(settings, producer, store, clock)
    report = run(settings, kafka, postgres)
    published = ids(kafka, settings.topic)
    assert report.accepted == 30
    assert len(published) == 50
    assert len(set(published)) == 30


def test_a_process_that_is_killed_again_and_again_loses_and_doubles_nothing(
    kafka: KafkaSettings, postgres: PostgresSettings, postgres_dsn: str, tmp_path: Path
) -> None:
    inbox, dice = tmp_path / "inbox", random.Random(20261123)
    inbox.mkdir()
    (inbox / NIGHTS[0]).write_text(yot(*map(yot_row, range(3000)), "1E01,bad"), newline="")
    (inbox / NIGHTS[1]).write_text(yot(*map(yot_row, range(50, 3100))), newline="")
    toml = tmp_path / "yot.toml"
    toml.write_text(_toml(inbox))
    kafka = sealed(kafka, postgres)
    environment = {**os.environ, "CONTACTPOINT_POSTGRES_DSN": postgres_dsn, **kafka.as_env()}
    command = [sys.executable, "-m", "ingest", str(toml)]
    with closing(PostgresStore(postgres)) as store:
        for _ in range(5):
            target = store.status("yot").totals.received + dice.randint(1, 1000)
            with _start(command, environment) as process:
                while process.poll() is None and store.status("yot").totals.received < target:
                    pass
                process.kill()
    finished = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert json.loads(finished.stdout.splitlines()[-1])["failures"] == []
    kinds = {event.event_id: event.event_type for event in map(_event, read(kafka, "source.yot"))}
    letters = {from_message(one.key, one.value, one.headers).letter_id for one in read(kafka, DEAD_LETTERS)}
    with closing(PostgresStore(postgres)) as store:
        assert store.status("yot").totals == Totals(6051, 3100, 2950, 0, 1)
        assert store.live_count("yot-1E01") == 3050
    assert sorted(kinds.values()) == ["record.observed"] * 3100 + ["record.withdrawn"] * 50
    assert len(letters) == 1


def test_a_following_process_takes_in_new_files_and_ends_when_it_is_told_to(
    kafka: KafkaSettings, postgres: PostgresSettings, postgres_dsn: str, tmp_path: Path
) -> None:
    inbox, toml = tmp_path / "inbox", tmp_path / "yot.toml"
    inbox.mkdir()
    toml.write_text(_toml(inbox))
    kafka = sealed(kafka, postgres)
    environment = {**os.environ, "CONTACTPOINT_POSTGRES_DSN": postgres_dsn, **kafka.as_env()}
    command = [sys.executable, "-m", "ingest", str(toml), "--follow", "0.05"]
    with closing(PostgresStore(postgres)) as store, _start(command, environment) as process:
        for night, (name, rows) in enumerate(zip(NIGHTS, (10, 20), strict=True)):
            (inbox / f"{name}.part").write_text(yot(*map(yot_row, range(rows))), newline="")
            (inbox / f"{name}.part").rename(inbox / name)
            while store.status("yot").totals.received < (10, 30)[night]:
                assert process.poll() is None
        end(process)
    assert len(set(ids(kafka, "source.yot"))) == 20


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _event(message: ReadMessage) -> Any:
    return decode(message.value)


def _toml(inbox: Path) -> str:
    columns = "\n".join(f'{item} = "{column}"' for item, column in YOT_TABLE["columns"].items())
    return (
        f'name = "yot"\nconnector = "yot_csv"\ndirectory = "{inbox}"\nsource = "yot-{{YOTID}}"\nbatch_size = 100\n'
        "[yot_csv]\nencoding = 'utf-8'\nfull_refresh = true\nmax_withdrawn_share = 0.5\n"
        f"extracted_at = '{FULL_REFRESH['extracted_at']}'\n[yot_csv.columns]\n{columns}\n"
    )


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[IngestStore]:
    """Both stores, held to one suite."""
    if request.param == "memory":
        yield InMemoryStore()
        return
    with closing(PostgresStore(request.getfixturevalue("postgres"))) as durable:
        yield durable


def test_what_a_batch_wrote_is_read_back(store: IngestStore) -> None:
    records = (StoredRecord("s:1", 5, "aa", content=b"{}", seen=7), StoredRecord("s:2", 6, "bb", "withdrawn"))
    store.commit("f", {}, Writes((PROGRESS,), records, {"s": 7}, Totals(3, 2, 1, 0, 0)))
    assert store.load_state("f") == {"d1": PROGRESS}
    assert store.load_state("other") == {}
    assert store.records(["s:1", "s:2", "s:3"]) == {record.key: record for record in records}
    assert store.snapshots(["s", "t"]) == {"s": 7}
    assert (store.live_count("s"), store.live_count("t")) == (1, 0)
    assert store.status("f") == FeedStatus("f", Totals(3, 2, 1, 0, 0))


def test_counts_add_up_over_batches(store: IngestStore) -> None:
    for _ in range(3):
        store.commit("f", {}, Writes(totals=Totals(4, 1, 1, 1, 1)))
    assert store.status("f").totals == Totals(12, 3, 3, 3, 3)


def test_a_process_that_fell_behind_cannot_save(store: IngestStore) -> None:
    store.commit("f", {}, Writes((PROGRESS,)))
    later = PROGRESS.__class__("d1", "a.xml", 9, finished=True)
    store.commit("f", {"d1": PROGRESS}, Writes((later,)))
    behind = Writes((PROGRESS.__class__("d1", "a.xml", 7),), (StoredRecord("s:1", 1, "aa"),), totals=Totals(received=1))
    for before in ({}, {"d1": PROGRESS}):
        with pytest.raises(FencedError):
            store.commit("f", before, behind)
    assert store.records(["s:1"]) == {}
    assert store.status("f").totals == Totals()
    assert store.load_state("f") == {"d1": later}


def test_absent_records_are_the_observed_older_ones_that_were_not_seen(store: IngestStore) -> None:
    records = (
        StoredRecord("s:absent", 5, "aa", seen=1),
        StoredRecord("s:seen", 5, "aa", seen=2),
        StoredRecord("s:gone", 5, "aa", "withdrawn", seen=1),
        StoredRecord("s:newer", 15, "aa", seen=1),
        StoredRecord("t:other", 5, "aa", seen=1),
    )
    store.commit("f", {}, Writes(records=records))
    assert [record.key for record in store.absent("s", 2, 10)] == ["s:absent"]


def test_a_feed_is_paused_with_a_reason_and_resumed(store: IngestStore) -> None:
    assert not store.status("f").paused
    store.set_paused("f", paused=True, reason="wrong school")
    assert store.status("f") == FeedStatus("f", Totals(), paused=True, reason="wrong school")
    store.set_paused("f", paused=False)
    assert not store.status("f").paused


def test_a_feed_that_is_paused_and_resumed_amid_its_files_loses_and_doubles_nothing(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(MAKERS["ctf"](30))
    settings = feed("ctf", tmp_path, batch_size=4)
    with closing(PostgresStore(postgres)) as store, EventProducer(kafka) as producer:

        def pause(_: FeedReport) -> None:
            store.set_paused(settings.name, paused=True, reason="wrong school")

        first = run_feed(settings, producer, store, clock, watch=pause)
        assert (first.accepted, first.paused) == (4, True)
        assert run_feed(settings, producer, store, clock).received == 0
        store.set_paused(settings.name, paused=False)
        assert run_feed(settings, producer, store, clock).accepted == 26
    published = ids(kafka, settings.topic)
    assert len(published) == len(set(published)) == 30


def test_a_log_that_came_back_older_gets_every_record_again_under_its_id_and_nothing_that_was_erased(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(MAKERS["ctf"](5))
    settings = feed("ctf", tmp_path)
    with closing(PostgresStore(postgres)) as store, EventProducer(kafka) as producer:
        run_feed(settings, producer, store, clock)
        first = ids(kafka, settings.topic)
        erased = decode(read(kafka, settings.topic)[0].value)
        store.erase({erased.subject: 2**62})
        assert store.begin_again() == len(first) - 1
        run_feed(settings, producer, store, clock)
    assert sorted(ids(kafka, settings.topic)) == sorted([*first, *(set(first) - {erased.event_id})])


def test_files_are_forgotten_by_feed_and_name(store: IngestStore) -> None:
    files = {"d1": "a.xml", "d2": "a.xml", "d3": "b.xml"}
    for name in ("f", "g"):
        store.save_state(name, [FileProgress(digest, file, 1, finished=True) for digest, file in files.items()])
    assert store.forget("f", "c.xml") == 0
    assert store.forget("f", "a.xml") == 2
    assert list(store.load_state("f")) == ["d3"]
    assert store.forget("f") == 1
    assert len(store.load_state("g")) == 3
