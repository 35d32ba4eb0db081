"""The part of `contactpoint audit` that looks at how accounts are used, and what becomes of the findings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from contactpoint.cli.audit import connected, reading
from contactpoint.cli.environment import addresses
from contactpoint.cli.options import Acting, OutputOption, grouped
from contactpoint.cli.output import Output, show
from projections.access.deed import new_request


def register(group: typer.Typer) -> None:
    """Add the commands to `contactpoint audit`."""
    group.command("misuse")(misuse_command)
    group.command("reviews")(reviews_command)
    group.command("close")(close_command)


def misuse_command(
    since: Annotated[datetime, typer.Option(help="Look at what was recorded from then on (UTC).")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the rules about users over the trail; add what they find to the review list and suspend accounts.

    Who is involved with a child, and where people live, is read from the directory; who the people behind the accounts
    are, from what `contactpoint users describe` entered.
    """
    from projections.access.known import WATCHER, known
    from projections.access.watch import keep, look
    from projections.service.install import install

    install(addresses().postgres_settings())
    with reading() as reader, connected() as connection, connected(WATCHER) as watcher:
        new = keep(connection, look(reader, since.replace(tzinfo=UTC), lambda accesses: known(watcher, accesses)))
    show(output, [asdict(line) for line in new], "new findings")


def reviews_command(output: OutputOption = Output.TABLE) -> None:
    """List the open findings about accounts, oldest first."""
    from projections.access.sql import QUERIES

    with connected() as connection:
        rows = connection.execute(QUERIES["open_reviews"]).fetchall()
    names = ("finding", "user", "rule", "leaves", "found_at", "suspended")
    show(output, [dict(zip(names, row, strict=True)) for row in rows], "open findings")


@grouped
def close_command(
    finding: Annotated[str, typer.Argument(help="The finding's reference.")],
    outcome: Annotated[str, typer.Argument(help="innocent (restores the account) or misuse (it stays suspended).")],
    who: Acting,
) -> None:
    """End the review of a finding."""
    from projections.access.watch import close

    if outcome not in {"innocent", "misuse"}:
        raise typer.BadParameter("choose innocent or misuse", param_hint="outcome")
    chosen: Literal["innocent", "misuse"] = "misuse" if outcome == "misuse" else "innocent"
    with connected() as connection:
        close(connection, finding, who.person("management_team"), chosen, new_request())
