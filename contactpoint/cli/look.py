"""Commands that look: at a child, at lag, refused inputs and digests."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from connectors.postgres import connect
from contactpoint.cli.asking import Asking, asked
from contactpoint.cli.environment import addresses
from contactpoint.cli.options import TIMES, OutputOption, grouped, past
from contactpoint.cli.output import Output, console, show
from contactpoint.erasing.keeper import KeeperSettings
from contactpoint.erasing.letters import DESTROYED, read_dead_letters
from contactpoint.explaining.entry import entry_lines
from contactpoint.running.drain import due_again, outbox_rows, stage_lags
from projections.digest import digest
from projections.directory.reader import DirectoryReader, not_shown
from projections.figures import figures
from projections.registry import PROJECTIONS
from schemas.errors import RejectedError


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.command("child")(child_command)
    root.command("find")(find_command)
    root.command("lag")(lag_command)
    root.command("rejects")(rejects_command)
    root.command("unmask")(unmask_command)
    root.command("digest")(digest_command)
    root.command("figures")(figures_command)


@grouped
def child_command(
    child: Annotated[str, typer.Argument(help="A child number (any ever issued), or a record key source:id.")],
    who: Asking,
    archived: Annotated[
        bool, typer.Option("--archived", help="Read it in the archive, a year long: needs --with-right shielded.")
    ] = False,
    at: Annotated[
        datetime | None,
        typer.Option(
            help="As it was shown then (UTC unless it says otherwise), made again from the log.", formats=TIMES
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Look a child up: the entry, each field with its source; a retired number leads to its successors."""
    if archived and at:
        raise typer.BadParameter("--archived and --at exclude each other")
    if archived:
        _show_archived(child, who, output)
        return
    if at:
        _show_then(child, past(at), who, output)
        return
    with asked(who, "opened", "entry", child=child) as question:
        answer = DirectoryReader(question.connection).entry(question.number(child))
        if not answer.entries and not answer.lineage:
            raise not_shown(child)
        question.showing(entry["child_number"] for entry in answer.entries)
    steps = [asdict(step) for step in answer.lineage]
    if output is Output.JSON:
        show(output, {"asked": answer.asked, "entries": list(answer.entries), "lineage": steps})
        return
    for entry in answer.entries:
        show(output, entry_lines(entry), f"child {entry['child_number']}")
    show(output, steps, "lineage")


def _show_then(child: str, at: datetime, who: Asking, output: Output) -> None:
    """Show the entry as the directory had it at a past time."""
    from contactpoint.explaining.past import entry_at

    with asked(who, "opened", "entry", child=child, at=at) as question:
        found = entry_at(question.connection, question.kafka, question.sight(), question.number(child), at)
    if output is Output.JSON:
        show(output, {"asked": child, "at": at, "entries": [found]})
        return
    show(output, entry_lines(found), f"child {found['child_number']} at {at.isoformat()}")


def _show_archived(child: str, who: Asking, output: Output) -> None:
    """Show entries of the archive, which only data managers may read, for a year; a former number leads to them."""
    with asked(who, "opened", "archive", child=child) as question:
        if not who.right:
            raise RejectedError("right_needed", "the archive needs the right to see children whole")
        answer = DirectoryReader(question.connection).archived(question.number(child))
        if not answer.entries:
            raise RejectedError("not_archived", f"{child} is not in the archive, or was there for longer than its year")
        question.showing(found["child_number"] for found in answer.entries)
    steps = [asdict(step) for step in answer.lineage]
    if output is Output.JSON:
        show(output, {"asked": answer.asked, "entries": list(answer.entries), "lineage": steps})
        return
    for found in answer.entries:
        show(output, {name: found[name] for name in ("cause", "archived_on", "until")}, "archived")
        show(output, entry_lines({"sources": [], **found["entry"]}), f"child {found['child_number']}")
    show(output, steps, "lineage")


