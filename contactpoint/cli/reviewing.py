"""The part of `contactpoint conflicts` that people work with: claim a question, compare, answer unseen by others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contactpoint.cli.asking import ROLE, at_desk
from contactpoint.cli.environment import addresses, model_in_use
from contactpoint.cli.options import Acting, OutputOption, RightOption, grouped
from contactpoint.cli.output import Output, console, show
from schemas.errors import RejectedError

if TYPE_CHECKING:
    from contactpoint.explaining.sight import Sight
    from contactpoint.reviewing.side_by_side import SideBySide
    from projections.base import Rows
    from projections.review.reader import Conflict, ReviewReader
    from projections.reviewing.desk import Claim, ReviewDesk

_MOST_PAIRS = 6
Question = Annotated[str, typer.Argument(help="The conflict's id.", show_default=False)]
AnswerArgument = Annotated[str, typer.Argument(help="same, different or cannot_tell", show_default=False)]
AnswerReason = Annotated[str, typer.Option("--reason", help="A code; a wrong one is answered with those there are.")]
Minutes = Annotated[int, typer.Option("--minutes", help="How long the claim holds.", min=1, max=7 * 24 * 60)]


def register(group: typer.Typer) -> None:
    """Add the commands to `contactpoint conflicts`."""
    group.command("next")(next_command)
    group.command("claim")(claim_command)
    group.command("assign")(assign_command)
    group.command("release")(release_command)
    group.command("compare")(compare_command)
    group.command("answer")(answer_command)


@grouped
def next_command(
    who: Acting,
    authority: Annotated[str | None, typer.Option(help="Only what this authority owns.")] = None,
    minutes: Minutes = 15,
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Claim the first open question that needs your answer, and show its records side by side."""
    with seated(who, "queue", right=with_right is not None) as seat:
        for each in seat.queue.conflicts(datetime.now(UTC).date(), authority=authority):
            with suppress(RejectedError):  # another one's, answered by this person, or not theirs to see
                question = seat.question(each.conflict_id)
                seat.claim(question, who.by, who.by, minutes)
                _compare(seat, question, who, output)
                return
    raise RejectedError("nothing_to_do", "no open question needs your answer now")


