"""The matching stage on real Kafka and PostgreSQL: source events in, identities out."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from connectors.kafka import EventProducer, end_offsets, read_to_end
from matching.stage.control import send_command
from matching.stage.explain import explain_link
from schemas.codec import decode
from schemas.dead_letter import DeadLetter, from_message
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DEAD_LETTERS, IDENTITIES
from tests.factories.linkage import hand_made_model, history, observed_events
from tests.factories.workers import Bench, bench, undisturbed


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        yield made


def test_source_events_become_the_identities_of_one_batch_run(line: Bench) -> None:
    events = history(1, 1500)
    line.feed(events)
    worker = line.start(batch_records=200)
    line.drain()
    worker.end()
    assert line.children() == line.published() == undisturbed(events)
    assert all(
        decode(message.value).event_type.startswith("identity.") for message in read_to_end(line.kafka, [IDENTITIES])
    )


@pytest.mark.parametrize("how", [(), ("--shared",)])
def test_a_poison_message_becomes_a_dead_letter_and_its_neighbours_arrive(line: Bench, how: tuple[str, ...]) -> None:
    events = list(observed_events(2, 200))
    line.feed(events[:100])
    with EventProducer(line.kafka) as producer:
        producer.send("source.yot", b"yot-1:x", b"\x00 not an event", [("note", b"untouched")])
        producer.send("source.yot", None, None)
        producer.send("decisions", b"k", b"{}")
    line.feed(events[100:])
    line.start(*how)
    line.drain()
    letters = _letters(line.kafka)
    assert line.children() == undisturbed(events)
    assert {(letter.origin, letter.code, letter.key, letter.value) for letter in letters} == {
        ("decisions", "not_an_event", b"k", b"{}"),
        ("source.yot", "not_json", None, b""),
        ("source.yot", "not_json", b"yot-1:x", b"\x00 not an event"),
    }


def test_a_paused_owner_reads_nothing_until_it_is_resumed(line: Bench) -> None:
    worker = line.start(lease_seconds=1.0)
    line.wait_until(lambda: worker.says("state_rebuilt"), "an owner")
    send_command(line.kafka, "pause")
    line.wait_until(lambda: line.query("select 1 from matching.owner where paused"), "the command to be obeyed")
    line.wait_until(lambda: worker.says("owner_paused"), "the owner to see it")
    events = list(observed_events(3, 50))
    line.feed(events)
    before = line.query("select batch from matching.owner")
    send_command(line.kafka, "resume")
    line.drain()
    assert before == [(0,)]
    assert line.children() == undisturbed(events)


def test_links_are_explained_from_the_tables(line: Bench) -> None:
    line.feed(list(observed_events(4, 300)))
    line.start()
    line.drain()
    members = max(line.children().values(), key=len)
    model = hand_made_model()
    with psycopg.connect(line.postgres.dsn.get_secret_value()) as connection:
        link = explain_link(connection, model, (members[0], members[1]))
        with pytest.raises(RejectedError, match="no record nowhere-1:0"):
            explain_link(connection, model, (members[0], "nowhere-1:0"))
    assert link.together
    assert link.explanation.total == model.prior_weight + sum(row.match_weight for row in link.explanation.rows)


@pytest.mark.parametrize("seed", [5])
def test_ten_kills_at_random_points_change_nothing(line: Bench, seed: int) -> None:
    rng = random.Random(seed)
    events = history(seed, 3300)
    worker = line.start(lease_seconds=1.0, batch_records=40)
    for number in range(11):
        before = _batch(line)  # read afterwards it could be the last one: three follow at the least
        line.feed(events[number * 300 : (number + 1) * 300])
        line.wait_until(partial(_has_passed, line, before + rng.randrange(3)), "some batches to be committed")
        helpers = [f"matching.stage.{name}" for name in ("reading", "committer", "relay")]
        victim = rng.choice(["worker", "worker", *helpers])
        helper = None if victim == "worker" else worker.helper(victim)
        if helper is not None:
            os.kill(helper, signal.SIGKILL)
        else:
            worker.signal(signal.SIGKILL)
            worker.process.wait()
            worker = line.start(lease_seconds=1.0, batch_records=rng.choice([20, 40, 100]))
    line.drain()
    assert line.children() == line.published() == undisturbed(events)
    worker.end()


def test_after_the_tables_are_dropped_a_replay_arrives_at_the_same_children_and_publishes_nothing(line: Bench) -> None:
    events = history(6, 1200)
    line.feed(events)
    worker = line.start(batch_records=50)
    line.drain()
    worker.end()
    before, ends = line.children(), end_offsets(line.kafka, [IDENTITIES])
    line.query("drop schema matching cascade")
    worker = line.start(batch_records=2, lease_seconds=1.0)
    line.wait_until(
        lambda: _batch(line) > 0 and line.query("select 1 from matching.record limit 1"), "the replay to begin"
    )
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    successor = line.start(batch_records=300, lease_seconds=1.0)
    line.drain()
    assert line.children() == line.published() == before == undisturbed(events)
    assert end_offsets(line.kafka, [IDENTITIES]) == ends
    assert successor.says("replay_finished")


def _has_passed(line: Bench, batch: int) -> bool:
    return _batch(line) > batch


def _batch(line: Bench) -> int:
    rows = line.query("select batch from matching.owner")
    return int(str(rows[0][0])) if rows else 0


def _letters(kafka: KafkaSettings) -> list[DeadLetter]:
    return [
        from_message(each.key, each.value, each.headers)
        for each in read_to_end(kafka, [DEAD_LETTERS], with_headers=True)
    ]
