"""The log no longer holds what a stage has not read yet (F13): the stage stops and says so, and skips nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.decisions import publish_decision, read_decisions
from connectors.kafka import create_topics, end_offsets, ensure_held
from connectors.postgres import connect
from contactpoint.erasing.keeper import day_begun
from projections.digest import digest
from projections.registry import PROJECTIONS
from schemas.errors import FatalError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DECISIONS, MATCHING_TOPICS, SOURCE_TOPICS
from tests.factories.linkage import history
from tests.factories.projecting import publish, running, wait_for_commits
from tests.factories.waiting import PATIENCE, wait_until
from tests.factories.workers import Bench, bench
from tests.unit.projections.histories import long_history

STATUS = 70  # a person has to look: starting again does not help
ANOTHER = re.compile(
    r"error: what is in partition \d of topic [\w.]+.* is not what was read there: this is another log, or"
)
LOST = re.compile(
    r"error: reading partition \d of topic [\w.]+.*: the topic no longer holds this position; .* bring the topic back"
)


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        yield made


def said_at_last(log: Path, sentence: re.Pattern[str] = LOST) -> bool:
    """Tell whether the last that a stage said is the sentence (what, where, what to do), and not a traceback."""
    said = log.read_text()
    return "Traceback" not in said and sentence.match(said.splitlines()[-1]) is not None


def cut_off(kafka: KafkaSettings, topics: tuple[str, ...]) -> None:
    """Delete the messages of these topics, as a retention time does that was set too short."""
    admin = AdminClient({**kafka.as_librdkafka(), "log_level": 0})
    ends = [TopicPartition(*partition, at) for partition, at in end_offsets(kafka, topics).items() if at]
    for deleted in admin.delete_records(ends).values():
        deleted.result()


def bring_back(kafka: KafkaSettings, topics: tuple[str, ...]) -> None:
    """Bring the topics back as they were before anything was published, as from a copy of the brokers' disks."""
    admin = AdminClient({**kafka.as_librdkafka(), "log_level": 0})
    for deleted in admin.delete_topics(list(topics)).values():
        deleted.result()
    wait_until(lambda: not set(topics) & set(admin.list_topics(timeout=10).topics), "the topics to go")
    create_topics(kafka)


def test_a_projection_whose_next_message_was_deleted_stops_says_so_and_keeps_its_tables(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    projection, log, events = PROJECTIONS["directory"], tmp_path / "log", long_history(seed=6, records=200)
    publish(kafka, events[:-50])
    with connect(postgres, autocommit=True) as connection:
        with running(projection, kafka, postgres, batch=20) as process:
            wait_for_commits(connection, projection, 3)
            process.kill()
            process.wait()
        before = digest(connection, projection)
        publish(kafka, events[-50:])  # it cannot have read these, whenever the kill came
        cut_off(kafka, projection.topics)
        with running(projection, kafka, postgres, batch=20, log=log) as process:
            assert process.wait(PATIENCE) == STATUS
        assert said_at_last(log)
        assert digest(connection, projection) == before


def test_a_log_that_no_longer_begins_at_its_beginning_makes_no_new_tables(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    projection, log = PROJECTIONS["audit_trail"], tmp_path / "log"
    publish(kafka, long_history(seed=7, records=50))
    cut_off(kafka, projection.topics)
    publish(kafka, long_history(seed=8, records=50))
    with running(projection, kafka, postgres, batch=20, log=log) as process:
        assert process.wait(PATIENCE) == STATUS
    assert said_at_last(log)


def test_a_projection_does_not_go_on_in_an_older_copy_of_the_log_that_has_grown_past_its_positions(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    projection, log = PROJECTIONS["review"], tmp_path / "log"
    publish_decision(kafka, day_begun(date(2026, 3, 2), "scheduler"))
    with connect(postgres, autocommit=True) as connection:
        with running(projection, kafka, postgres, batch=20):
            wait_for_commits(connection, projection, 1)
        bring_back(kafka, projection.topics)
        publish_decision(kafka, day_begun(date(2026, 3, 3), "scheduler"))
        with running(projection, kafka, postgres, batch=20, log=log) as process:
            assert process.wait(PATIENCE) == STATUS
    assert said_at_last(log, ANOTHER), log.read_text()


@pytest.mark.parametrize("how", [(), ("--shared",)], ids=["owner", "shared"])
def test_matching_stops_too_and_commits_nothing_past_the_gap(line: Bench, how: tuple[str, ...]) -> None:
    events = history(41, 400)
    line.feed(events[:200])
    worker = line.start(*how, batch_records=50, lease_seconds=1.0)
    line.drain()
    worker.end()
    before, positions = line.children(), line.query("select * from matching.position order by 1, 2")
    line.feed(events[200:300])
    cut_off(line.kafka, SOURCE_TOPICS)
    line.feed(events[300:])
    worker = line.start(*how, batch_records=50, lease_seconds=1.0)
    assert worker.process.wait(PATIENCE) == STATUS
    assert said_at_last(worker.log), worker.log.read_text()
    bring_back(line.kafka, MATCHING_TOPICS)
    line.feed(events[199::-1])  # as many in each partition as were read, in another order
    worker = line.start(*how, batch_records=50, lease_seconds=1.0)
    assert worker.process.wait(PATIENCE) == STATUS
    assert said_at_last(worker.log, ANOTHER), worker.log.read_text()
    assert line.children() == before
    assert line.query("select * from matching.position order by 1, 2") == positions


@pytest.mark.parametrize("how", [(), ("--shared",)], ids=["owner", "shared"])
def test_matching_does_not_begin_amid_a_log_that_has_lost_its_beginning(line: Bench, how: tuple[str, ...]) -> None:
    line.feed(history(42, 50))
    cut_off(line.kafka, SOURCE_TOPICS)
    line.feed(history(43, 50))
    worker = line.start(*how, batch_records=50, lease_seconds=1.0)
    assert worker.process.wait(PATIENCE) == STATUS
    assert said_at_last(worker.log), worker.log.read_text()
    assert line.children() == {}


@pytest.mark.parametrize(("partition", "position"), [(99, 0), (0, 5)], ids=["a partition that is gone", "past the end"])
def test_a_position_that_the_log_never_had_is_told_like_one_that_it_lost(
    kafka: KafkaSettings, partition: int, position: int
) -> None:
    place = SOURCE_TOPICS[0], partition
    with pytest.raises(
        FatalError, match=rf"partition {partition} of topic {place[0]} from {position}: .*bring the topic back"
    ):
        ensure_held(kafka, {place: position})


def test_who_needs_every_decision_does_not_take_the_rest_for_all(kafka: KafkaSettings) -> None:
    """An erasure that was ordered before the gap would not be carried out again after a restored backup."""
    publish_decision(kafka, day_begun(date(2026, 3, 2), "scheduler"))
    assert len(read_decisions(kafka)) == 1
    cut_off(kafka, (DECISIONS,))
    with pytest.raises(FatalError, match=LOST.pattern.removeprefix("error: ")):
        read_decisions(kafka)
