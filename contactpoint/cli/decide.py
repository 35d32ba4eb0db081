"""`contactpoint decide`: what people state about records, as events that outrank every weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import typer
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import publish_decision, read_decisions
from connectors.kafka import create_topics
from contactpoint.cli.asking import at_desk, deed_at_desk
from contactpoint.cli.environment import addresses, linkage_model, model_in_use, number_of, record_key_of
from contactpoint.cli.options import Acting, OutputOption, RightOption, grouped
from contactpoint.cli.output import Output, show
from contactpoint.explaining.records import members_of
from contactpoint.explaining.sight import RIGHT_NEEDED, Sight, sight
from contactpoint.reviewing.deciding import (
    Deciders,
    LinkKind,
    State,
    children_of,
    decide_link,
    decide_retraction,
    decide_severed,
    decide_shield,
    evidence_seen,
    later_decisions,
    not_in_force,
    not_received,
    read_state,
    records_of,
)
from contactpoint.running.drain import wait_until_decided
from projections.access.deed import Shown, demand_right, done
from projections.directory.reader import DirectoryReader
from schemas.decisions import AnyDecisionEvent, DecisionEvent, ShieldSet, kind_of
from schemas.directory_decisions import AnyDirectoryDecision
from schemas.errors import RejectedError
from schemas.reasons import REASONS

app = typer.Typer(no_args_is_help=True)
Record = Annotated[str, typer.Argument(help="A record key source:id.", show_default=False)]
Who = Annotated[list[str], typer.Argument(help="A child number, or record keys.", show_default=False)]
Expires = Annotated[
    datetime | None, typer.Option("--expires", help="The last day on which it holds.", formats=["%Y-%m-%d"])
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    from contactpoint.cli import decide_again, decide_child

    decide_again.register(app)
    decide_child.register(app)
    root.add_typer(app, name="decide")


@dataclass(frozen=True, kw_only=True)
class Said(Acting):
    """The options of every decision: who, why, for whom, and how to answer."""

    reason: Annotated[str, typer.Option("--reason", help="A code; `contactpoint decide reasons` lists them.")]
    approved_by: Annotated[
        str | None, typer.Option("--approved-by", help="The second person's user id, where two are needed.")
    ] = None
    authority: Annotated[str | None, typer.Option("--authority", help="The authority that you act for.")] = None
    wait: Annotated[bool, typer.Option("--wait", help="Return once linkage and every projection show it.")] = False
    output: OutputOption = Output.TABLE

    @property
    def right(self) -> bool:
        """Whether who decides may see shielded children whole."""
        return False


@dataclass(frozen=True, kw_only=True)
class SaidWithRight(Said):
    """The same, where somebody may have the right to see shielded children."""

    with_right: RightOption = None

    @property
    def right(self) -> bool:
        """Whether who decides may see shielded children whole."""
        return self.with_right is not None


@dataclass(frozen=True, kw_only=True)
class SaidByTwo(SaidWithRight):
    """The same, where two people are always needed."""

    approved_by: Annotated[
        str, typer.Option("--approved-by", help="The second person's user id.", show_default=False)
    ] = field()


@dataclass(frozen=True, slots=True)
class Desk:
    """What every decision needs: who decides, what they may see, the decisions so far, whose evidence it rests on."""

    connection: Connection[TupleRow]
    people: Deciders
    decisions: list[DecisionEvent]
    sight: Sight
    shown: Shown

    def record(self, text: str) -> str:
        """Return the key of a record that somebody names; one of a shielded child is not known to them."""
        key = record_key_of(text)
        if self.sight.hides([key]):
            raise not_received(key)
        return key

    def state(self, keys: Sequence[str], *, received: bool = True) -> State:
        """Return the state that a decision about these records is checked against (`deciding.read_state`)."""
        self.about(keys)
        return read_state(self.connection, self.decisions, self.sight, keys, received=received)

    def about(self, keys: Sequence[str]) -> None:
        """Note the children of these records for the entry in the trail."""
        self.shown.children.update(filter(None, children_of(self.connection, keys).values()))


Made = tuple[AnyDecisionEvent | AnyDirectoryDecision, dict[str, object]]
"""A decision, and what is said of it beside who made it."""


def decided(said: Said, make: Callable[[Desk], Iterable[Made]], *, urgent: bool = False) -> None:
    """Make decisions at a desk, enter them, publish them, wait for all stages if asked, and say what was decided.

    The entry in the trail has the decision's id as its request; what is refused is entered too. What is `urgent` does
    not wait until the trail is kept again, and is let near every child: it shows nothing of it.
    """
    where = addresses()
    create_topics(where.kafka_settings())
    people = Deciders(said.by, said.reason, datetime.now(UTC), said.approved_by, said.authority)
    right = "shielded" if said.right else None
    deed = deed_at_desk(said, said.reason, "unmasked", ["evidence"], with_right=right, approved_by=said.approved_by)
    with at_desk(where.postgres_settings()) as connection, done(connection, deed, urgent=urgent) as shown:
        demand_right(connection, said.by, whole=said.right)
        before = read_decisions(where.kafka_settings())
        whole = said.right or urgent
        seen = sight(connection, where.kafka_settings(), with_right=whole, decisions=before)
        made = list(make(Desk(connection, people, before, seen, shown)))
        shown.request = made[0][0].event_id
    for event, _ in made:
        publish_decision(where.kafka_settings(), event)
    if said.wait:
        events, default = [event for event, _ in made], lambda: linkage_model().model_id
        wait_until_decided(where.kafka_settings(), where.postgres_settings(), before, events, default)
    for event, more in made:
        told = {"decision": event.event_id, "what": kind_of(event), "by": event.by, "approved by": event.approved_by}
        show(said.output, told | {"reason": event.reason} | more | {"applied": said.wait}, "decided")


@app.command("must-link")
@grouped
def must_link_command(one: Record, other: Record, said: SaidWithRight, expires: Expires = None) -> None:
    """State that two records are one child, whatever they weigh."""
    _link("must_link", (one, other), said, expires)


@app.command("cannot-link")
@grouped
def cannot_link_command(one: Record, other: Record, said: SaidWithRight, expires: Expires = None) -> None:
    """State that two records are never one child."""
    _link("cannot_link", (one, other), said, expires)


@app.command("retract")
@grouped
def retract_command(
    decision: Annotated[str, typer.Argument(help="The id of the decision that no longer holds.", show_default=False)],
    said: SaidWithRight,
) -> None:
    """Take a decision back; says which later decisions are about the same records."""

    def _made(desk: Desk) -> Iterator[Made]:
        named = next((records_of(event) for event in desk.decisions if event.event_id == decision), ())
        if desk.sight.hides(named):
            raise not_in_force(decision)
        state = desk.state(named, received=False)
        event = decide_retraction(decision, desk.people, state)
        yield event, {"later decisions about the same records": later_decisions(decision, state)}

    decided(said, _made)


@app.command("severed")
@grouped
def severed_command(
    said: SaidByTwo,
    former: Annotated[list[str], typer.Option("--former", help="A record of the former identity; once for each.")],
    current: Annotated[list[str], typer.Option("--current", help="A record of the new identity; once for each.")],
) -> None:
    """Sever a former identity from the new one (adoption): nothing may connect the two. Needs two people.

    The new identity gets a new child number, and no number of before leads to it. Name every record of the child: one
    that neither side names goes where its evidence puts it.
    """

    def _made(desk: Desk) -> Iterator[Made]:
        old, new = list(map(desk.record, former)), list(map(desk.record, current))
        children = set(filter(None, desk.state([*old, *new]).child_of.values()))
        theirs = {record for child in children for record in members_of(desk.connection, child)}
        yield decide_severed(old, new, desk.people), {"records not named": len(theirs.difference(old, new))}

    decided(said, _made)


@app.command("shield")
@grouped
def shield_command(
    who: Who,
    said: Said,
    review_on: Annotated[
        datetime | None,
        typer.Option(
            "--review-on",
            help="When to look at it again; `decide shields` lists it then. In six months if not given.",
            formats=["%Y-%m-%d"],
        ),
    ] = None,
) -> None:
    """Shield the child that these records belong to. One person suffices: it must not wait."""

    def _made(desk: Desk) -> Iterator[Made]:
        records = records_of_all(desk, who)
        desk.state(records)
        yield decide_shield(records, desk.people, review_on.date() if review_on else None), {"records": len(records)}

    decided(said, _made, urgent=True)


@app.command("unshield")
@grouped
def unshield_command(who: Who, said: SaidByTwo) -> None:
    """Lift every shield that names a record of this child. Needs two people and the right."""

    def _made(desk: Desk) -> Iterator[Made]:
        if not desk.sight.with_right:  # of whomever it is: else a record key would tell that its child is shielded
            raise RejectedError("right_needed", RIGHT_NEEDED)
        records = set(records_of_all(desk, who))
        state = desk.state(sorted(records), received=False)
        shields = [
            name
            for name, event in state.held.items()
            if isinstance(event, ShieldSet) and not records.isdisjoint(event.data.records)
        ]
        if not shields:
            raise RejectedError("not_shielded", "no shield in force names a record of this child")
        for name in shields:
            yield decide_retraction(name, desk.people, state), {"shield": name}

    decided(said, _made)


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


def _link(kind: LinkKind, pair: tuple[str, str], said: SaidWithRight, expires: datetime | None) -> None:

    def _made(desk: Desk) -> Iterator[Made]:
        keys = desk.record(pair[0]), desk.record(pair[1])
        state = desk.state(keys)
        seen = evidence_seen(desk.connection, model_in_use(desk.connection), *sorted(keys))
        event = decide_link(kind, keys, desk.people, state, expires=expires.date() if expires else None, seen=seen)
        yield event, {"seen": None if seen is None else seen.model}

    decided(said, _made)


def records_of_all(desk: Desk, who: Sequence[str]) -> list[str]:
    """Return the records named, those of a child where a number is named."""
    records: list[str] = []
    for each in who:
        if ":" in each:
            records.append(desk.record(each))
        else:
            number = number_of(DirectoryReader(desk.connection), each)
            found = members_of(desk.connection, number)
            if not found:
                raise RejectedError("child_unknown", f"child number {number} is not in use: see contactpoint lineage")
            records += found
    return sorted(set(records))
