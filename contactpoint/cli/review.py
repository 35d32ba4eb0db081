"""`contactpoint conflicts`: the review queue."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from contactpoint.cli.asking import Asking, asked
from contactpoint.cli.decide_again import unclaimed
from contactpoint.cli.environment import model_files
from contactpoint.cli.options import OutputOption, grouped
from contactpoint.cli.output import Output, console, show
from projections.base import Rows
from projections.review.reader import Conflict, ReviewReader
from projections.reviewing.desk import Item, ReviewDesk
from projections.reviewing.rules import decision_of, verdict
from schemas.conflicts import ConflictKind
from schemas.errors import ConfigurationError, RejectedError

if TYPE_CHECKING:
    from contactpoint.explaining.sight import Sight

app = typer.Typer(no_args_is_help=True)
_BY, _BY_TWO = (
    "--by YOU --organisation X --reason CODE",
    "--by YOU --approved-by ANOTHER --organisation X --reason CODE",
)
_WITH_RIGHT = " --with-right shielded"
_ABOUT_CHILDREN = ("records", "children", "evidence", "decisions", "answers")
OnOption = Annotated[
    datetime | None, typer.Option("--on", help="Ages as of this day; today by default.", formats=["%Y-%m-%d"])
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    from contactpoint.cli import reviewing

    reviewing.register(app)
    root.add_typer(app, name="conflicts")


@app.command("list")
@grouped
def list_command(
    who: Asking,
    authority: Annotated[
        str | None, typer.Option(help="Only those that this authority owns: most records name it. No handover counts.")
    ] = None,
    kind: Annotated[ConflictKind | None, typer.Option(help="Only this kind.")] = None,
    state: Annotated[Literal["open", "closed", "any"], typer.Option(help="open, closed or any.")] = "open",
    on: OnOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List open questions, the oldest first, and how many there are by kind and owner; whom they are about is not told.

    `show` tells the records of one, `next` lets you work on one.
    """
    day = _day(on)
    with asked(who, "unmasked", "questions", authority=authority, kind=kind, state=state) as question:
        reader = ReviewReader(question.connection, shielded=who.right)
        counts = [asdict(each) for each in reader.counts(day)]
        listed = reader.conflicts(day, authority=authority, kind=kind, state=None if state == "any" else state)
        seen = question.sight()
        found = [each for each in listed if not _is_hidden(seen, each)]
        work = _work(question.connection, found)
        question.showing((), len(found))
        nobodys = 0
        with suppress(ConfigurationError):  # a desk may read the questions alone
            nobodys = len(unclaimed(question))
    if nobodys:
        typer.echo(f"{nobodys} decisions are no child's since a split: contactpoint decide unclaimed", err=True)
    if output is Output.JSON:
        rows = [asdict(each) | work.get(each.conflict_id, {}) for each in found]
        told = [{name: value for name, value in row.items() if name not in _ABOUT_CHILDREN} for row in rows]
        show(output, {"counts": counts, "conflicts": told})
        return
    show(output, [_line(each) | work.get(each.conflict_id, {}) for each in found], "conflicts")
    show(output, counts, "open")


