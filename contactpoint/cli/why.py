"""Commands that ask why: explain, history, lineage."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import read_decisions
from connectors.postgres import connect
from contactpoint.cli.environment import addresses, model_files, model_in_use, number_of, record_key_of
from contactpoint.cli.options import OutputOption, RightOption
from contactpoint.cli.output import Output, console, messages, show
from projections.audit_trail.reader import AuditReader
from projections.directory.reader import DirectoryReader

Answer = dict[str, Any]
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]
SvgOption = Annotated[
    Path | None, typer.Option("--svg", help="Also draw a picture into this file.", show_default=False)
]


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.command("explain")(explain_command)
    root.command("history")(history_command)
    root.command("lineage")(lineage_command)


def explain_command(
    who: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
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
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Explain why records are one child, or for two records how the pair compares: levels, weights, model.

    Of a shielded child only what the shield leaves is told, unless --with-right is given.
    """
    if join != (other is not None) and (join or split or at):
        raise typer.BadParameter("--join takes two, --split and --at take one")
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        if split or join:
            _explain_change(connection, who, other, at, svg, output, right=with_right is not None)
        elif at:
            _explain_then(connection, who, at, svg, output, right=with_right is not None)
        elif other is not None:
            _explain_pair(
                connection, (record_key_of(who), record_key_of(other)), svg, output, right=with_right is not None
            )
        else:
            _explain_child(connection, who, svg, output, right=with_right is not None)


def history_command(
    who: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    with_right: RightOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the audit trail of a child: every change of membership, and which source event caused it."""
    from contactpoint.explaining.sight import sight

    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        found = AuditReader(connection).history(number_of(DirectoryReader(connection), who))
        seen = sight(connection, addresses().kafka_settings(), with_right=with_right is not None)
        seen.keep_apart({step.record_key for step in found.records})
    if output is Output.JSON:
        show(output, asdict(found))
        return
    identity = [
        {
            "decided at": step.decided_at.isoformat(timespec="seconds"),
            "what": step.kind,
            "members": list(step.members),
            "successors": list(step.successors),
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


def lineage_command(
    number: Annotated[str, typer.Argument(help="A child number, any ever issued.", show_default=False)],
    output: OutputOption = Output.TABLE,
) -> None:
    """Say where a child number leads: its successors with date and cause, to the numbers in use now.

    Nothing leads from a former identity to a new one.
    """
    from contactpoint.explaining.numbers import lineage_answer

    where = addresses()
    with connect(where.postgres_settings(), autocommit=True) as connection:
        asked = number_of(DirectoryReader(connection), number)
        found = lineage_answer(connection, read_decisions(where.kafka_settings()), asked)
    if output is Output.JSON:
        show(output, found)
        return
    show(output, found["steps"], f"lineage of {asked}")
    console.print(f"in use now: {', '.join(found['current']) or 'none: its last record ended'}")


def _explain_pair(
    connection: Connection[TupleRow], pair: tuple[str, str], svg: Path | None, output: Output, *, right: bool
) -> None:
    from contactpoint.explaining.drawn import draw_pair
    from contactpoint.explaining.sight import sight
    from contactpoint.explaining.words import explain_pair

    kafka = addresses().kafka_settings()
    found = explain_pair(connection, model_in_use(connection), *pair, sight(connection, kafka, with_right=right))
    show(output, found, f"{found['left']} and {found['right']}")
    _draw(svg, draw_pair, found)


def _explain_child(
    connection: Connection[TupleRow], who: str, svg: Path | None, output: Output, *, right: bool
) -> None:
    from contactpoint.explaining.drawn import draw_links
    from contactpoint.explaining.sight import sight
    from contactpoint.explaining.words import explain_child

    number = number_of(DirectoryReader(connection), who)
    seen = sight(connection, addresses().kafka_settings(), with_right=right)
    found = explain_child(connection, model_in_use(connection), number, seen)
    _draw(svg, draw_links, found)
    if output is Output.JSON:
        show(output, found)
        return
    console.print(f"child {number}: {len(found['members'])} records, {len(found['links'])} links hold them together")
    for link in found["links"]:
        weight = "" if link["weight"] is None else f"{link['weight']:+.2f} bits, "
        show(output, link["findings"], f"{link['left']} and {link['right']}: {weight}{link['model']}")
    if found["unlinked"]:
        console.print("joined without a comparison (the source's own merge): " + ", ".join(found["unlinked"]))


def _explain_then(
    connection: Connection[TupleRow], who: str, at: datetime, svg: Path | None, output: Output, *, right: bool
) -> None:
    from contactpoint.explaining.answers import tree_answer
    from contactpoint.explaining.drawn import draw_tree
    from contactpoint.explaining.records import known_at
    from contactpoint.explaining.sight import sight

    kafka, then = addresses().kafka_settings(), _utc(at)
    decisions = read_decisions(kafka)
    number = number_of(DirectoryReader(connection), who)
    known = known_at(connection, kafka, model_files(), decisions, (number, then))
    found = tree_answer(known, sight(connection, kafka, with_right=right, decisions=decisions), then)
    _draw(svg, draw_tree, found)
    if output is Output.JSON:
        show(output, found)
        return
    show(output, found["records"], f"child {number} at {then.isoformat()}: the records as they were known")
    show(output, found["steps"], f"how they came together; threshold {found['threshold']:+.2f} bits, {found['model']}")
    if not found["agrees"]:
        console.print("these records alone group as: " + "; ".join(", ".join(group) for group in found["groups"]))


def _explain_change(
    connection: Connection[TupleRow],
    who: str,
    other: str | None,
    at: datetime | None,
    svg: Path | None,
    output: Output,
    *,
    right: bool,
) -> None:
    from contactpoint.explaining.answers import join_answer, split_answer
    from contactpoint.explaining.drawn import draw_change
    from contactpoint.explaining.records import known_at, known_now, members_of
    from contactpoint.explaining.sight import sight

    kafka = addresses().kafka_settings()
    decisions = read_decisions(kafka)
    seen = sight(connection, kafka, with_right=right, decisions=decisions)
    reader = DirectoryReader(connection)
    children = [number_of(reader, each) for each in (who, other) if each is not None]
    if at is not None:
        known = known_at(connection, kafka, model_files(), decisions, (children[0], _utc(at)))
    else:
        known = known_now(connection, model_in_use(connection), decisions, list(dict.fromkeys(children)))
    if other is None:
        found = split_answer(known, seen)
    else:
        found = join_answer(known, members_of(connection, children[0]), members_of(connection, children[1]), seen)
    _draw(svg, draw_change, found)
    show(output, found if output is Output.JSON else _in_words(found), "")


def _in_words(found: Answer) -> Answer:
    pieces = [_piece_in_words(piece) for piece in found["pieces"]]
    then = ["; ".join(", ".join(group) for group in found["then"])]
    what = "would split it" if found["question"] == "split" else "would join them"
    nothing = "nothing has to change" if found["possible"] else "no such change does"
    kept = {name: value for name, value in found.items() if name not in {"pieces", "then", "question", "possible"}}
    return kept | {what: pieces or [nothing], "the records are then": then}


def _piece_in_words(piece: Answer) -> str:
    weight = "" if piece["weight"] is None else f" ({piece['weight']:+.2f} bits)"
    return f"{piece['what']}: {' '.join(map(str, piece['of']))}{weight}"


def _draw(path: Path | None, draw: Any, found: Answer) -> None:
    if path is not None:
        path.write_text(draw(found), encoding="utf-8")
        messages.print(f"drawn into {path}", highlight=False)


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
