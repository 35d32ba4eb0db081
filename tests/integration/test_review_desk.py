"""The review desk on a real line: claims, answers that do not see each other, samples, and what the trail has of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from connectors.postgres import connect
from contactpoint.cli.app import app
from contactpoint.running.drain import wait_until_drained
from contactpoint.running.supervisor import DIRECTORY
from projections.access.log import set_limits
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.line import Line
from tests.factories.looks import listed_interfaces, looks
from tests.integration.test_review_line import doubtful

Row = dict[str, Any]


LOGINS = ("reviewer", "shielded_reviewer")


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Line:
    """Return a line that has linked 60 children by a model that asks much; its stages have ended.

    Everybody at this desk has a login with one role, the one that interfaces.txt names.
    """
    line = Line(kafka, postgres, tmp_path)
    line.ingest(line.world(60))
    with line.stages(CONTACTPOINT_MATCHING_MODEL=str(doubtful(tmp_path))):
        line.drain()
    return line


def invoke(line: Line, by: str, *arguments: str, **env: str) -> Result:
    """Run a command as somebody in this process."""
    who = {"CONTACTPOINT_BY": by} if by else {}
    if arguments[0] not in {"audit", "disclose"}:
        right = "shielded_reviewer" if "--with-right" in arguments else "reviewer"
        env = {"CONTACTPOINT_POSTGRES_DSN": line.login(right)} | env
    env = line.env(CONTACTPOINT_MATCHING_MODEL=str(doubtful(line.folder)), **who, **env)
    return CliRunner().invoke(app, [*arguments, *([] if arguments[0] == "disclose" else ["--output", "json"])], env=env)


def run(line: Line, by: str, *arguments: str, **env: str) -> Any:
    """Run a command as somebody and return its JSON; what it refuses is returned as its error's code."""
    done = invoke(line, by, *arguments, **env)
    return getattr(done.exception, "code", None) if done.exit_code else json.loads(done.stdout)


def test_people_review_questions_and_samples_without_seeing_each_others_answers(line: Line) -> None:
    _each_question_has_an_owner_and_each_owner_its_questions(line)
    question = next(each for each in run(line, "", "conflicts", "list")["conflicts"] if each["kind"] == "possible_link")
    name = question["conflict_id"]
    _one_works_on_it_at_a_time(line, name)
    _two_answer_blind_and_a_third_where_they_differ(line, name, str(question["version"]))
    _a_shield_hides_a_question_from_all_without_the_right(line, name)
    records = run(line, "", "conflicts", "show", name, "--with-right", "shielded")["records"]
    sample = run(line, "ann", "sample", "draw", "--seed", "7", "--each", "3")["sample"]
    _a_sample_is_drawn_again_by_its_seed_and_without_the_shielded(line, sample, records)
    _a_reviewed_sample_says_how_many_links_are_right(line, sample)
    first, second, _ = run(line, "", "sample", "list")
    assert (first["open"], second["open"]) == (0, second["items"])
    _every_look_at_a_child_is_entered_before_it_is_shown(line)
    _the_database_itself_hides_a_shielded_child_s_records(line, records[0])
    _the_archive_is_read_with_the_right_alone(line)
    _a_login_without_the_right_is_refused_and_that_is_entered(line)


def _each_question_has_an_owner_and_each_owner_its_questions(line: Line) -> None:
    """The feeds of this world are one authority's each, but for the specialist hospital's and the carriers'."""
    open_now = run(line, "", "conflicts", "list")["conflicts"]
    owners = {each["authority"] for each in open_now}
    assert len(owners - {None}) > 1
    for owner in owners - {None}:
        named = run(line, "", "conflicts", "list", "--authority", owner)["conflicts"]
        assert named == [each for each in open_now if each["authority"] == owner]
    for each in open_now:
        records = run(line, "", "conflicts", "show", each["conflict_id"])["records"]
        assert each["authority"] or all(key.startswith(("health-", "eborders-")) for key in records)


def _one_works_on_it_at_a_time(line: Line, name: str) -> None:
    assert run(line, "ann", "conflicts", "compare", name) == "not_claimed"
    assert run(line, "lea", "conflicts", "assign", name, "--to", "ann")["held by"] == "ann"
    assert run(line, "bob", "conflicts", "claim", name) == "claimed"
    assert run(line, "bob", "conflicts", "release", name) == "not_claimed"
    (shown,) = [each for each in run(line, "", "conflicts", "list")["conflicts"] if each["conflict_id"] == name]
    assert (shown["held by"], "review" in shown) == ("ann", False)
    assert run(line, "lea", "conflicts", "release", name)["held by"] is None
    assert run(line, "bob", "conflicts", "next")["conflict"] != run(line, "ann", "conflicts", "next")["conflict"]
    with connect(line.postgres, autocommit=True) as connection:
        connection.execute("update reviewing.claim set claimed_at = 'epoch', expires_at = now()")
    assert run(line, "bob", "conflicts", "claim", name)["held by"] == "bob"
    run(line, "bob", "conflicts", "release", name)


