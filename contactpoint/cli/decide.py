"""`contactpoint decide`: what people state about records, as events that outrank every weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import publish_decision, read_decisions
from connectors.kafka import create_topics
from connectors.postgres import connect
from contactpoint.cli.environment import addresses, model_in_use, number_of, record_key_of
from contactpoint.cli.output import Output, show
from contactpoint.cli.stack_commands import OutputOption
from contactpoint.cli.why import RightOption
from contactpoint.explaining.records import members_of
from contactpoint.explaining.sight import sight
from contactpoint.reviewing.deciding import (
    Deciders,
    LinkKind,
    State,
    decide_link,
    decide_retraction,
    decide_severed,
    decide_shield,
    evidence_seen,
    later_decisions,
    read_state,
)
from contactpoint.running.drain import wait_until_applied
from projections.directory.reader import DirectoryReader
from schemas.decisions import AnyDecisionEvent, DecisionEvent, ShieldSet, kind_of
from schemas.directory_decisions import AnyDirectoryDecision
from schemas.errors import RejectedError
from schemas.reasons import REASONS

app = typer.Typer(
    help="What people decide about records: it outranks every weight, and can be taken back.", no_args_is_help=True
)
By = Annotated[str, typer.Option("--by", help="Your user id.", show_default=False)]
ApprovedBy = Annotated[
    str | None, typer.Option("--approved-by", help="The second person's user id, where two are needed.")
]
Authority = Annotated[str | None, typer.Option("--authority", help="The authority that you act for.")]
Reason = Annotated[str, typer.Option("--reason", help="A code; `contactpoint decide reasons` lists them.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return once linkage and every projection show it.")]
Record = Annotated[str, typer.Argument(help="A record key source:id.", show_default=False)]
Expires = Annotated[
    datetime | None, typer.Option("--expires", help="The last day on which it holds.", formats=["%Y-%m-%d"])
]


@dataclass(slots=True)
class Desk:
    """What every decision needs: the connection, who decides, and the decisions so far."""

    connection: Connection[TupleRow]
    people: Deciders
    decisions: list[DecisionEvent]
    right: bool

    def state(self, keys: Sequence[str], *, received: bool = True) -> State:
        """Return the state that a decision about these records is checked against (`deciding.read_state`)."""
        seen = sight(self.connection, addresses().kafka_settings(), with_right=self.right, decisions=self.decisions)
        return read_state(self.connection, self.decisions, seen, keys, received=received)


@app.command("must-link")
def must_link_command(
    one: Record,
    other: Record,
    *,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    expires: Expires = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """State that two records are one child, whatever they weigh."""
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    _link("must_link", (one, other), people, expires, with_right, wait, output)


@app.command("cannot-link")
def cannot_link_command(
    one: Record,
    other: Record,
    *,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    expires: Expires = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """State that two records are never one child."""
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    _link("cannot_link", (one, other), people, expires, with_right, wait, output)


@app.command("retract")
def retract_command(
    decision: Annotated[str, typer.Argument(help="The id of the decision that no longer holds.", show_default=False)],
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take a decision back; says which later decisions are about the same records."""
    with deciding(Deciders(by, reason, datetime.now(UTC), approved_by, authority), with_right) as desk:
        state = desk.state(_named(desk, decision), received=False)
        event = decide_retraction(decision, desk.people, state)
        later = later_decisions(decision, state)
    publish(event, wait, output, {"later decisions about the same records": later})


