"""Options that many commands share: one dataclass, one option a field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from contactpoint.cli.options import Acting, grouped
from schemas.errors import ConfigurationError

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class Loose:
    """Options of which none is needed."""

    why: Annotated[str | None, typer.Option("--why")] = None
    times: Annotated[int, typer.Option("--times")] = 1


@dataclass(frozen=True, kw_only=True)
class Strict(Loose):
    """The same, but one of them is needed."""

    why: Annotated[str, typer.Option("--why")] = field()


@app.command("loose")
@grouped
def loose(name: str, options: Loose, extra: bool = False) -> None:
    typer.echo((name, options, extra))


@app.command("strict")
@grouped
def strict(options: Strict) -> None:
    typer.echo(options)


def test_a_command_gets_the_options_as_one_object_beside_its_own() -> None:
    told = CliRunner().invoke(app, ["loose", "n", "--times", "3", "--extra"])
    assert told.output.strip() == str(("n", Loose(times=3), True))
    assert CliRunner().invoke(app, ["loose", "n"]).output.strip() == str(("n", Loose(), False))


def test_a_field_without_a_default_is_a_required_option() -> None:
    refused = CliRunner().invoke(app, ["strict", "--times", "3"])
    assert refused.exit_code == 2
    assert "Missing option '--why'" in refused.output
    assert CliRunner().invoke(app, ["strict", "--why", "w"]).output.strip() == str(Strict(why="w"))


def test_who_acts_has_the_usual_role_unless_another_is_given() -> None:
    assert Acting(by="me", organisation="x").person("auditor").role == "auditor"
    assert Acting(by="me", organisation="x", role="team lead").person("auditor").role == "team_lead"
    with pytest.raises(ConfigurationError, match=r"--by, --role, --organisation: user"):
        Acting(by="no spaces here", organisation="x").person("auditor")
