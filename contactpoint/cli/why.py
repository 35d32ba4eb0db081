"""Commands that ask why: explain, history, lineage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from connectors.decisions import read_decisions
from contactpoint.cli.asking import Asked, Asking, asked
from contactpoint.cli.environment import model_files, model_in_use, record_key_of
from contactpoint.cli.options import TIMES, OutputOption, grouped, past
from contactpoint.cli.output import Output, console, messages, show
from projections.audit_trail.reader import AuditReader
from schemas.errors import RejectedError

Answer = dict[str, Any]
SvgOption = Annotated[
    Path | None, typer.Option("--svg", help="Also draw a picture into this file.", show_default=False)
]


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.command("explain")(explain_command)
    root.command("history")(history_command)
    root.command("lineage")(lineage_command)


@grouped
def explain_command(
    child: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    who: Asking,
    other: Annotated[
        str | None, typer.Argument(help="A second record key: explain this pair.", show_default=False)
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(help="As of then (UTC unless it says otherwise), read again from the log.", formats=TIMES),
    ] = None,
    split: Annotated[bool, typer.Option("--split", help="The least that would split this child.")] = False,
    join: Annotated[bool, typer.Option("--join", help="The least that would join these two.")] = False,
    svg: SvgOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Explain why records are one child, or for two records how the pair compares: levels, weights, model.

    Of a shielded child only what the shield leaves is told, unless --with-right is given.
    """
    if join != (other is not None) and (join or split or at):
        raise typer.BadParameter("--join takes two, --split and --at take one")
    at = None if at is None else past(at)
    with asked(who, "unmasked", "evidence", first=child, second=other) as question:
        if split or join:
            told = _explain_change(question, child, other, at)
        elif at:
            told = _explain_then(question, child, at)
        elif other is not None:
            told = _explain_pair(question, (record_key_of(child), record_key_of(other)))
        else:
            told = _explain_child(question, child)
    _draw(svg, told.draw, told.found)
    if output is Output.JSON:
        show(output, told.found)
    else:
        told.tell(told.found)