@app.command("show")
@grouped
def show_command(
    conflict: Annotated[str, typer.Argument(help="The conflict's id.", show_default=False)],
    who: Asking,
    on: OnOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one question: its records, the evidence in words, who owns it, how it was answered."""
    with asked(who, "unmasked", "evidence", conflict=conflict) as question:
        found = ReviewReader(question.connection, shielded=who.right).conflict(conflict, _day(on))
        if found is None or _is_hidden(question.sight(), found):
            raise RejectedError("conflict_unknown", f"there is no conflict {conflict}")
        work = _work(question.connection, [found]).get(conflict, {}) | _answers(question.connection, found)
        question.showing(found.children)
    evidence = [_in_words(pair, found.model) for pair in found.evidence]
    if output is Output.JSON:
        show(output, asdict(found) | work | {"evidence": evidence})
        return
    show(output, _facts(found) | work, f"conflict {found.conflict_id}")
    for pair in evidence:
        show(output, pair["findings"], f"{pair['left']} and {pair['right']}: {pair['weight']:+.2f} bits")
    if found.state == "open" and "decide with" not in work:
        for line in ways_to_answer(found):
            console.print(line, soft_wrap=True, highlight=False)


def _is_hidden(seen: Sight, conflict: Conflict) -> bool:
    """Tell whether a question is about a child that was shielded, or an identity severed, after it had closed."""
    named = {pair[side] for pair in conflict.evidence for side in ("left", "right")}
    return not seen.may_name(named.union(conflict.records))


def ways_to_answer(conflict: Conflict) -> list[str]:
    """Return the commands that answer a question, with a second person where the answer merges or splits children.

    Near a shield two people decide whatever it is, and by the right that showed them the question.
    """
    right = _WITH_RIGHT if conflict.shielded else ""
    by_two = _BY_TWO + right
    by_one = by_two if conflict.shielded else _BY
    if conflict.kind == "decisions_clash":
        return ["these decisions contradict each other: none of the must-links counts until one side is taken back"] + [
            f"  contactpoint decide retract {decision} {by_two}" for decision in conflict.decisions
        ]
    if conflict.kind == "decision_contradicted":  # a decision the other way would only clash with it
        return [
            "what people decided holds, against the evidence of now; was it wrong? take it back:",
            *(f"  contactpoint decide retract {decision} {by_two}" for decision in conflict.decisions),
            "is it right? make it again, on what is seen now, and take the older one back",
        ]
    if conflict.kind == "oversize":
        return [
            f"these {len(conflict.children)} children are one component above the model's cap, so it was cut to pieces",
            "a value that stands for nobody? put it right at its source, or activate a model that stops it",
            "one child? activate a model with a higher component_cap, or link the records that you are sure of:",
            f"  contactpoint decide must-link RECORD RECORD {by_two}",
        ]
    between = shlex.join(conflict.records[:2])
    must, cannot = (by_two, by_one) if len(conflict.children) > 1 else (by_one, by_two)
    return [
        f"which rule, decision or weight decides now: contactpoint explain {between}{right}",
        f"answer with: contactpoint decide must-link {between} {must}",
        f"         or: contactpoint decide cannot-link {between} {cannot}",
    ]


def _work(connection: Rows, conflicts: Sequence[Conflict]) -> dict[str, dict[str, Any]]:
    """Return who works on each conflict and where its blind review stands, without who answered what."""
    desk = ReviewDesk(connection)
    if not desk.is_open():
        return {}
    claims = desk.claims([each.conflict_id for each in conflicts], datetime.now(UTC))
    standings = desk.standings({each.conflict_id: each.version for each in conflicts})
    work: dict[str, dict[str, Any]] = {}
    for name, claim in claims.items():
        work.setdefault(name, {})["held by"] = claim.holder
    for name, found in standings.items():
        work.setdefault(name, {})["review"] = f"{found.standing}: {found.answer}" if found.answer else found.standing
    return work


def _answers(connection: Rows, conflict: Conflict) -> dict[str, Any]:
    """Return who answered what, once nobody has to answer any more: until then an answer could sway the next."""
    desk = ReviewDesk(connection)
    given = desk.opinions(Item(conflict.conflict_id, conflict.version)) if desk.is_open() else []
    if verdict([each.answer for each in given]).is_open:
        return {}
    told: dict[str, Any] = {"people say": [f"{each.by}: {each.answer} ({each.reason})" for each in given]}
    found = decision_of(given)
    if found is not None and conflict.evidence:
        kind, first, second = found
        pair = shlex.join([conflict.evidence[0]["left"], conflict.evidence[0]["right"]])
        told["decide with"] = f"contactpoint decide {kind} {pair} --by {first.by} --approved-by {second.by}"
        told["decide with"] += f" --reason {first.reason}" + (_WITH_RIGHT if conflict.shielded else "")
    return told


def _line(conflict: Conflict) -> dict[str, Any]:
    return {
        "conflict": conflict.conflict_id,
        "kind": conflict.kind,
        "state": conflict.state,
        "owner": conflict.authority,
        "days": conflict.age_days,
    }


def _facts(conflict: Conflict) -> dict[str, Any]:
    wanted = ("kind", "state", "authority", "age_days", "opened_at", "closed_at", "records", "children", "decisions")
    facts = {name: getattr(conflict, name) for name in (*wanted, "resolution", "answers", "model")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}


def _in_words(pair: dict[str, Any], model_id: str) -> dict[str, Any]:
    from contactpoint.explaining.words import findings
    from matching.linkage.explain import explain_levels
    from matching.linkage.model import CENTIBITS

    told = {"left": pair["left"], "right": pair["right"], "weight": pair["weight"] / CENTIBITS}
    try:
        explained = findings(explain_levels(model_files().of(model_id), pair["levels"]))
    except ConfigurationError:  # the file of an old model is not at hand
        explained = [
            {"comparison": place, "finding": f"level {level}"} for place, level in enumerate(pair["levels"], 1)
        ]
    return told | {"findings": explained}


def _day(on: datetime | None) -> date:
    return on.date() if on else datetime.now(UTC).date()
