"""`contactpoint decide`, the part that lists what is to be decided again: shields that are due, decisions of nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from connectors.decisions import read_decisions
from contactpoint.cli.asking import Asked, Asking, asked
from contactpoint.cli.options import OutputOption, grouped
from contactpoint.cli.output import Output, show
from projections.directory.reader import DirectoryReader
from projections.directory.rulings import Ruling
from schemas.decisions import ShieldSet
from schemas.errors import RejectedError
from schemas.in_force import in_force

_LOOK_AGAIN = timedelta(days=183)
"""After how long a shield is looked at again that names no day (facts/contactpoint-rules.md §2.5: at six months)."""


def register(group: typer.Typer) -> None:
    """Add the commands to `contactpoint decide`."""
    group.command("shields")(shields_command)
    group.command("unclaimed")(unclaimed_command)


@grouped
def shields_command(
    who: Asking,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the shields that are due to be looked at again, the longest due first. Needs --with-right shielded."""
    today = datetime.now(UTC).date()
    with asked(who, "unmasked", "shields") as question:
        if not who.right:
            raise RejectedError("right_needed", "this needs the right to see shielded children: --with-right shielded")
        reader = DirectoryReader(question.connection)
        held = [each for each in in_force(read_decisions(question.kafka)).values() if isinstance(each, ShieldSet)]
        due = [(each.data.review_on or (each.decided_at + _LOOK_AGAIN).date(), each) for each in held]
        rows: list[dict[str, Any]] = []
        for day, shield in sorted(due, key=lambda each: (each[0], each[1].event_id)):
            if day > today:
                break
            children = sorted({number for key in shield.data.records for number in reader.child_of(key)})
            question.showing(children, len(rows) + 1)
            said = {"set on": shield.decided_at.date(), "authority": shield.authority, "reason": shield.reason}
            rows.append({"look again": day} | said | {"children": children})
    show(output, rows, "shields to be looked at again")


@grouped
def unclaimed_command(
    who: Asking,
    output: OutputOption = Output.TABLE,
) -> None:
    """List corrections, consents and harm that no child has since a split: none has most of the records that they name.

    Decide again for the child that each is about, and take the old one back with `decide retract DECISION`.
    """
    with asked(who, "unmasked", "decisions") as question:
        found = unclaimed(question)
        question.showing({child for _, children in found for child in children}, len(found))
    rows = [
        {"decision": ruling.event_id, "what": ruling.kind, "made": ruling.decided_at.date(), "children": children}
        for ruling, children in found
    ]
    show(output, rows, "decisions that no child has")


def unclaimed(question: Asked) -> list[tuple[Ruling, list[str]]]:
    """Return the decisions that no child has and that this asker may be told of, with the children of their records."""
    found = DirectoryReader(question.connection).unclaimed()
    seen = question.sight() if found else None
    return [each for each in found if seen is not None and seen.may_name(each[0].records)]
