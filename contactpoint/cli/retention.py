"""The life of a record: `contactpoint retention` shows the rules, lets a day begin, lists what is due, erases."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from connectors.decisions import publish_decision
from connectors.postgres import connect
from contactpoint.cli.environment import addresses, number_of, stack_config
from contactpoint.cli.output import Output, console, show
from contactpoint.cli.stack_commands import OutputOption
from contactpoint.cli.why import RightOption
from contactpoint.erasing.order import REASONS, RETENTION_OVER, Approval, enforce, erase
from contactpoint.erasing.proof import read_values, traces
from contactpoint.stack.postgres import find_binaries
from projections.directory.entry import Authority
from projections.directory.explanation import Statement
from projections.directory.reader import DirectoryReader
from projections.directory.retention import PERIODS
from schemas.decisions import Clock, ClockAdvanced
from schemas.events import event_id
from schemas.sealing import KEY_BYTES

app = typer.Typer(help="The life of a record: archive, closing, erasure.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.add_typer(app, name="retention")
    root.command("field")(field_command)


@app.command("rules")
def rules_command(output: OutputOption = Output.TABLE) -> None:
    """Show each rule: the period, the law that it rests on, since when, and why."""
    show(output, [asdict(period) | {"effective": period.effective.isoformat()} for period in PERIODS], "retention")


@app.command("advance")
def advance_command(
    today: Annotated[datetime, typer.Argument(help="The day that has begun.", formats=["%Y-%m-%d"])],
    by: Annotated[str, typer.Option(help="Your account, or the scheduler's.")] = "scheduler",
) -> None:
    """Publish that a day has begun: what depends on dates follows the newest such event, never a machine's clock."""
    publish_decision(addresses().kafka_settings(), day_begun(today.date(), by))
    console.print(f"{today.date()} has begun")


@app.command("due")
def due_command(output: OutputOption = Output.TABLE) -> None:
    """List the child numbers whose record has been in the archive for six years: they are to be erased."""
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        rows = [{"child number": child, "since": day.isoformat()} for child, day in DirectoryReader(connection).due()]
    show(output, rows, "due for erasure")


@app.command("erase")
def erase_command(
    who: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    by: Annotated[str, typer.Option(help="Your account.", show_default=False)],
    approved_by: Annotated[str, typer.Option(help="The second person's account.", show_default=False)],
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(REASONS)}.")] = RETENTION_OVER,
) -> None:
    """Erase a child: every stage forgets it, and the keys of its records are destroyed. Nothing brings it back."""
    where = addresses()
    with connect(where.postgres_settings(), autocommit=True) as connection:
        number = number_of(DirectoryReader(connection), who)
    event = erase(where.kafka_settings(), where.postgres_settings(), number, Approval(by, approved_by, reason))
    console.print(f"child {number} is erased: {len(event.data.records)} records, event {event.event_id}")
    console.print(f"the trail of access has a key of its own for the child: contactpoint audit erase {number} ...")


@app.command("enforce")
def enforce_command() -> None:
    """Carry out every erasure that was ordered and is not done in this vault: after a crash or a restored backup."""
    where = addresses()
    done = enforce(where.kafka_settings(), where.postgres_settings())
    console.print(f"{done} erasures were carried out now")


@app.command("prove")
def prove_command(
    values: Annotated[Path, typer.Argument(help="A file of values of the child, one a line. Delete it afterwards.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Search every topic, every table and a dump of the database for these values; status 1 when one is found."""
    config, where = stack_config(), addresses()
    wanted = read_values(values.read_text(encoding="utf-8").splitlines())
    pg_dump = find_binaries(config.postgres_bin) / "pg_dump"
    found = traces(where.kafka_settings(), where.postgres_settings(), wanted, pg_dump=pg_dump)
    show(output, [{"place": trace.place, "line of the file": trace.value + 1} for trace in found], "found in")
    if found:
        raise typer.Exit(1)


@app.command("new-key")
def new_key_command() -> None:
    """Make a key-encryption key for CONTACTPOINT_KEK; keep it apart from the vault: the two together open the log."""
    typer.echo(b64encode(os.urandom(KEY_BYTES)).decode())


def field_command(
    who: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    field: Annotated[str, typer.Argument(help="Such as names, whereabouts, responsible_authority.")],
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Explain one field of an entry: its rule, and every statement about it, shown or not and why."""
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        reader = DirectoryReader(connection)
        found = reader.explain(number_of(reader, who), field, behind_shield=with_right is not None)
    rows = [_statement(each) for each in found.statements]
    if output is Output.JSON:
        authorities = [_authority(each) for each in found.authorities]
        show(output, {"field": found.field, "rule": found.rule, "statements": rows, "authorities": authorities})
        return
    console.print(found.rule)
    show(output, rows, field)
    if found.authorities:
        show(output, [_authority(each) for each in found.authorities], "responsible, one after another")


def day_begun(today: date, by: str) -> ClockAdvanced:
    """Return the event that this day has begun; published twice it is the same."""
    return ClockAdvanced(
        event_id=event_id("clock.advanced", today.isoformat()),
        subject="clock",
        decided_at=datetime(today.year, today.month, today.day, tzinfo=UTC),
        by=by,
        reason="day_begun",
        data=Clock(today=today),
    )


def _statement(each: Statement) -> dict[str, str]:
    return {
        "value": str(each.value),
        "record": each.record,
        "kind of source": each.source_kind,
        "event": each.event,
        "shown": each.why,
    }


def _authority(each: Authority) -> dict[str, str]:
    return {"authority": each.code, "since": str(each.since or ""), "from": each.previous or ""}
