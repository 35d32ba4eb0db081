"""The whole line, from files to the directory: joined, replayable, and unharmed by kills."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from connectors.kafka import create_topics, end_offsets
from connectors.postgres import connect
from contactpoint.model_tools.memberships import measure_memberships
from contactpoint.running.supervisor import Supervisor
from contactpoint.world import WorldSummary
from matching.stage.replay import read_published
from projections.directory.projection import DirectoryProjection
from schemas.topics import IDENTITIES
from tests.factories.line import MATCHING, Line, Outcome, kill
from tests.factories.waiting import end, wait_until
from tests.integration.conftest import empty_kafka

KILLS = 12


def test_children_of_four_kinds_of_source_are_joined_and_explained_and_dropped_tables_come_back(line: Line) -> None:
    world = line.world(250)
    line.ingest(world)
    with line.stages():
        line.drain()
    _children_are_joined(line, world)
    _a_child_can_be_looked_up_and_explained(line)
    _replaying_gives_the_same_tables(line)


def _children_are_joined(line: Line, world: WorldSummary) -> None:
    with connect(line.postgres, autocommit=True) as connection:
        quality = measure_memberships(connection, world.truth, line.record_keys())
        kinds = connection.execute("select distinct source_kind from projection.record_version").fetchall()
    assert {kind for (kind,) in kinds} == {"schools", "health", "yot", "eborders"}
    assert quality.unknown_records == 0
    assert quality.f1 > 0.95


def _a_child_can_be_looked_up_and_explained(line: Line) -> None:
    number, members = max(line.outcome().memberships.items(), key=lambda child: len(child[1]))
    entry = line.ask("child", number)["entries"][0]
    assert entry["child_number"] == number
    explained = line.ask("explain", number)
    assert set(explained["members"]) == set(members)
    assert explained["links"]
    link = explained["links"][0]
    assert link["findings"]
    assert line.ask("explain", link["left"], link["right"])["together"]
    assert {step["record_key"] for step in line.ask("history", number)["records"]} >= set(members)


def _replaying_gives_the_same_tables(line: Line) -> None:
    live, figures = line.outcome(), _figures_are_those_of_the_log(line)
    published = end_offsets(line.kafka, [IDENTITIES])

    line.drop_every_table()
    with line.stages(CONTACTPOINT_MATCHING_BATCH_RECORDS="37"):
        line.drain()
    assert line.outcome() == live
    assert _figures_are_those_of_the_log(line) == figures, (
        "every figure is a function of the log up to the position that it states"
    )

    line.drop_every_table()
    standby = line.start("matching", "run", CONTACTPOINT_MATCHING_BATCH_RECORDS="11")
    try:
        with line.stages(CONTACTPOINT_MATCHING_BATCH_RECORDS="5") as stages:
            _wait_for_some_progress(line)
            with suppress(ProcessLookupError):
                os.kill(stages.pid(MATCHING.name), signal.SIGKILL)
            line.drain()
    finally:
        end(standby)
    assert line.outcome() == live
    assert end_offsets(line.kafka, [IDENTITIES]) == published, "a replay that changes nothing publishes nothing"


def _figures_are_those_of_the_log(line: Line) -> list[dict[str, Any]]:
    """Count again what the figures say, from the log alone, up to the positions that they state."""
    found: list[dict[str, Any]] = [each for each in line.ask_here("figures") if each["part"] in {"directory", "review"}]
    numbers = {each["what"]: each["number"] for each in found}
    children = {child: each.members for child, each in read_published(line.kafka).items() if each.members}
    assert numbers["child numbers in use"] == len(children)
    assert numbers["records"] == sum(map(len, children.values()))
    assert numbers["children shown"] + numbers["children held"] == len(children)
    ends = end_offsets(line.kafka, DirectoryProjection.topics)
    stated = " ".join(f"{topic}/{part}@{offset}" for (topic, part), offset in sorted(ends.items()) if offset)
    assert {each["position"] for each in found if each["part"] == "directory"} == {stated}
    return found


def test_kills_at_random_points_change_nothing(line: Line, tmp_path: Path) -> None:
    world = line.world(250)
    undisturbed = _undisturbed(line, world)
    line.drop_every_table()
    with connect(line.postgres, autocommit=True) as connection:
        connection.execute("drop schema ingest cascade")
    empty_kafka(line.kafka)
    create_topics(line.kafka)

    seed = random.randrange(2**32)
    print(f"seed of the kills: {seed}")
    dice = random.Random(seed)
    with line.stages() as stages:
        _ingest_and_kill(line, world, stages, dice)
        line.ingest(world)
        line.drain()
        restarts = sum(stages.restarts(name) for name in ("matching", "directory", "audit_trail"))
    disturbed = line.outcome()
    assert restarts > 0
    assert disturbed.memberships == undisturbed.memberships
    assert disturbed.settled == undisturbed.settled

    line.drop_every_table()
    with line.stages():
        line.drain()
    assert line.outcome() == disturbed, "an undisturbed replay of the disturbed log agrees on every table"


def _undisturbed(line: Line, world: WorldSummary) -> Outcome:
    line.ingest(world)
    with line.stages():
        line.drain()
    return line.outcome()


def _ingest_and_kill(line: Line, world: WorldSummary, stages: Supervisor, dice: random.Random) -> None:
    """SIGKILL ingest, matching and the projections in turn, each after a random while."""
    victims = ["ingest", "matching", "directory", "audit_trail"]
    for turn in range(KILLS):
        arguments = ("feeds", "run", str(world.feeds_directory), "--ingested-at", "2026-11-02T00:00:00")
        ingest = line.start(*arguments)
        time.sleep(dice.uniform(0.3, 2.5))  # the point at which the kill falls is the test's input
        victim = victims[turn % len(victims)]
        if victim != "ingest":
            with suppress(ProcessLookupError):
                os.kill(stages.pid(victim), signal.SIGKILL)
        kill(ingest)


def _wait_for_some_progress(line: Line) -> None:
    """Return once the owner has committed a batch of the replay."""
    with connect(line.postgres, autocommit=True) as connection:
        made = "select to_regclass('matching.record') is not null"
        wait_until(lambda: connection.execute(made).fetchone() == (True,), "matching to make its tables")
        some = "select 1 from matching.record limit 1"
        wait_until(lambda: connection.execute(some).fetchone(), "matching to commit a batch")