def _two_answer_blind_and_a_third_where_they_differ(line: Line, name: str, version: str) -> None:
    def says(by: str, answer: str, reason: str, seen: str = version) -> Any:
        run(line, by, "conflicts", "claim", name)
        told = run(line, by, "conflicts", "answer", name, answer, "--reason", reason, "--version", seen)
        return told["standing"] if isinstance(told, dict) else told

    assert says("ann", "same", "typing_error", "999999") == "evidence_changed"
    assert says("ann", "same", "typing_error") == "one_answer"
    assert says("ann", "same", "typing_error") == "not_claimed"
    run(line, "bob", "conflicts", "claim", name)
    pair, *_ = run(line, "bob", "conflicts", "compare", name)["pairs"]
    assert pair.keys() == {"left", "right", "values", "findings"}
    assert all(row.keys() == {"comparison", "finding"} for row in pair["findings"])
    assert {row["what"] for row in pair["values"]} > {"source", "received"}
    assert says("bob", "different", "namesakes") == "disputed"
    assert "people say" not in run(line, "", "conflicts", "show", name)
    assert says("cleo", "different", "namesakes") == "settled"
    shown = run(line, "", "conflicts", "show", name)
    assert shown["review"] == "settled: different"
    assert [each.split(":")[0] for each in shown["people say"]] == ["ann", "bob", "cleo"]
    assert "cannot-link" in shown["decide with"]
    assert shown["decide with"].endswith("--by bob --approved-by cleo --reason namesakes")
    assert run(line, "dan", "conflicts", "claim", name) == "question_answered"
    made = [each for each in line.entries() if each["request"] == name and each["who"]["user"] == "bob"]
    assert {(each["action"], each["purpose"], each["decision"]) for each in made} == {
        ("unmasked", "data_quality", "permitted")
    }


def _a_shield_hides_a_question_from_all_without_the_right(line: Line, name: str) -> None:
    (record, *_) = run(line, "", "conflicts", "show", name)["records"]
    run(line, "ann", "decide", "shield", record, "--reason", "threat")
    assert run(line, "eve", "conflicts", "claim", name) == "conflict_unknown"
    assert run(line, "eve", "conflicts", "claim", "never-there") == "conflict_unknown"
    assert run(line, "eve", "conflicts", "claim", name, "--with-right", "shielded") == "question_answered"


def _a_sample_is_drawn_again_by_its_seed_and_without_the_shielded(line: Line, sample: str, hidden: list[str]) -> None:
    again = run(line, "ann", "sample", "draw", "--seed", "7", "--each", "3")["sample"]
    other = run(line, "ann", "sample", "draw", "--seed", "8", "--each", "3")["sample"]
    with connect(line.postgres, autocommit=True) as connection:
        first, second, third = (
            connection.execute(
                "select place, linked, band, left_key, right_key from reviewing.item where sample = %s order by place",
                [each],
            ).fetchall()
            for each in (sample, again, other)
        )
    assert first == second != third
    assert not {hidden[0]} & {key for *_, left, right in [*first, *third] for key in (left, right)}
    assert {linked for _, linked, *_ in first} == {True, False}


def _a_reviewed_sample_says_how_many_links_are_right(line: Line, sample: str) -> None:
    """Two people say of every link that it is right but one, about which they say that it is wrong."""
    wrong = None
    for by in ("ann", "bob"):
        while isinstance(given := run(line, by, "sample", "next", sample), dict):
            with connect(line.postgres, autocommit=True) as connection:
                row = connection.execute("select linked from reviewing.item where id = %s", [given["item"]]).fetchone()
            assert row is not None
            wrong = wrong or (given["item"] if row[0] else None)
            answer = ("same", "typing_error") if row[0] and given["item"] != wrong else ("different", "namesakes")
            run(line, by, "sample", "answer", given["item"], answer[0], "--reason", answer[1])
        assert given == "nothing_to_do"
    found = run(line, "", "sample", "report", sample)
    links = [each for each in found["strata"] if each["pairs"] == "linked"]
    assert sum(each["share"] for each in links) == pytest.approx(1.0, abs=0.001)
    assert all(each["settled"] == each["sampled"] for each in found["strata"])
    assert all(each["one child"]["low"] <= each["one child"]["share"] <= each["one child"]["high"] for each in links)
    assert [each["item"] for each in found["errors"]] == [wrong]
    assert found["precision of links"]["share"] < 1.0
    assert found["missed among open questions"]["share"] == 0.0
    assert found["agreement of two"]["agreed"] == 1.0
    with connect(line.postgres, autocommit=True) as connection:
        kept = connection.execute("select id from reviewing.item where left_key is not null and sample = %s", [sample])
        assert [row[0] for row in kept] == [wrong]


