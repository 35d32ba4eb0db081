"""Commands that run stages: one by one, or all of them under a supervisor until they are told to stop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.process import told_to_stop
from contactpoint.cli.environment import addresses, stack_config, stage_environment
from contactpoint.cli.options import OutputOption
from contactpoint.cli.output import Output, messages, show
from projections.registry import PROJECTIONS, projection

matching = typer.Typer(no_args_is_help=True)
projections = typer.Typer(no_args_is_help=True)
ProjectionName = Annotated[str, typer.Argument(help=f"One of: {', '.join(PROJECTIONS)}.", show_default=False)]


@matching.command("run")
def matching_command(
    shared: Annotated[
        bool, typer.Option("--shared", help="Share the work with other such workers, over tables in PostgreSQL.")
    ] = False,
) -> None:
    """Link records until told to stop (SIGTERM). A second one on the same database stands by and takes over.

    With --shared any number of workers link together, for records that no one machine's memory holds; the results are
    the same. Settings: CONTACTPOINT_MATCHING_MODEL, _LEASE_SECONDS, _BATCH_RECORDS and others in
    matching/stage/settings.py.
    """
    from matching.shared import app as together
    from matching.stage import app as alone
    from matching.stage.settings import MatchingSettings

    (together if shared else alone).run(MatchingSettings.from_env(stage_environment()))


@matching.command("pause")
def pause_command() -> None:
    """Pause linkage, whichever worker owns it; records wait in their topics and nothing is lost."""
    _command("pause")


@matching.command("resume")
def resume_command() -> None:
    """Let paused linkage go on where it stopped."""
    _command("resume")


def _command(command: str) -> None:
    from connectors.kafka import create_topics
    from matching.stage.control import send_command

    kafka = addresses().kafka_settings()
    create_topics(kafka)
    send_command(kafka, command)
    typer.echo(f"{command} sent: the owner obeys within its lease renewal, `contactpoint lag` shows it")


@projections.command("run")
def projection_command(name: ProjectionName) -> None:
    """Fold one projection until told to stop (SIGTERM)."""
    from projections.__main__ import run

    where = addresses()
    run(projection(name).name, where.kafka_settings(), where.postgres_settings())


@projections.command("rebuild")
def rebuild_command(
    names: Annotated[list[str] | None, typer.Argument(help="Projections; all of them if none is named.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only compare; leave the live tables in place.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Swap even if the digests differ (after a change of fold).")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make projections again from offset 0 beside the live ones, compare digests, and swap them in if equal.

    Ends with status 1 when a digest differs.
    """
    from contactpoint.reviewing.walls import open_desks
    from projections.rebuild import rebuild, verify

    where = addresses()
    rows: list[dict[str, Any]] = []
    for name in names or list(PROJECTIONS):
        chosen, kafka, postgres = projection(name), where.kafka_settings(), where.postgres_settings()
        say = messages.print
        report = (
            verify(chosen, kafka, postgres)
            if check
            else rebuild(chosen, kafka, postgres, swap="always" if force else "if_equal", report=say)
        )
        rows.append(
            {
                "projection": name,
                "equal": report.equal,
                "differences": list(report.differences),
                "swapped": report.swapped,
                "rows": sum(table.rows for table in report.rebuilt.tables),
            }
        )
    if any(row["swapped"] for row in rows):
        open_desks(where.postgres_settings())
    show(output, rows, "rebuilt")
    if not all(row["equal"] for row in rows):
        raise typer.Exit(1)


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.add_typer(matching, name="matching")
    root.add_typer(projections, name="projections")
    root.command("run")(run_command)
    root.command("drain")(drain_command)


def run_command(
    logs: Annotated[Path | None, typer.Option(help="Folder for one log file a stage.", show_default=False)] = None,
) -> None:
    """Run matching, all projections, the trail of access, its witness and the keeper of retention, until Ctrl-C.

    With CONTACTPOINT_SMTP set, managers are told by mail of what awaits them, too (`contactpoint users tell`).

    Whatever crashes is started again.
    """
    from connectors.kafka import create_topics
    from contactpoint.running.audit_parts import audit_parts
    from contactpoint.running.supervisor import RETENTION, STAGES, TELLING, Supervisor

    where = addresses()
    create_topics(where.kafka_settings())
    stop = told_to_stop()
    audit = audit_parts(os.environ, stack_config().folder)
    commands = (*STAGES, *audit.commands(), RETENTION, *([TELLING] if os.environ.get("CONTACTPOINT_SMTP") else ()))
    with Supervisor(commands, {**stage_environment(), **audit.as_env()}, logs):
        messages.print(f"{', '.join(stage.name for stage in commands)} run; Ctrl-C stops them in order")
        stop.wait()


def drain_command(
    seconds: Annotated[float, typer.Option(help="Give up after this long without any progress.", min=1)] = 60.0,
) -> None:
    """Wait until everything published so far is linked, folded and committed."""
    from contactpoint.running.drain import wait_until_drained

    where = addresses()
    wait_until_drained(where.kafka_settings(), where.postgres_settings(), patience=seconds)
    typer.echo("drained")