@grouped
def history_command(
    child: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    who: Asking,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the audit trail of a child: every change of membership, and which source event caused it."""
    with asked(who, "unmasked", "history", child=child) as question:
        found = AuditReader(question.connection).history(question.number(child))
        if not found.identity:
            raise RejectedError("child_unknown", f"{found.child_number} was never given to a child here")
        sight = question.sight()
        sight.demand_right({step.record_key for step in found.records})
        sight.demand_right_to(found.child_number, found.identity)
        question.showing(step.child_number for step in found.identity)
    if output is Output.JSON:
        show(output, asdict(found))
        return
    identity = [
        {
            "decided at": f"{step.decided_at:%Y-%m-%d %H:%M:%S}",
            "number": step.child_number,
            "what": step.kind,
            "members": list(step.members),
            "successors": list(step.successors),
            "because of": list(step.causes),
            "evidence": [f"{pair.left} ~ {pair.right} {pair.weight:+.1f}" for pair in step.evidence],
        }
        for step in found.identity
    ]
    records = [
        {
            "record": step.record_key,
            "what": step.kind,
            "at": f"{step.topic}/{step.part}/{step.log_offset}",
            "items": ", ".join(step.items),
        }
        for step in found.records
    ]
    show(output, identity, f"identity of {found.child_number}")
    show(output, records, "source events (items, never values)")


@grouped
def lineage_command(
    number: Annotated[str, typer.Argument(help="A child number, any ever issued.", show_default=False)],
    who: Asking,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say where a child number leads: its successors with date and cause, to the numbers in use now.

    Nothing leads from a former identity to a new one, unless --with-right is given.
    """
    from contactpoint.explaining.numbers import lineage_answer

    with asked(who, "read_lineage", child=number) as question:
        number = question.number(number)
        made = read_decisions(question.kafka)
        found = lineage_answer(question.connection, made, number, with_right=question.right)
        question.showing([*found["current"], *found.get("other lives", ())])
    if output is Output.JSON:
        show(output, found)
        return
    show(output, found["steps"], f"lineage of {number}")
    console.print(f"in use now: {', '.join(found['current']) or 'none: its last record ended'}")
    if found.get("other lives"):
        console.print(f"severed from: {', '.join(found['other lives'])}")


class _Told(NamedTuple):
    """What was found, how it is drawn, and how it is told in tables."""

    found: Answer
    draw: Callable[[Answer], str]
    tell: Callable[[Answer], None]


def _explain_pair(question: Asked, pair: tuple[str, str]) -> _Told:
    from contactpoint.explaining.drawn import draw_pair
    from contactpoint.explaining.words import explain_pair

    if pair[0] == pair[1]:
        raise RejectedError("one_record", f"{pair[0]} is given twice: a pair is of two records")
    made = read_decisions(question.kafka)
    found = explain_pair(question.connection, model_in_use(question.connection), pair, made, question.sight(made))
    question.showing(found["children"])
    return _Told(found, draw_pair, _tell_pair)


def _tell_pair(found: Answer) -> None:
    facts = {name: value for name, value in found.items() if name not in {"findings", "left", "right"}}
    show(Output.TABLE, facts, f"{found['left']} and {found['right']}")
    show(Output.TABLE, found["findings"], "how they compare")


def _explain_child(question: Asked, who: str) -> _Told:
    from contactpoint.explaining.drawn import draw_links
    from contactpoint.explaining.words import explain_child

    number = question.number(who)
    made = read_decisions(question.kafka)
    found = explain_child(question.connection, model_in_use(question.connection), number, made, question.sight(made))
    return _Told(found, draw_links, _tell_links)


def _tell_links(found: Answer) -> None:
    members, links = len(found["members"]), len(found["links"])
    console.print(f"child {found['child_number']}: {members} records, {links} links between them")
    if found["links"]:
        console.print(f"weight alone links from {found['threshold']:+.2f} bits")
    for place, link in enumerate(found["links"], 1):
        weight = "" if link["weight"] is None else f"{link['weight']:+.2f} bits, "
        pair = f"{link['left']} and {link['right']}"
        show(Output.TABLE, link["findings"], f"link {place}: {pair}: {weight}model {link['model']}")
    if found["unlinked"]:
        console.print("linked by no comparison that holds now: " + ", ".join(found["unlinked"]))
    if found["stated"]:
        show(Output.TABLE, found["stated"], "what people and sources state, whatever the weight")


def _explain_then(question: Asked, who: str, at: datetime) -> _Told:
    from contactpoint.explaining.answers import tree_answer
    from contactpoint.explaining.drawn import draw_tree
    from contactpoint.explaining.records import known_at

    decisions = read_decisions(question.kafka)
    seen = question.sight(decisions)
    known = known_at(question.connection, question.kafka, model_files(), decisions, seen, (question.number(who), at))
    return _Told(tree_answer(known, seen, at), draw_tree, _tell_tree)


def _tell_tree(found: Answer) -> None:
    then, threshold = found["at"].isoformat(), f"threshold {found['threshold']:+.2f} bits, {found['model']}"
    show(Output.TABLE, found["records"], f"child {found['child']} at {then}: the records as they were known")
    show(Output.TABLE, found["steps"], f"how they came together; {threshold}")
    if not found["agrees"]:
        console.print("these records alone group as: " + "; ".join(", ".join(group) for group in found["groups"]))


def _explain_change(question: Asked, who: str, other: str | None, at: datetime | None) -> _Told:
    from contactpoint.explaining.answers import join_answer, split_answer
    from contactpoint.explaining.drawn import draw_change
    from contactpoint.explaining.records import known_at, known_now, members_of

    connection, decisions = question.connection, read_decisions(question.kafka)
    seen = question.sight(decisions)
    children = [question.number(each) for each in (who, other) if each is not None]
    if other is not None and children[0] == children[1]:
        raise RejectedError("one_child", f"{who} and {other} are one child already: there is nothing to join")
    if at is not None:
        known = known_at(connection, question.kafka, model_files(), decisions, seen, (children[0], at))
    else:
        known = known_now(connection, model_in_use(connection), decisions, children)
    if other is None:
        found = split_answer(known, seen)
    else:
        found = join_answer(known, members_of(connection, children[0]), members_of(connection, children[1]), seen)
    return _Told(found, draw_change, lambda told: show(Output.TABLE, in_words(told)))


_BY_OTHERS = (
    "nothing between them: other records part them (twins that one of their sources tells apart), or all that they are "
    "connected with is above the model's cap: see `contactpoint conflicts list --kind oversize`"
)


def in_words(found: Answer) -> Answer:
    """Return what would split a child or join two as it is printed."""
    from contactpoint.explaining.words import NEVER_COMPARED

    pieces = [_piece_in_words(piece) for piece in found["pieces"]]
    then = ["; ".join(", ".join(group) for group in found["then"])]
    what = "would split it" if found["question"] == "split" else "would join them"
    nothing = "no such change does"
    if found["possible"]:
        nothing = _BY_OTHERS if found.get("a blocking rule brings them together", True) else NEVER_COMPARED
    kept = {name: value for name, value in found.items() if name not in {"pieces", "then", "question", "possible"}}
    return kept | {what: pieces or [nothing], "the records are then": then}


def _piece_in_words(piece: Answer) -> str:
    weight = "" if piece["weight"] is None else f" ({piece['weight']:+.2f} bits)"
    return f"{piece['what']}: {' '.join(map(str, piece['of']))}{weight}"


def _draw(path: Path | None, draw: Callable[[Answer], str], found: Answer) -> None:
    if path is not None:
        path.write_text(draw(found), encoding="utf-8")
        messages.print(f"drawn into {path}", highlight=False)