def _every_look_at_a_child_is_entered_before_it_is_shown(line: Line) -> None:
    """Every command that interfaces.txt says shows a child; the routes are in test_directory_service."""
    ready = looks(line, lambda *words: run(line, "zoe", *words), doubtful(line.folder))
    listed = {name.removeprefix("contactpoint "): said for name, said in listed_interfaces().items()}
    shown = {name: said for name, said in listed.items() if said[0] == "child" and "/" not in name}
    assert ready.keys() == shown.keys()
    for name, arguments in ready.items():
        before = len(line.entries())
        told = invoke(line, "zoe", *name.split(), *arguments)
        assert (told.exit_code, told.stdout == "") == (0, False), (name, told.output, told.exception)
        made = line.entries()[before:]
        assert {(each["action"], each["decision"], each["who"]["user"]) for each in made} == {
            (shown[name][2], "permitted", "zoe")
        }, name
    set_limits(line.postgres, numbering=timedelta(0), signing=timedelta(days=1), witness=timedelta(days=1))
    for name, arguments in ready.items():
        refused = invoke(line, "zoe", *name.split(), *arguments)
        assert (refused.stdout, "not kept" in str(refused.exception)) == ("", True), name
    set_limits(line.postgres, numbering=timedelta(days=1), signing=timedelta(days=1), witness=timedelta(days=1))


def _the_database_itself_hides_a_shielded_child_s_records(line: Line, shielded: str) -> None:
    """Whatever a login asks in SQL; the ordinary one reads the records of another child from the same tables."""
    with line.stages((DIRECTORY,)):
        wait_until_drained(line.kafka, line.postgres, stages={"directory"})
    children = line.outcome().memberships.values()
    hidden = next(keys for keys in children if shielded in keys)
    seen = max((keys for keys in children if keys != hidden), key=len)
    told = {right: [_tables_that_name(line.login(right), keys) for keys in (hidden, seen)] for right in LOGINS}
    known = {
        "matching.record", "projection.membership", "projection.record_version", "projection.identity",
        "audit.source_event", "audit.identity_event", "vault.data_key",
    }  # fmt: skip
    assert told["reviewer"][0] == set()
    assert told["reviewer"][1] >= known
    assert told["shielded_reviewer"][0] >= known | {"projection.ruling_record", "review.conflict"}
    with connect(line.postgres, autocommit=True) as connection:  # as an older version may have left it
        connection.execute("alter policy desk on matching.record using (true)")
    assert _tables_that_name(line.login("reviewer"), hidden) == {"matching.record"}
    rebuilt = line.run("projections", "rebuild", "audit_trail")
    assert (rebuilt.returncode, rebuilt.stderr.count("Traceback")) == (0, 0), rebuilt.stderr
    assert _tables_that_name(line.login("reviewer"), hidden) == set()
    assert _tables_that_name(line.login("reviewer"), seen) >= known


def _the_archive_is_read_with_the_right_alone(line: Line) -> None:
    number = min(line.outcome().memberships)
    with connect(line.postgres, autocommit=True) as connection:
        connection.execute(
            "insert into archive.archived_entry"
            " select child_number, 'age', now(), now() + interval '1 year', false, document"
            " from directory.entry where child_number = %s",
            [number],
        )
    assert run(line, "ann", "child", number, "--archived") == "right_needed"
    shown = run(line, "dan", "child", number, "--archived", "--with-right", "shielded")
    assert [found["entry"]["child_number"] for found in shown["entries"]] == [number]
    refused = {"CONTACTPOINT_POSTGRES_DSN": line.login("reviewer")}
    assert run(line, "dan", "child", number, "--archived", "--with-right", "shielded", **refused) == "right_needed"


def _tables_that_name(dsn: str, keys: Sequence[str]) -> set[str]:
    """Return the tables in which this login sees a row that names one of these records."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select table_schema || '.' || table_name, string_agg(quote_ident(column_name), ',')"
            " from information_schema.column_privileges"
            " where privilege_type = 'SELECT' and table_schema not in ('pg_catalog', 'information_schema') group by 1"
        ).fetchall()
        query = "select exists (select from (select {} from {}) as t where t::text like any(%s))"
        wanted = [[f"%{key}%" for key in keys]]
        ask = {table: connection.execute(query.format(columns, table).encode(), wanted) for table, columns in found}
        return {table for table, answer in ask.items() if answer.fetchone() == (True,)}


def _a_login_without_the_right_is_refused_and_that_is_entered(line: Line) -> None:
    def ask(right: str, *words: str) -> Any:
        return run(line, "max", "conflicts", "list", *words, CONTACTPOINT_POSTGRES_DSN=line.login(right))

    assert "conflicts" in ask("reviewer")
    assert ask("reviewer", "--with-right", "shielded") == "right_needed"
    assert "conflicts" in ask("shielded_reviewer", "--with-right", "shielded")
    assert ask("auditor") == "right_needed"
    with connect(line.postgres, autocommit=True) as connection:
        connection.execute("insert into audit.review values ('f', 'max', 'volume', '{}', now(), true)")
    assert ask("reviewer") == "account_suspended"
    made = [each.get("refusal", "permitted") for each in line.entries() if each["who"]["user"] == "max"]
    assert made == ["permitted", "right_needed", "permitted", "right_needed", "account_suspended"]
