"""What-if on a real log: what it says of a new model is what comes true, and it leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka import end_offsets
from matching.estimation.store import save_model
from matching.stage.model_file import read_model
from schemas.topics import CONFLICTS, DECISIONS, IDENTITIES
from tests.factories.line import Line

TOPICS = (IDENTITIES, CONFLICTS, DECISIONS)
TWO = ("--by", "ann", "--approved-by", "bob")


def ask(line: Line, *arguments: str) -> Any:
    return line.ask_here(*arguments, CONTACTPOINT_MATCHING_MODELS=str(line.folder))


@pytest.mark.parametrize("line", ["owner", "shared"], indirect=True)  # the answers are the same whoever links
def test_what_if_foretells_what_the_new_model_then_does_keeps_decisions_and_publishes_nothing(
    line: Line, tmp_path: Path
) -> None:
    live = read_model()
    floor = live.link_threshold
    strict = replace(live, link_threshold=floor + 900, cluster_threshold=None, possible_threshold=floor)
    path = save_model(strict, tmp_path)
    line.ingest(line.world(60))
    with line.stages(CONTACTPOINT_MATCHING_MODELS=str(tmp_path)):
        line.drain()
        _number, members = max(line.outcome().memberships.items(), key=lambda child: len(child[1]))
        apart = members[:2]
        ask(line, "decide", "cannot-link", *apart, *TWO, "--reason", "twins", "--wait")
        before, ends = line.outcome().memberships, end_offsets(line.kafka, TOPICS)
        _nothing_would_change(line, save_model(live, tmp_path))
        told = ask(line, "model", "what-if", str(path))
        assert (line.outcome().memberships, end_offsets(line.kafka, TOPICS)) == (before, ends)
        assert any(change["what"] == "split" for change in told["changes"])
        assert sum(row["new"] for row in told["workload"]) == len(told["new conflicts"]) > 0
        expected = foretold(before, told["changes"])
        assert not any(set(apart) <= set(keys) for keys in expected.values())
        done = ask(line, "model", "activate", str(path), *TWO, "--reason", "retrained", "--wait")
        assert done["instead of"] == live.model_id
        assert line.outcome().memberships == expected
        asked = {
            each["conflict_id"] for each in ask(line, "conflicts", "list", "--with-right", "shielded")["conflicts"]
        }
        assert {each["conflict"] for each in told["new conflicts"]} <= asked
        ask(line, "decide", "retract", done["decision"], *TWO, "--reason", "mistaken", "--wait")
        assert sorted(line.outcome().memberships.values()) == sorted(before.values()), "the former model has linked all"


def _nothing_would_change(line: Line, path: Path) -> None:
    same = ask(line, "model", "what-if", str(path), "--from-log")
    assert (same["changes"], same["new conflicts"], same["closed conflicts"]) == ([], [], [])
    assert same["children in which the live tables differ from a replay by the live model"] == 0


def foretold(before: dict[str, tuple[str, ...]], changes: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    gone = {number for change in changes for number in change["before"]}
    kept = {number: keys for number, keys in before.items() if number not in gone}
    return kept | {number: tuple(keys) for change in changes for number, keys in change["after"].items()}