@grouped
def find_command(
    who: Asking,
    family: Annotated[str, typer.Option(help="Family name.", show_default=False)],
    birth_date: Annotated[datetime, typer.Option(help="Date of birth.", formats=["%Y-%m-%d"], show_default=False)],
    given: Annotated[str | None, typer.Option(help="Given name.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find children by family name and date of birth, for staff who look after the data.

    Practitioners have a service of their own, with purposes and limits (`contactpoint directory serve`).
    """
    day = birth_date.date()
    with asked(who, "searched", "entry", family=family, given=given, birth_date=day) as question:
        found = DirectoryReader(question.connection).find(family, day, given)
        question.showing((entry["child_number"] for entry in found), len(found))
    if output is Output.JSON:
        show(output, found)
        return
    for entry in found:
        show(output, entry_lines(entry), f"child {entry['child_number']}")
    console.print(f"{len(found)} found")


def lag_command(output: OutputOption = Output.TABLE) -> None:
    """Show how far each stage is behind its topics."""
    where = addresses()
    with connect(where.postgres_settings(), autocommit=True) as connection:
        rows = stage_lags(where.kafka_settings(), connection)
        waiting, due = outbox_rows(connection), due_again(connection)
    if output is Output.JSON:
        partitions = [row._asdict() | {"lag": row.lag, "lost": row.lost} for row in rows]
        show(output, {"partitions": partitions, "outbox_batches": waiting, "due": due})
        return
    totals: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        total = totals.setdefault((row.stage, row.topic), [0, 0])
        total[0] += row.position
        total[1] += row.lag
    show(
        output,
        [{"stage": stage, "topic": topic, "read": read, "lag": lag} for (stage, topic), (read, lag) in totals.items()],
        "lag (messages)",
    )
    console.print(f"batches waiting in matching's outbox: {waiting}")
    for sentence in due:
        console.print(sentence)
    lost = sorted({row.topic for row in rows if row.lost})
    if lost:
        console.print(
            f"the log lacks what was read from {', '.join(lost)}: was it restored from an older copy? "
            "Stop the stages and see docs/decisions/0049",
            soft_wrap=True,
        )


def rejects_command(
    by: Annotated[str, typer.Option(help="Group by: code, origin, stage, or none for each letter.")] = "code",
    output: OutputOption = Output.TABLE,
) -> None:
    """List refused inputs: where, why, how many, and until when their bytes can be read. The bytes are not shown."""
    kept = read_dead_letters(addresses().kafka_settings(), KeeperSettings.from_env(os.environ).letter_days)
    letters = [each.letter for each in kept]
    if by == "none":
        rows = [
            {"id": one.letter_id, "stage": one.stage, "origin": one.origin, "place": one.place, "code": one.code}
            | {"reason": one.reason, "bytes": len(one.value), "content": content}
            for one, content in kept
        ]
    elif by in {"code", "origin", "stage"}:
        counts = Counter((one.stage, getattr(one, by)) for one in letters)
        rows = [
            {"stage": stage, by: value, "count": count} if by != "stage" else {"stage": stage, "count": count}
            for (stage, value), count in sorted(counts.items())
        ]
    else:
        raise typer.BadParameter("choose code, origin, stage or none", param_hint="--by")
    show(output, rows, "refused inputs")


@grouped
def unmask_command(
    letter: Annotated[str, typer.Argument(help="The id of a refused input: `contactpoint rejects --by none`.")],
    who: Asking,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what one refused input holds. It may be about any child, so this needs --with-right shielded."""
    with asked(who, "unmasked", "refused_input", letter=letter) as question:
        if not who.right:
            raise RejectedError("right_needed", "it may be about a shielded child: this needs --with-right shielded")
        letters = read_dead_letters(question.kafka, KeeperSettings.from_env(os.environ).letter_days)
        found = next((each for each in letters if each.letter.letter_id == letter), None)
        if found is None or found.content == DESTROYED:
            raise RejectedError("letter_unknown", "there is no such refused input, or its bytes are destroyed")
    one = found.letter
    told = {"origin": one.origin, "place": one.place, "code": one.code, "reason": one.reason}
    show(output, told | {"holds": one.value.decode("utf-8", "backslashreplace")}, f"refused input {letter}")


def digest_command(output: OutputOption = Output.TABLE) -> None:
    """Show the digest of each table of the projections at their present positions.

    Tables marked "settled" depend only on what the events end in: two runs over the same feeds agree on them.
    """
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        found = [digest(connection, each) for each in PROJECTIONS.values()]
    rows: list[dict[str, Any]] = [
        {"projection": one.projection, "table": table.table, "rows": table.rows, "settled": table.settled}
        | {"sha256": table.sha256}
        for one in found
        for table in one.tables
    ]
    show(output, rows, "digests")


def figures_command(output: OutputOption = Output.TABLE) -> None:
    """Count records, children, shields, questions, accounts and findings, each at a stated position."""
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        show(output, [each._asdict() for each in figures(connection)], "figures")
