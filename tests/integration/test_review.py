"""The review queue on a real PostgreSQL: what the fold says, who may reach what, and the same again from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from random import Random

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from connectors.kafka import EventProducer, end_offsets
from connectors.postgres import apply_schema, connect
from projections.rebuild import rebuild
from projections.review.projection import ReviewProjection
from projections.review.reader import ReviewReader
from projections.runner import Runner
from projections.worker import start
from schemas.codec import encode
from schemas.settings import KafkaSettings, PostgresSettings
from tests.unit.projections.histories import messages_of, topic_of
from tests.unit.projections.reviews import RECORDS, conflict, review_history
from tests.unit.projections.test_review_fold import folded

REVIEW = ReviewProjection()
DAY = date(2026, 3, 1)
A, B, C = RECORDS[:3]


@pytest.fixture
def connection(postgres: PostgresSettings) -> Iterator[Connection[TupleRow]]:
    apply_schema(postgres, "projections.sql", "roles")
    with connect(postgres, autocommit=True) as opened:
        start(opened, REVIEW, REVIEW.live, [(topic, 0) for topic in REVIEW.topics])
        yield opened


@pytest.mark.parametrize("seed", [1, 2])
def test_a_shuffled_log_in_small_batches_leaves_what_one_batch_leaves_in_memory(
    seed: int, connection: Connection[TupleRow]
) -> None:
    events, random = review_history(seed, 300), Random(seed)
    expected = folded(events)
    messages = messages_of(events)
    random.shuffle(messages)
    while messages:
        size = random.randint(1, 40)
        with connection.transaction():
            assert REVIEW.apply(connection, messages[:size]) == []
        del messages[:size]
    found = ReviewReader(connection, shielded=True).conflicts(DAY, state=None)
    rows = {**expected.ordinary, **expected.shielded}
    assert {each.conflict_id: (each.state, each.opened_at, each.answers) for each in found} == {
        name: (row.state, row.opened_at, row.answers) for name, row in rows.items()
    }
    assert {each.conflict_id for each in found if each.shielded} == set(expected.shielded)


def test_a_reviewer_without_the_right_reaches_no_shielded_question_nor_their_number(
    connection: Connection[TupleRow],
) -> None:
    hidden = conflict("opened", 3, (A, C), shielded=True, kind="shield_in_doubt")
    messages = messages_of([conflict("opened", 2, (A, B), authority="E08000001"), hidden])
    with connection.transaction():
        REVIEW.apply(connection, messages)
    connection.execute("set role contactpoint_reviewer")
    reader = ReviewReader(connection)
    assert [asdict(each) for each in reader.counts(DAY)] == [
        {"kind": "possible_link", "authority": "E08000001", "open": 1, "oldest_days": 59}
    ]
    assert len(reader.conflicts(DAY)) == 1
    assert reader.conflict(hidden.subject, DAY) == reader.conflict("never there", DAY) is None
    for table in ("review.shielded_conflict", "projection.review_conflict", "projection.review_decision"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("select 1 from {}").format(sql.Identifier(*table.split("."))))
    connection.execute("set role contactpoint_shielded_reviewer")
    first = ReviewReader(connection, shielded=True).conflicts(DAY)[0]
    assert first.kind == "shield_in_doubt"


def test_made_again_from_the_log_the_queue_has_the_same_digests_and_keeps_its_walls(
    kafka: KafkaSettings, postgres: PostgresSettings, connection: Connection[TupleRow]
) -> None:
    with EventProducer(kafka) as producer:
        for event in review_history(7, 200):
            producer.send_event(topic_of(event), encode(event))
    Runner(REVIEW, kafka, postgres).catch_up(end_offsets(kafka, REVIEW.topics))
    report = rebuild(REVIEW, kafka, postgres)
    assert (report.equal, report.swapped) == (True, True)
    assert all(table.rows for table in report.live.tables)
    connection.execute("set role contactpoint_reviewer")
    assert ReviewReader(connection).conflicts(DAY, state=None)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select 1 from review.shielded_conflict")