@app.command("severed")
def severed_command(
    *,
    former: Annotated[list[str], typer.Option("--former", help="A record of the former identity; once for each.")],
    current: Annotated[list[str], typer.Option("--current", help="A record of the new identity; once for each.")],
    by: By,
    approved_by: ApprovedBy,
    reason: Reason,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Sever a former identity from the new one (adoption): nothing may connect the two. Needs two people."""
    former, current = list(map(record_key_of, former)), list(map(record_key_of, current))
    with deciding(Deciders(by, reason, datetime.now(UTC), approved_by, authority), with_right) as desk:
        desk.state([*former, *current])
        event = decide_severed(former, current, desk.people)
    publish(event, wait, output, {})


@app.command("shield")
def shield_command(
    who: Annotated[list[str], typer.Argument(help="A child number, or record keys.", show_default=False)],
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    review_on: Annotated[
        datetime | None, typer.Option("--review-on", help="When to look at it again.", formats=["%Y-%m-%d"])
    ] = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Shield the child that these records belong to. One person suffices: it must not wait."""
    with deciding(Deciders(by, reason, datetime.now(UTC), approved_by, authority), "shielded") as desk:
        records = records_of_all(desk, who)
        desk.state(records)
        event = decide_shield(records, desk.people, review_on.date() if review_on else None)
    publish(event, wait, output, {"records": len(records)})


@app.command("unshield")
def unshield_command(
    who: Annotated[list[str], typer.Argument(help="A child number, or record keys.", show_default=False)],
    by: By,
    approved_by: ApprovedBy,
    reason: Reason,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Lift every shield that names a record of this child. Needs two people and the right."""
    with deciding(Deciders(by, reason, datetime.now(UTC), approved_by, authority), with_right) as desk:
        records = set(records_of_all(desk, who))
        state = desk.state(sorted(records), received=False)
        shields = [
            name
            for name, event in state.held.items()
            if isinstance(event, ShieldSet) and not records.isdisjoint(event.data.records)
        ]
        if not shields:
            raise RejectedError("not_shielded", "no shield in force names a record of this child")
        events = [decide_retraction(name, desk.people, state) for name in shields]
    for event in events:
        publish(event, wait and event is events[-1], output, {"shield": event.data.decision})


@app.command("reasons")
def reasons_command(output: OutputOption = Output.TABLE) -> None:
    """List the codes that a decision may give as its reason."""
    show(
        output,
        [
            {"decision": kind, "reason": code, "means": words}
            for kind, codes in REASONS.items()
            for code, words in codes.items()
        ],
        "reasons",
    )


def _link(
    kind: LinkKind,
    pair: tuple[str, str],
    people: Deciders,
    expires: datetime | None,
    with_right: Literal["shielded"] | None,
    wait: bool,
    output: Output,
) -> None:
    pair = (record_key_of(pair[0]), record_key_of(pair[1]))
    with deciding(people, with_right) as desk:
        state = desk.state(pair)
        seen = evidence_seen(desk.connection, model_in_use(desk.connection), *sorted(pair))
        event = decide_link(kind, pair, people, state, expires=expires.date() if expires else None, seen=seen)
    weight = None if seen is None else seen.weight / 100
    publish(event, wait, output, {"seen": None if seen is None else seen.model, "weight seen (bits)": weight})


@contextmanager
def deciding(people: Deciders, with_right: Literal["shielded"] | None) -> Iterator[Desk]:
    """Yield what a decision needs, on a connection of its own."""
    where = addresses()
    create_topics(where.kafka_settings())
    with connect(where.postgres_settings(), autocommit=True) as connection:
        yield Desk(connection, people, read_decisions(where.kafka_settings()), with_right is not None)


def _named(desk: Desk, decision: str) -> tuple[str, ...]:
    from contactpoint.reviewing.deciding import records_of

    return next((records_of(event) for event in desk.decisions if event.event_id == decision), ())


def records_of_all(desk: Desk, who: Sequence[str]) -> list[str]:
    """Return the records named, those of a child where a number is named."""
    records: list[str] = []
    for each in who:
        if ":" in each:
            records.append(record_key_of(each))
        else:
            number = number_of(DirectoryReader(desk.connection), each)
            found = members_of(desk.connection, number)
            if not found:
                raise RejectedError("child_unknown", f"child number {number} is not in use: see contactpoint lineage")
            records += found
    return sorted(set(records))


def publish(
    event: AnyDecisionEvent | AnyDirectoryDecision, wait: bool, output: Output, more: dict[str, object]
) -> None:
    """Publish, wait for the brokers and, if asked, for all stages; say what was decided."""
    where = addresses()
    publish_decision(where.kafka_settings(), event)
    if wait:
        wait_until_applied(where.kafka_settings(), where.postgres_settings())
    told = {"decision": event.event_id, "what": kind_of(event), "by": event.by, "approved by": event.approved_by}
    show(output, told | {"reason": event.reason} | more | {"applied": wait}, "decided")
