"""Explanations on a real log: now and then, what would split and join, where numbers lead, what a shield withholds."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.decisions import publish_decision, read_decisions
from connectors.kafka import EventProducer
from connectors.vault import record_keys
from matching.linkage.evidence import RULE_WORDS
from schemas.codec import encode
from schemas.decisions import Shield, ShieldSet, decision_id
from schemas.events import RecordWithdrawn, record_event_id
from schemas.settings import KafkaSettings
from schemas.topics import source_topic
from tests.factories.line import Line

KIND_OF = {"school": "schools", "health": "health", "yot": "yot", "eborders": "eborders"}


@pytest.mark.parametrize("line", ["owner", "shared"], indirect=True)  # the answers are the same whoever links
def test_a_child_is_explained_now_and_as_of_then_and_every_number_leads_somewhere(line: Line, tmp_path: Path) -> None:
    line.ingest(line.world(60))
    with line.stages():
        line.drain()
        number, members = max(line.outcome().memberships.items(), key=lambda child: len(child[1]))
        shown, then = line.ask_here("child", number)["entries"], datetime.now(UTC)
        founder = line.ask_here("history", number)["identity"][-1]["founder"]
        withdraw(line.kafka, founder)
        line.drain()
    _the_entry_as_of_then(line, number, shown, then)
    _the_tree_as_of_then(line, number, members, then, tmp_path)
    found = line.ask_here("lineage", number)
    assert found["asked"] == number
    assert found["current"] == [new for new, keys in line.outcome().memberships.items() if set(keys) & set(members)]
    assert found["steps"][0]["causes"][0].endswith("record.withdrawn")
    for command in ("lineage", "history"):
        assert "never given" in str(line.run_here(command, "0000000000000").exception)
    assert f"contactpoint lineage {shlex.quote(number)}" in str(line.run_here("explain", number).exception)
    _what_would_split_and_join(line, found["current"][0], tmp_path)


def _the_entry_as_of_then(line: Line, number: str, shown: list[Any], then: datetime) -> None:
    """What an account saw on a day: the trail says which child and items, the log what they were."""
    now = line.ask_here("child", number)
    assert now["entries"] != shown
    assert line.ask_here("child", number, "--at", then.isoformat())["entries"] == shown
    current = now["entries"][0]["child_number"] if now["entries"] else min(line.outcome().memberships)
    assert (
        line.ask_here("child", current, "--at", datetime.now(UTC).isoformat())["entries"]
        == line.ask_here("child", current)["entries"]
    )
    assert "came into use at" in str(line.run_here("child", number, "--at", "2020-01-01").exception)


def _the_tree_as_of_then(line: Line, number: str, members: tuple[str, ...], then: datetime, folder: Path) -> None:
    tree = line.ask_here("explain", number, "--at", f"{then:%Y-%m-%dT%H:%M:%S.%f%z}", "--svg", str(folder / "tree.svg"))
    assert {row["record"] for row in tree["records"]} == set(members), "the record that was withdrawn since is there"
    assert len(tree["steps"]) == len(members) - 1
    assert tree["agrees"]
    assert all(step["mean weight"] >= tree["threshold"] for step in tree["steps"])
    assert not any(key in (folder / "tree.svg").read_text() for key in members)
    before = line.run("explain", number, "--at", "2020-01-01T00:00:00")
    assert (before.returncode, "came into use at" in before.stderr.replace("\n", " ")) == (65, True)
    for command in ("explain", "child"):
        after = line.run(command, number, "--at", "2099-01-01T00:00:00")
        assert (after.returncode, "in the future" in after.stderr) == (2, True)


def _what_would_split_and_join(line: Line, number: str, folder: Path) -> None:
    others = [child for child, keys in line.outcome().memberships.items() if child != number and len(keys) > 1]
    assert line.ask_here("field", others[0], "names")["statements"][0]["value"]["family"]
    for two in (("explain", *others[:2]), ("decide", "must-link", *others[:2], "--by", "ann", "--reason", "moved")):
        assert f"contactpoint history {shlex.quote(others[0])}" in str(line.run_here(*two).exception)
    record = line.outcome().memberships[others[0]][0]
    for itself, refusal in (((record, record), "given twice"), ((record, others[0], "--join"), "nothing to join")):
        assert refusal in str(line.run_here("explain", *itself).exception)
    split = line.ask_here("explain", others[0], "--split", "--svg", str(folder / "split.svg"))
    assert split["possible"]
    assert split["pieces"]
    assert len(split["then"]) > 1
    join = line.ask_here("explain", others[0], others[1], "--join", "--svg", str(folder / "join.svg"))
    assert join["possible"]
    assert {piece["what"] for piece in join["pieces"]} <= {"agreement", *RULE_WORDS.values()}
    _a_shield_withholds(line, others[0], others[1])


def _a_shield_withholds(line: Line, child: str, other: str) -> None:
    members = line.outcome().memberships
    open_then, before = line.ask_here("child", child)["entries"], datetime.now(UTC)
    shield(line.kafka, members[child][0])
    assert len(read_decisions(line.kafka)) == 1
    left, right = members[child][0], members[child][1]
    assert line.kafka.vault
    nobody = record_keys(line.kafka.vault).key(f"{left.partition(':')[0]}:nobody")
    elsewhere, two = members[other][0], ("--by", "ann", "--approved-by", "bob")
    looks: list[tuple[str, ...]] = [("child",), ("lineage",), ("history",), ("explain",), ("explain", right)]
    looks += [("decide", kind, elsewhere, *two, "--reason", "x") for kind in ("must-link", "cannot-link")]
    looks += [("decide", kind, *two, "--reason", "x") for kind in ("harm", "unshield")]
    looks += [("decide", "severed", "--current", elsewhere, *two, "--reason", "x", "--former")]
    looks += [("retention", "erase", *two, "--reason", "court_order")]
    for command in looks:
        unknown, known = (str(line.run_here(*command, key).exception) for key in (nobody, left))
        assert known.replace(left, nobody) == unknown  # that the record is the child's would tell the school
    told = line.run("explain", child, "--output", "json").stdout
    assert not any(key in told for key in members[child])
    then = ("child", child, "--at", datetime.now(UTC).isoformat())
    for question in (("explain", child, "--split"), ("explain", child, other, "--join"), ("history", child), then):
        assert "shielded" in str(line.run_here(*question).exception)
    assert line.ask_here("history", child, "--with-right", "shielded")["records"]
    assert line.ask_here("child", child, "--at", before.isoformat(), "--with-right", "shielded")["entries"] == open_then
    whole = line.ask_here("explain", left, right, "--with-right", "shielded")
    assert whole["together"]
    assert line.ask_here("child", left, "--with-right", "shielded")["asked"] == child


def withdraw(kafka: KafkaSettings, key: str) -> None:
    version, feed = 2**60, key.partition(":")[0]
    event = RecordWithdrawn(
        event_id=record_event_id(key, "record.withdrawn", version, "ff"), subject=key, feed=feed,
        source_version=version, fingerprint="ff", ingested_at=datetime.now(UTC),
    )  # fmt: skip
    with EventProducer(kafka) as producer:
        producer.send_event(source_topic(KIND_OF[feed.partition("-")[0]]), encode(event))  # type: ignore[arg-type]


def shield(kafka: KafkaSettings, key: str) -> None:
    data, now = Shield(records=(key,)), datetime.now(UTC)
    event = ShieldSet(
        event_id=decision_id("shield.set", "manager-1", now, data), subject=key, decided_at=now, by="manager-1",
        reason="threat", data=data,
    )  # fmt: skip
    publish_decision(kafka, event)
    publish_decision(kafka, event)
