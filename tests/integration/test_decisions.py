"""People's decisions through a real Kafka and PostgreSQL: what they hold, ask and sever survives kills and replays."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.decisions import publish_decisions
from connectors.kafka import end_offsets
from connectors.postgres import connect
from contactpoint.running.drain import due_again, stage_lags, wait_until_applied, wait_until_drained
from matching.decision_reader import read_decision
from matching.features import ChangeReader
from matching.fold_version import FOLD_VERSION
from matching.linkage.model import LinkageModel
from matching.linkage.model_json import dump_model
from matching.resident.owner import ResidentOwner
from matching.stage import replay
from schemas.codec import encode
from schemas.decisions import AnyDecisionEvent
from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import CONFLICTS, IDENTITIES
from tests.factories.decisions import Decider, decide_at_random
from tests.factories.linkage import SourceEvent, hand_made_model, history
from tests.factories.workers import Bench, Worker, bench


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        yield made


def judged(
    events: Sequence[SourceEvent], decisions: Sequence[AnyDecisionEvent], model: LinkageModel | None = None
) -> ResidentOwner:
    """Return an owner to whom all was told in one batch, without any stage."""
    model = model or hand_made_model()
    owner, reader = ResidentOwner(model), ChangeReader(model)
    said = [each for event in decisions for each in read_decision(encode(event).value)]
    owner.apply([reader.read(encode(event).value) for event in events], 1, said)
    return owner


def stands_as(line: Bench, owner: ResidentOwner) -> None:
    """Assert that tables and topics say what this owner says."""
    line.stands_as(owner.memberships(), owner.holds().keys(), owner.conflicts())


FORMS = [pytest.param((), id="owner"), pytest.param(("--shared",), id="shared")]


def start(line: Bench, form: tuple[str, ...], **settings: object) -> Worker:
    """Start one owner, or two workers that share the work; return the one to be killed."""
    if form:
        line.start(*form, **settings)
    return line.start(*form, **settings)


def end_all(line: Bench) -> None:
    """End every worker that still runs."""
    for worker in line.workers:
        if worker.process.poll() is None:
            worker.end()


def kill(worker: Worker) -> None:
    worker.signal(signal.SIGKILL)
    worker.process.wait()


@pytest.mark.parametrize("form", FORMS)
def test_decisions_survive_a_kill_and_the_loss_of_all_tables(line: Bench, form: tuple[str, ...]) -> None:
    events = history(31, 700)
    keys = sorted({event.subject for event in events})
    children = sorted(judged(events, []).memberships().values())
    decisions = decide_at_random(keys, children, 31, 8).made
    random.Random(3).shuffle(decisions)
    expected = judged(events, decisions)
    assert expected.holds()
    assert len({state.kind for state in expected.conflicts().values()}) >= 4
    line.feed(events[:400])
    publish_decisions(line.kafka, decisions[:20])
    worker = start(line, form, batch_records=50, lease_seconds=1.0)
    line.wait_until(lambda: line.query("select 1 from matching.decision limit 1"), "a decision to be read")
    kill(worker)
    line.feed(events[400:])
    publish_decisions(line.kafka, decisions[20:] + decisions[::3])
    worker = start(line, form, batch_records=30, lease_seconds=1.0)
    line.drain()
    stands_as(line, expected)
    end_all(line)
    ends = end_offsets(line.kafka, [IDENTITIES, CONFLICTS])
    line.query("drop schema matching cascade")
    worker = start(line, form, batch_records=200, lease_seconds=1.0)
    line.drain()
    stands_as(line, expected)
    assert end_offsets(line.kafka, [IDENTITIES, CONFLICTS]) == ends
    worker.end()


@pytest.mark.parametrize("form", FORMS)
def test_an_activated_model_links_everything_again_under_the_same_decisions(line: Bench, form: tuple[str, ...]) -> None:
    events = history(32, 400)
    children = [members for members in judged(events, []).memberships().values() if len(members) > 1]
    strict = replace(hand_made_model(), link_threshold=1200, review_floor=-100)
    text = dump_model(strict).encode()
    (line.folder / "models").mkdir()
    (line.folder / "models" / strict.file_name).write_bytes(text)
    decider = Decider()
    decider.must(children[0][0], children[1][0])
    decider.cannot(children[2][0], children[2][-1])
    line.feed(events[:300])
    publish_decisions(line.kafka, decider.made)
    start(line, form, models=line.folder / "models", lease_seconds=1.0, batch_records=60)
    line.drain()
    before = set(line.children())
    decider.activate(strict.model_id, sha256(text).hexdigest())
    decider.activate("0" * 16, "0" * 64)
    publish_decisions(line.kafka, decider.made[-2:])
    line.feed(events[300:])
    line.wait_until(lambda: any(each.says("replay_finished") for each in line.workers), "everything to be linked again")
    line.drain()
    expected = judged(events, decider.made[:-1], strict)
    assert expected.memberships() != judged(events, decider.made[:-1]).memberships()
    stands_as(line, expected)
    assert len(before & set(line.children())) > len(before) // 2
    cause = decider.made[-2].event_id.encode()
    assert any(value and cause in value for value in replay.values_of(line.kafka, IDENTITIES))
    assert line.query("select model_id from matching.owner") == [(strict.model_id,)]
    end_all(line)
    _link_again_by_another_fold(line, form, expected)


def _link_again_by_another_fold(line: Bench, form: tuple[str, ...], expected: ResidentOwner) -> None:
    """Assert that an upgrade makes tables again that an older fold made, killed meanwhile, and that none goes back."""
    ends = end_offsets(line.kafka, [IDENTITIES, CONFLICTS])
    line.query(
        "update matching.record set features = '', edges = '', child_number = key; delete from matching.conflict"
    )
    line.query("update matching.owner set fold_version = fold_version - 1")
    assert _due(line) == [f"matching: made by fold version {FOLD_VERSION - 1}, this build has {FOLD_VERSION}"]
    _tables_of_an_older_build_are_told_of(line)
    chosen = {"models": line.folder / "models", "lease_seconds": 1.0}
    worker = start(line, form, batch_records=5, **chosen)
    again = "select fold_version from matching.owner"
    line.wait_until(lambda: line.query(again) == [(FOLD_VERSION,)], "the tables to be made again")
    kill(worker)
    start(line, form, batch_records=30, **chosen)
    line.drain()
    stands_as(line, expected)
    assert end_offsets(line.kafka, [IDENTITIES, CONFLICTS]) == ends
    assert _due(line) == []
    end_all(line)
    line.query("update matching.owner set fold_version = fold_version + 1")
    older = start(line, form, **chosen)
    line.wait_until(lambda: older.process.poll() is not None, "the older build to end")
    assert (older.process.returncode, older.count("run the newer build")) == (78, 1)
    assert line.query("select count(*) > 0 from matching.record") == [(True,)]


def _tables_of_an_older_build_are_told_of(line: Bench) -> None:
    """What waits for matching says what to do where matching has not been started since the upgrade."""
    line.query("alter table matching.position drop column last_time; comment on schema matching is null")
    with connect(line.postgres, autocommit=True) as connection:
        asks = (
            partial(stage_lags, line.kafka, connection),
            partial(wait_until_drained, line.kafka, line.postgres),
            partial(wait_until_applied, line.kafka, line.postgres),
        )
        for ask in asks:
            with pytest.raises(ConfigurationError, match="older build: start matching by this one"):
                ask()


def _due(line: Bench) -> list[str]:
    """Return what is told of tables that are due to be made again, without what to do."""
    with connect(line.postgres, autocommit=True) as connection:
        return [said.rpartition(":")[0] for said in due_again(connection)]
