"""Every way to look at a child's data: the list of interfaces, and each command ready to run on a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.kafka import EventProducer
from ingest.seals import Seals
from schemas.dead_letter import dead_letter, to_headers
from schemas.errors import RejectedError
from tests.factories.line import Line

INTERFACES = Path(__file__).parents[1] / "acceptance" / "interfaces.txt"
Run = Callable[..., Any]


def listed_interfaces() -> dict[str, list[str]]:
    """Return what each line of interfaces.txt says: what is shown, the right needed, the entry in the trail."""
    lines = INTERFACES.read_text(encoding="utf-8").splitlines()
    rows = [[word.strip() for word in line.split("|")] for line in lines if line and not line.startswith("#")]
    return {name: said for name, *said in rows}


def looks(line: Line, run: Run, model: Path) -> dict[str, list[str]]:
    """Return every command that shows a child, with arguments that make it show one, on a line with open questions.

    `run` runs a command and returns its JSON.
    """
    number, members = _whole_child(line, run)
    entry = run("child", number)["entries"][0]
    born, family = entry["birth_date"]["value"]["date"], entry["names"][0]["value"]["family"]
    conflict = _claimed(run)
    sample = run("sample", "draw", "--seed", "9", "--each", "2")["sample"]
    return {
        "audit report": [number],
        "audit search": ["--child", number],
        "child": [number],
        "conflicts compare": [conflict],
        "conflicts list": [],
        "conflicts next": [],
        "conflicts show": [conflict],
        "decide shields": ["--with-right", "shielded"],
        "decide unclaimed": [],
        "explain": list(members[:2]),
        "field": [number, "names"],
        "find": ["--family", family, "--birth-date", born],
        "history": [number],
        "lineage": [number],
        "model what-if": [str(model)],
        "request show": [_request(line, run, number)],
        "retention due": [],
        "sample next": [sample],
        "sample report": [sample],
        "unmask": [_refused_input(line, members[0]), "--with-right", "shielded"],
    }


def _whole_child(line: Line, run: Run) -> tuple[str, tuple[str, ...]]:
    """Return a child with several records, none of which a shield hides, and its records."""
    children = sorted(line.outcome().memberships.items(), key=lambda child: (-len(child[1]), child[0]))
    return next((number, keys) for number, keys in children if isinstance(run("explain", *keys[:2]), dict))


def _claimed(run: Run) -> str:
    """Claim a question that nobody has answered and no shield hides."""
    questions: list[str] = [
        each["conflict_id"] for each in run("conflicts", "list")["conflicts"] if "review" not in each
    ]
    return next(name for name in questions if isinstance(run("conflicts", "claim", name), dict))


def _request(line: Line, run: Run, number: str) -> str:
    asked = ("--requester", "parent", "--received", f"{datetime.now(UTC):%Y-%m-%d}")
    return str(run("request", "open", number, "access", *asked, "--by", "clerk-2", "--reason", "letter")["request"])


def _refused_input(line: Line, key: str) -> str:
    error = RejectedError("row_invalid", "a column is missing")
    letter = dead_letter(stage="ingest", origin="f", place="f:1", key=key.encode(), value=b"MOSS;ADA;?", error=error)
    with Seals.of(line.kafka) as seals, EventProducer(line.kafka) as producer:
        (closed,) = seals.sealed([], [letter])[1]
        producer.send("dead-letters", closed.key, closed.value, to_headers(closed))
    return letter.letter_id
