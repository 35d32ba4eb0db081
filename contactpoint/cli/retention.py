"""The life of a record: `contactpoint retention` shows the rules, lets a day begin, lists what is due, erases."""

from __future__ import annotations

import contextlib
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from connectors.decisions import publish_decision
from connectors.postgres import connect
from connectors.process import told_to_stop
from contactpoint.cli.asking import Asked, Asking, asked, at_desk
from contactpoint.cli.environment import addresses, stack_config
from contactpoint.cli.options import OutputOption, RightOption, grouped
from contactpoint.cli.output import Output, console, show
from contactpoint.erasing.keeper import Keeper, KeeperSettings, day_begun
from contactpoint.erasing.order import REASONS, RETENTION_OVER, Approval
from contactpoint.erasing.places import Surroundings, enforce, erase
from contactpoint.erasing.proof import read_values, traces
from contactpoint.erasing.state import Erased, orders
from contactpoint.erasing.state import prepare as prepare_orders
from contactpoint.running.audit_parts import audit_parts
from contactpoint.stack.postgres import find_binaries
from projections.access.deed import Shown, demand_right
from projections.access.sealing import SealingKey
from projections.directory.entry import Authority
from projections.directory.explanation import Statement
from projections.directory.reader import DirectoryReader
from projections.directory.retention import PERIODS
from schemas.errors import ConfigurationError, RejectedError
from schemas.sealing import KEY_BYTES
from schemas.two_people import same_person

app = typer.Typer(no_args_is_help=True)
OURS = "contactpoint"
Organisation = Annotated[str, typer.Option(help="Whom you work for: it is in the trail's entry.")]


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.add_typer(app, name="retention")
    root.command("field")(field_command)


@app.command("rules")
def rules_command(output: OutputOption = Output.TABLE) -> None:
    """Show each rule: the period, the law that it rests on, since when, and why."""
    rows = [asdict(period) | {"effective": period.effective.isoformat()} for period in PERIODS]
    show(output, rows, "retention")
    if output is not Output.JSON:
        settings = KeeperSettings.from_env(os.environ)
        console.print(
            f"Own choice: a dead letter can be read for {settings.letter_days} days; what a search asked that found no "
            f"child stays sealed in the trail of access for {settings.query_years} years."
        )


@app.command("advance")
def advance_command(
    today: Annotated[datetime, typer.Argument(help="The day that has begun.", formats=["%Y-%m-%d"])],
    by: Annotated[str, typer.Option(help="Your account, or the scheduler's.")] = "scheduler",
    approved_by: Annotated[str | None, typer.Option(help="The second person's account, for a day to come.")] = None,
) -> None:
    """Publish that a day has begun: what depends on dates follows the newest such event, never a machine's clock.

    No day can be taken back, and what is due by then is erased: a day to come needs a second person.
    """
    day = today.date()
    if day > datetime.now(UTC).date() and (approved_by is None or same_person(by, approved_by)):
        message = f"{day} is still to come, and all that is due by then would be erased: --approved-by another person"
        raise RejectedError("second_person_needed", message)
    publish_decision(addresses().kafka_settings(), day_begun(day, by, approved_by))
    console.print(f"{day} has begun")


@app.command("due")
@grouped
def due_command(who: Asking, output: OutputOption = Output.TABLE) -> None:
    """List the child numbers whose record has been in the archive for six years: they are to be erased."""
    with asked(who, "unmasked", "retention") as question:
        found = DirectoryReader(question.connection).due()
        question.showing(child for child, _ in found)
    rows = [{"child number": child, "since": day.isoformat()} for child, day in found]
    show(output, rows, "due for erasure")


