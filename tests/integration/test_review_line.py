"""A question on the whole line: matching asks, a person answers, the queue shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matching.linkage.model_json import dump_model
from matching.stage.model_file import read_model
from tests.factories.line import Line


def doubtful(folder: Path) -> Path:
    """Write a model that links little and asks much: the shipped one with a link threshold nine bits higher."""
    shipped = read_model()
    floor = shipped.link_threshold
    model = replace(shipped, link_threshold=floor + 900, cluster_threshold=None, possible_threshold=floor)
    path = folder / model.file_name
    path.write_text(dump_model(model), encoding="utf-8")
    return path


def ask(line: Line, *arguments: str) -> Any:
    return line.ask_here(*arguments, CONTACTPOINT_MATCHING_MODEL=str(doubtful(line.folder)))


def test_a_question_that_a_person_answers_closes_and_comes_back_when_the_answer_is_taken_back(line: Line) -> None:
    line.ingest(line.world(60))
    with line.stages(CONTACTPOINT_MATCHING_MODEL=str(doubtful(line.folder))):
        line.drain()
        queue = ask(line, "conflicts", "list")
        assert sum(row["open"] for row in queue["counts"]) == len(queue["conflicts"])
        question = next(each for each in queue["conflicts"] if each["kind"] == "possible_link")
        shown = ask(line, "conflicts", "show", question["conflict_id"])
        assert shown["evidence"][0]["findings"]
        people = ("--by", "ann", "--wait")
        answer = ask(line, "decide", "cannot-link", *shown["records"], *people, "--reason", "namesakes")["decision"]
        closed = ask(line, "conflicts", "show", question["conflict_id"])
        assert (closed["state"], closed["resolution"], closed["answers"]) == ("closed", "decided", [answer])
        ask(line, "decide", "retract", answer, *people, "--approved-by", "bob", "--reason", "mistaken")
        again = ask(line, "conflicts", "show", question["conflict_id"])
        assert (again["state"], again["resolution"]) == ("open", None)
        assert again["opened_at"] > question["opened_at"]
