"""The life of a record: `contactpoint retention` shows the rules, lets a day begin, lists what is due for erasure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from connectors.decisions import publish_decision
from connectors.postgres import connect
from contactpoint.cli.environment import addresses, number_of
from contactpoint.cli.output import Output, console, show
from contactpoint.cli.stack_commands import OutputOption
from contactpoint.cli.why import RightOption
from projections.directory.entry import Authority
from projections.directory.explanation import Statement
from projections.directory.reader import DirectoryReader
from projections.directory.retention import PERIODS
from schemas.decisions import Clock, ClockAdvanced
from schemas.events import event_id

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