@grouped
def claim_command(
    conflict: Question,
    who: Acting,
    minutes: Minutes = 15,
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Keep a question for yourself for a while; it is given back by itself. Looking at the list claims nothing."""
    with seated(who, conflict, right=with_right is not None) as seat:
        held = seat.claim(seat.question(conflict), who.by, who.by, minutes)
    show(output, {"conflict": conflict, "held by": held.holder, "until": held.until}, "claimed")


@grouped
def assign_command(
    conflict: Question,
    to: Annotated[str, typer.Option("--to", help="Whose it is to be: an account.", show_default=False)],
    who: Acting,
    minutes: Minutes = 24 * 60,
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a question to somebody. Release it to take it back."""
    with seated(who, conflict, right=with_right is not None) as seat:
        held = seat.claim(seat.question(conflict), to, who.by, minutes)
    show(output, {"conflict": conflict, "held by": held.holder, "until": held.until}, "assigned")


@grouped
def release_command(conflict: Question, who: Acting, output: OutputOption = Output.TABLE) -> None:
    """Give a question back that you claimed or assigned."""
    with seated(who, conflict) as seat:
        seat.desk.release(conflict, who.by)
    show(output, {"conflict": conflict, "held by": None}, "released")


@grouped
def compare_command(
    conflict: Question, who: Acting, with_right: RightOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show the records of a question that you claimed side by side: no weights, no answers. Enters the trail."""
    with seated(who, conflict, right=with_right is not None) as seat:
        question = seat.question(conflict)
        seat.desk.demand_claim(conflict, who.by, datetime.now(UTC))
        _compare(seat, question, who, output)


@grouped
def answer_command(
    conflict: Question,
    answer: AnswerArgument,
    who: Acting,
    reason: AnswerReason,
    version: Annotated[int, typer.Option(help="That of the evidence you saw, as `compare` said.", show_default=False)],
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Answer a question that you claimed. Two people answer without seeing each other's, a third where they differ."""
    from projections.reviewing.desk import Item

    with seated(who, conflict, right=with_right is not None) as seat:
        if seat.question(conflict).version != version:
            raise RejectedError("evidence_changed", "the evidence has changed since: compare again")
        found = seat.desk.answer(Item(conflict, version), answer, reason, who.by, datetime.now(UTC))
    show(output, {"conflict": conflict, "standing": found.standing, "answer": found.answer}, "answered")


@dataclass(frozen=True, slots=True)
class Seat:
    """What somebody works with: the connection, what they may see, the queue, and the desk."""

    connection: Rows
    sight: Sight
    queue: ReviewReader
    desk: ReviewDesk

    def question(self, conflict: str) -> Conflict:
        """Return an open question that this person may work on; for what they may not, the answer is that of none."""
        from contactpoint.reviewing.side_by_side import may_show

        found = self.queue.conflict(conflict, datetime.now(UTC).date())
        if found is None or not may_show(self.sight, found.records):
            raise RejectedError("conflict_unknown", f"there is no conflict {conflict}")
        if found.state != "open":
            raise RejectedError("conflict_closed", f"the conflict {conflict} is closed: {found.resolution}")
        return found

    def claim(self, question: Conflict, holder: str, by: str, minutes: int) -> Claim:
        """Let somebody work on a question."""
        from projections.reviewing.desk import Item

        item = Item(question.conflict_id, question.version)
        return self.desk.claim(item, holder, by, datetime.now(UTC), timedelta(minutes=minutes))


@contextmanager
def seated(who: Acting, item: str, *, right: bool = False) -> Iterator[Seat]:
    """Yield a seat to somebody who has the right to it, on a database that has the tables of the desk and of the trail.

    `item` is what they want to work on; that they may not is entered in the trail.
    """
    from contactpoint.explaining.sight import sight
    from projections.access.deed import demand_right, refusals_of
    from projections.review.reader import ReviewReader
    from projections.reviewing.desk import ReviewDesk, prepare

    where = addresses()
    with at_desk(where.postgres_settings()) as connection:
        prepare(where.postgres_settings())
        desk = ReviewDesk(connection)
        with refusals_of(connection, desk.viewing(who.person(ROLE), item)):
            demand_right(connection, who.by, whole=right)
        seen = sight(connection, where.kafka_settings(), with_right=right)
        yield Seat(connection, seen, ReviewReader(connection, shielded=right), desk)


def tell(found: SideBySide, title: str, output: Output) -> dict[str, Any]:
    """Show two records side by side as tables; return the same as plain values."""
    values = [{"what": what, "first": one, "second": other} for what, one, other in found.values]
    findings = [{"comparison": name, "finding": words} for name, words in found.findings]
    if output is Output.TABLE:
        show(output, values, title)
        show(output, findings, "compared")
    return {"values": values, "findings": findings}


def _compare(seat: Seat, question: Conflict, who: Acting, output: Output) -> None:
    from contactpoint.reviewing.side_by_side import side_by_side

    model = model_in_use(seat.connection)
    pairs = [(each["left"], each["right"]) for each in question.evidence[:_MOST_PAIRS]]
    shown = [(pair, side_by_side(seat.connection, model, pair, seat.sight)) for pair in pairs]
    there = [(pair, found) for pair, found in shown if found is not None]
    if not there:
        raise RejectedError("evidence_changed", "the records are gone, or no pair was compared: see `conflicts show`")
    children = [child for _, found in there for child in found.children]
    fields = dict.fromkeys(what for _, found in there for what, _, _ in found.values)
    seat.desk.note_view(who.person(ROLE), question.conflict_id, children, list(fields))
    told = [{"left": a, "right": b} | tell(found, f"{a} and {b}", output) for (a, b), found in there]
    if output is Output.JSON:
        show(output, {"conflict": question.conflict_id, "version": question.version, "pairs": told})
        return
    console.print(
        f"answer with: contactpoint conflicts answer {question.conflict_id} same --version {question.version}",
        "--reason CODE --by YOU --organisation X",
        soft_wrap=True,
    )