@app.command("erase")
def erase_command(
    who: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    by: Annotated[str, typer.Option(envvar="CONTACTPOINT_BY", help="Your account.", show_default=False)],
    approved_by: Annotated[str, typer.Option(help="The second person's account.", show_default=False)],
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(REASONS)}.")] = RETENTION_OVER,
    organisation: Organisation = OURS,
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Erase a child everywhere, for good, and prove it; status 1 when the proof still finds something.

    Whatever interrupts it, `contactpoint run` or `contactpoint retention enforce` goes on where it stopped. A shielded
    child, or one that may be, is erased with the right to see it.
    """
    around = _surroundings(organisation, dump=True)
    right = with_right is not None
    with at_desk(around.postgres) as connection:
        if right:
            demand_right(connection, by, whole=True)
        number = Asked(connection, around.kafka, right, Shown()).number(who)
    _tell([erase(around, number, Approval(by, approved_by, reason), with_right=right)], output)


@app.command("enforce")
def enforce_command(organisation: Organisation = OURS, output: OutputOption = Output.TABLE) -> None:
    """Carry out every erasure that was ordered and is not done here: after a crash or a restored backup."""
    _tell(enforce(_surroundings(organisation, dump=True)), output)


@app.command("orders")
def orders_command(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50, output: OutputOption = Output.TABLE
) -> None:
    """List the erasures, the newest first: how far each is, and where its proof has found something."""
    settings = addresses().postgres_settings()
    prepare_orders(settings)
    with connect(settings, autocommit=True) as connection:
        rows = [asdict(row) for row in orders(connection, limit)]
    show(output, rows, "erasures")


@app.command("run")
def run_command(organisation: Organisation = OURS) -> None:
    """Let days begin and purge what is due, until told to stop. A second one stands by and takes over.

    Settings: CONTACTPOINT_RETENTION_LETTER_DAYS, _QUERY_YEARS, _MOST_DAYS_AHEAD, _EVERY_SECONDS and others in
    contactpoint/erasing/keeper.py.
    """
    settings = KeeperSettings.from_env(os.environ)
    stop = told_to_stop()
    Keeper(_surroundings(organisation), settings).run(stop)


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


@grouped
def field_command(
    child: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    field: Annotated[str, typer.Argument(help="Such as names, whereabouts, responsible_authority.")],
    who: Asking,
    output: OutputOption = Output.TABLE,
) -> None:
    """Explain one field of an entry: its rule, and every statement about it, shown or not and why."""
    with asked(who, "opened", "statements", child=child, field=field) as question:
        number = question.number(child)
        found = DirectoryReader(question.connection).explain(number, field, behind_shield=who.right)
    rows = [_statement(each) for each in found.statements]
    if output is Output.JSON:
        authorities = [_authority(each) for each in found.authorities]
        show(output, {"field": found.field, "rule": found.rule, "statements": rows, "authorities": authorities})
        return
    console.print(found.rule)
    show(output, rows, field)
    if found.authorities:
        show(output, [_authority(each) for each in found.authorities], "responsible, one after another")


def _surroundings(organisation: str, *, dump: bool = False) -> Surroundings:
    config, where = stack_config(), addresses()
    sealing = SealingKey.read(audit_parts(os.environ, config.folder).keys / "seal.key")
    pg_dump = None
    if dump:
        with contextlib.suppress(ConfigurationError):  # a server elsewhere: its tables are searched all the same
            pg_dump = find_binaries(config.postgres_bin) / "pg_dump"
    return Surroundings(where.kafka_settings(), where.postgres_settings(), sealing, organisation, pg_dump)


def _tell(erased: Sequence[Erased], output: Output) -> None:
    rows = [
        {
            "event": each.event.event_id,
            "records": len(each.event.data.records),
            "done": each.finished,
            "values searched for": each.searched,
            "found in": list(each.found),
        }
        for each in erased
    ]
    show(output, rows, "erasures carried out now")
    if not all(each.finished for each in erased):
        raise typer.Exit(1)


def _statement(each: Statement) -> dict[str, Any]:
    return {
        "value": msgspec.to_builtins(each.value),
        "record": each.record,
        "kind of source": each.source_kind,
        "event": each.event,
        "shown": each.why,
    }


def _authority(each: Authority) -> dict[str, str]:
    return {"authority": each.code, "since": str(each.since or ""), "from": each.previous or ""}
