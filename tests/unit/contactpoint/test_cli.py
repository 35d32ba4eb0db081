"""The command line: its answers to mistakes, its forms of output, and its supervisor."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contactpoint.cli import output
from contactpoint.cli.app import Root, app, every_command
from contactpoint.cli.environment import record_key_of
from contactpoint.cli.output import Output, show
from contactpoint.cli.review import ways_to_answer
from contactpoint.explaining.entry import entry_lines
from contactpoint.running.supervisor import StageCommand, Supervisor
from projections.review.reader import Conflict
from schemas.errors import ConfigurationError, ContactPointError, FencedError, RejectedError, RetriableError
from schemas.telemetry import fail
from tests.factories.waiting import PATIENCE

GROUPS = ["audit", "conflicts", "decide", "feeds", "matching", "model", "projections", "stack"]
NOWHERE = {"CONTACTPOINT_LOCAL": "/nonexistent/contactpoint"}


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "contactpoint", *arguments]
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **NOWHERE, **env}
    return subprocess.run(command, env=clean, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_an_id_that_is_to_be_pasted_is_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    place = "bolton-nhs/2026-03-02/HL7_20260302091500.hl7, message 12"
    rows = [{"id": name * 36, "place": place, "reason": "a long reason " * 12} for name in "ab"]
    show(Output.TABLE, rows)
    told = capsys.readouterr().out
    assert all(row["id"] in told for row in rows)


def test_a_day_to_come_erases_what_is_due_by_then_and_needs_two_people() -> None:
    ahead = ["retention", "advance", "2926-11-28", "--by", "Ann"]  # for 2026
    for more in ([], ["--approved-by", "ann "]):
        refused = CliRunner().invoke(app, [*ahead, *more], env=NOWHERE)
        assert isinstance(refused.exception, RejectedError)
        assert refused.exception.code == "second_person_needed"
    agreed = CliRunner().invoke(app, [*ahead, "--approved-by", "Bea"], env=NOWHERE)
    assert isinstance(agreed.exception, ConfigurationError), "it goes on, and there is no stack here"


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_help_describes_every_command(group: str) -> None:
    done = CliRunner().invoke(app, [group, "--help"] if group else ["--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    whole = every_command()
    listed = {name: line for lines in Root.parts.values() for name, line in lines.items()}
    assert list(whole.commands) == list(listed), "no module adds a command that is not listed"
    assert all(each.callback or hasattr(each, "commands") for each in whole.commands.values()), "nor lacks one"
    assert {name: (each.help or "").split("\n\n")[0] for name, each in whole.commands.items()} == listed


def test_help_and_a_stage_load_no_more_than_they_need() -> None:
    for arguments, spared in ((["--help"], "pydantic"), (["matching", "--help"], "matching")):
        code = f"import sys; sys.argv[1:] = {arguments}\nfrom contactpoint.cli import main\n"
        code += f"try:\n main()\nfinally:\n assert {spared!r} not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=PATIENCE)


def test_without_a_stack_a_command_says_how_to_start_one() -> None:
    done = run("lag")
    assert done.returncode == 78
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_feed_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text("name = ", encoding="utf-8")
    done = run("feeds", "check", str(path))
    assert done.returncode == 78
    assert "feed.toml" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 78),
        (RejectedError("code", "x"), 65),
        (RetriableError("x"), 75),
        (FencedError("x"), 70),
        (ContactPointError("x"), 70),
    ],
)
def test_the_exit_status_tells_what_to_do_next(error: ContactPointError, code: int) -> None:
    assert fail(error) == code


def test_json_output_is_json_whatever_the_values(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    rows: list[dict[str, Any]] = [{"path": Path("a"), "count": 3, "none": None, "list": [1, "b"]}]
    show(Output.JSON, rows)
    assert json.loads(capfdbinary.readouterr().out) == [{"path": "a", "count": 3, "none": None, "list": [1, "b"]}]


def test_what_a_file_says_is_shown_as_it_is_and_never_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with output.console.capture() as captured:
        show(Output.TABLE, [{"reason": "see [yot_csv] and [/b]"}])
    assert "see [yot_csv] and [/b]" in captured.get()
    fail(ConfigurationError("see [yot_csv] and [/b]"))
    assert "see [yot_csv] and [/b]" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("simulate", str(tmp_path / "file" / "world"), "--children", "5")
    assert done.returncode == 78
    assert f"error: {tmp_path / 'file'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_shows_every_column_of_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    with output.console.capture() as captured:
        show(Output.TABLE, [{"a": 1}, {"b": True}], "title")
    text = captured.get()
    assert all(word in text for word in ("title", "a", "b", "1", "yes"))


def test_an_entry_hides_the_source_of_what_a_sensitive_service_says() -> None:
    entry = {
        "sources": [{"event": "e1", "kind": "other"}, {"event": "e2", "kind": "education", "as_of": "2026-03-01"}],
        "names": [{"value": {"kind": "legal", "given": "A", "family": "B"}, "source": 1}],
        "involvements": [{"value": {"service": "a sensitive service", "sensitive": True}, "source": 0}],
    }
    assert entry_lines(entry) == [
        {"what": "legal name", "said": "A B", "source": "education", "as of": "2026-03-01", "event": "e2"},
        {"what": "service", "said": "a sensitive service", "source": "other", "as of": "", "event": "e1"},
    ]


@pytest.mark.parametrize(
    ("whereabouts", "said"),
    [
        ({"status": "none_known"}, "no address known"),
        ({"status": "withheld"}, "address withheld"),
        ({"status": "left_england", "intends_return": "unknown"}, "left England, not known whether to return"),
        ({"status": "last_known", "address": {"lines": ["1 A St"], "town": "T"}}, "last known: 1 A St, T"),
        ({"status": "current", "address": {"lines": ["1 A St"], "postcode": "ZB1 1AA"}}, "1 A St, ZB1 1AA"),
    ],
)
def test_whereabouts_are_told_as_the_law_distinguishes_them(whereabouts: dict[str, Any], said: str) -> None:
    entry = {"sources": [{"event": "e", "kind": "health"}], "whereabouts": {"value": whereabouts, "source": 0}}
    assert [row["said"] for row in entry_lines(entry)] == [said]


def test_a_stage_that_crashes_is_started_again_and_all_stages_end_with_the_supervisor(tmp_path: Path) -> None:
    failing = StageCommand("failing", ("no-such-command",))
    with Supervisor([failing], {"PATH": "/usr/bin:/bin", "PYTHONPATH": "."}, tmp_path) as supervisor:
        while supervisor.restarts("failing") == 0:
            pass
        last = supervisor.pid("failing")
    assert "No such command" in supervisor.log_tail("failing", lines=50)
    assert not Path(f"/proc/{last}").exists()


def question(kind: str, *children: str) -> Conflict:
    now, pair, decisions = datetime(2026, 1, 1, tzinfo=UTC), ("a:1", "b:1"), ("d1", "d2")
    more: tuple[Any, ...] = ((), decisions, "m", None, (), False, 0)
    return Conflict("c", kind, "open", 1, now, now, None, None, pair, children, *more)


def test_a_question_says_which_commands_answer_it_and_where_two_people_are_needed() -> None:
    merge, split = (ways_to_answer(question("possible_link", *who)) for who in (("C1", "C2"), ("C1",)))
    assert "must-link a:1 b:1 --by YOU --approved-by ANOTHER" in merge[1]
    assert "cannot-link a:1 b:1 --by YOU --organisation" in merge[2]
    assert "must-link a:1 b:1 --by YOU --organisation" in split[1]
    assert "cannot-link a:1 b:1 --by YOU --approved-by ANOTHER" in split[2]


def test_a_question_about_a_shielded_child_says_that_two_people_and_the_right_are_needed_for_every_answer() -> None:
    for kind in ("shield_in_doubt", "decisions_clash", "oversize"):
        told = ways_to_answer(replace(question(kind, "C1", "C2"), shielded=True))
        commands = [line for line in told if "contactpoint " in line]
        assert all(line.endswith("--with-right shielded") for line in commands)
        assert all("--approved-by" in line for line in commands if " decide " in line)


def test_a_kind_of_question_that_there_is_not_is_a_mistake_and_no_empty_list() -> None:
    refused = CliRunner().invoke(app, ["conflicts", "list", "--by", "Ann", "--kind", "possible-link"], env=NOWHERE)
    assert (refused.exit_code, "possible_link" in refused.output) == (2, True)


def test_a_component_above_the_cap_is_not_answered_by_a_link_of_its_one_named_record() -> None:
    told = ways_to_answer(replace(question("oversize", "C1", "C2"), records=("a:1",)))
    assert "2 children" in told[0]
    assert not any("a:1" in line for line in told)


def test_what_a_hint_names_can_be_pasted_whatever_symbols_are_in_it() -> None:
    told = ways_to_answer(replace(question("possible_link", "C1"), records=("a b:$1", "c:2*")))
    assert [shlex.split(line)[-2:] for line in told[:1]] == [["a b:$1", "c:2*"]]
    with pytest.raises(RejectedError, match=r"`contactpoint history '4DX8GVSWE52P\*'`"):
        record_key_of("4DX8GVSWE52P*")


def test_a_contradicted_decision_is_answered_by_taking_it_back_and_not_by_a_second_that_clashes() -> None:
    told = ways_to_answer(question("decision_contradicted", "C1"))
    assert [line.split()[3] for line in told if "retract" in line] == ["d1", "d2"]
    assert not any("-link " in line for line in told)


def test_a_clash_of_decisions_is_answered_by_taking_one_back_and_not_by_a_third() -> None:
    told = ways_to_answer(question("decisions_clash", "C1", "C2"))
    assert [line.split()[3] for line in told[1:]] == ["d1", "d2"]
    assert not any("-link " in line for line in told)
