"""`make demo`: the whole line on a made-up world, and what came out of it, step by step for someone new."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from rich.rule import Rule

from connectors.kafka import EventProducer, create_topics
from connectors.postgres import connect
from contactpoint.cli.environment import linkage_model, record_keys_of
from contactpoint.cli.output import Output, console, progress, show
from contactpoint.explaining.entry import entry_lines
from contactpoint.explaining.words import explain_child
from contactpoint.model_tools.memberships import measure_memberships
from contactpoint.running.audit_parts import audit_parts
from contactpoint.running.drain import wait_until_drained
from contactpoint.running.practice import practice
from contactpoint.running.supervisor import RETENTION, STAGES, Supervisor
from contactpoint.running.waiting import comes_true
from contactpoint.stack import ConsoleReporter, StackAddresses, StackConfig, reset, up
from contactpoint.world import WorldSettings, WorldSummary, simulate
from ingest.seals import Seals
from ingest.settings import load_feeds
from ingest.stage import run_feed
from ingest.store import PostgresStore
from projections.access.export import witnessed
from projections.access.store import read_pending, read_tree
from projections.digest import digest
from projections.directory.reader import DirectoryReader
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from schemas.telemetry import configure_logging

_PATIENCE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class _Demo:
    config: StackConfig
    where: StackAddresses
    folder: Path


def run_demo(*, children: int, seed: int, keep: bool) -> None:
    """Run the demo on a fresh stack of its own under `.local/demo`; with `keep` the stack and its data stay up."""
    configure_logging(level=logging.WARNING)
    config = StackConfig.from_env(os.environ)
    folder = config.folder / "demo"
    config = config.model_copy(update={"folder": folder / "stack"})
    reset(config.folder)
    shutil.rmtree(folder / "world", ignore_errors=True)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    try:
        _step("Kafka and PostgreSQL")
        demo = _Demo(config, up(config, ConsoleReporter(console)), folder)
        example = _show_the_line(demo, children, seed)
        if keep:
            _say_what_next(demo, example)
    finally:
        if not keep:
            reset(config.folder)


def _show_the_line(demo: _Demo, children: int, seed: int) -> str:
    """Show every step, and return the number of the child who was looked up."""
    create_topics(demo.where.kafka_settings())
    _step(f"A made-up world of {children:,} children, in the files that real systems send")
    with progress("simulate") as shown:
        world = simulate(WorldSettings(children=children, seed=seed), demo.folder / "world", shown)
    console.print(f"{world.items:,} items about {world.children:,} children in {world.feeds_directory}")
    with _stages(demo):
        _step("Ingest: files to events")
        _ingest(demo, world)
        _step("Linkage and projections: events to one entry per child")
        with progress("messages to go") as shown:
            wait_until_drained(
                demo.where.kafka_settings(),
                demo.where.postgres_settings(),
                watch=lambda left, behind: shown(behind, left + behind),
            )
    with connect(demo.where.postgres_settings(), autocommit=True) as connection:
        reader = DirectoryReader(connection)
        stats = reader.stats()
        show(
            Output.TABLE,
            {
                "children in the directory": stats.children,
                "records behind them": stats.live_records,
                "records withdrawn or merged by their source": stats.ended_records,
                **{
                    f"children known to {n} kinds of source": c
                    for n, c in sorted(stats.children_by_source_kinds.items())
                },
                **{f"child numbers since {kind}": count for kind, count in sorted(stats.lineage.items())},
            },
        )
        examples = _examples(reader)
        _step("Two children, and who works with them")
        for number in examples:
            _show_child(reader.entry(number).entries[0])
        _step("Why the records of the first are one child")
        _show_links(explain_child(connection, linkage_model(), examples[0]))
        _step("Quality against the truth that the simulator wrote")
        show(Output.TABLE, measure_memberships(connection, world.truth, record_keys_of(demo.where)).as_dict())
    _show_the_service(demo, examples[0])
    _step("Digests, and the same tables made again from offset 0")
    _show_digests(demo)
    return examples[0]


@contextmanager
def _stages(demo: _Demo) -> Iterator[None]:
    env = {**os.environ, **demo.where.as_env(), **audit_parts(os.environ, demo.config.folder).as_env()}
    with Supervisor((*STAGES, RETENTION), env, demo.folder / "logs"):
        yield


def _ingest(demo: _Demo, world: WorldSummary) -> None:
    rows: list[dict[str, Any]] = []
    kafka, postgres = demo.where.kafka_settings(), demo.where.postgres_settings()
    with EventProducer(kafka) as producer, closing(PostgresStore(postgres)) as store, Seals.of(kafka) as seals:
        for feed in load_feeds(world.feeds_directory):
            report = run_feed(feed, producer, store, lambda: datetime.now(UTC), seals=seals)
            rows.append(
                {
                    "feed": report.feed,
                    "format": feed.connector,
                    "received": report.received,
                    "published": report.events,
                    "unchanged": report.unchanged,
                    "out of scope": report.out_of_scope,
                    "dead letters": report.rejected,
                }
            )
    show(Output.TABLE, rows)


def _show_child(entry: dict[str, Any]) -> None:
    show(Output.TABLE, entry_lines(entry), f"child {entry['child_number']}")


def _show_links(explanation: dict[str, Any]) -> None:
    for link in explanation["links"][:1]:
        console.print(f"{link['left']}  and  {link['right']}: {link['weight']:+.2f} bits by model {link['model']}")
        show(Output.TABLE, list(link["findings"]))


def _examples(reader: DirectoryReader) -> list[str]:
    """Return the numbers of two children whom many kinds of source know and who can be searched for."""
    known = reader.best_known(20)
    return [number for number in known if _terms(reader.entry(number).entries[0])][:2]


def _terms(entry: dict[str, Any]) -> dict[str, str] | None:
    """Return the terms of a search for a child: the surname and the date of birth."""
    names, born = entry.get("names"), entry.get("birth_date")
    if not names or not names[0]["value"].get("family") or not born:
        return None
    return {"surname": names[0]["value"]["family"], "birth_date": born["value"]["date"]}


def _show_the_service(demo: _Demo, number: str) -> None:
    with connect(demo.where.postgres_settings(), autocommit=True) as connection:
        terms = _terms(DirectoryReader(connection).entry(number).entries[0]) or {}
    _step("A practitioner looks the first child up: with a right, a reason, and an entry in the trail of access")
    with practice(demo.where, demo.folder / "service", demo.config.folder) as service:
        found = service.ask("/v1/search", **terms)["children"]
        console.print(
            f"a search by surname and date of birth finds {len(found)} child; its record is opened; who else:"
        )
        service.ask("/v1/open", child_number=number)
        record = service.ask("/v1/who-else", child_number=number)["record"]
        show(Output.TABLE, entry_lines(record), f"who works with {number}")
        _step("What the family can read of it, and the proof that the trail was not altered")
        who = ("--by", "manager-3", "--organisation", "authority-700", "--reason", "the family asked")
        _wait_for_the_witness(demo)
        for command in (("report", number, *who), ("verify",)):
            subprocess.run([sys.executable, "-m", "contactpoint", "audit", *command], env=dict(service.env), check=True)


def _wait_for_the_witness(demo: _Demo) -> None:
    """Wait for the checkpoint that covers what was just entered; if none comes, `verify` says so."""
    with connect(demo.where.postgres_settings(), autocommit=True) as connection:
        comes_true(lambda: _covered(connection), _PATIENCE)


def _covered(connection: Connection[TupleRow]) -> bool:
    return not read_pending(connection, 1) and witnessed(connection) >= read_tree(connection).size


def _show_digests(demo: _Demo) -> None:
    kafka, postgres = demo.where.kafka_settings(), demo.where.postgres_settings()
    with connect(postgres, autocommit=True) as connection:
        found = [digest(connection, each) for each in PROJECTIONS.values()]
    again = {each.name: verify(each, kafka, postgres) for each in PROJECTIONS.values()}
    rows = [
        {
            "table": table.table,
            "rows": table.rows,
            "sha256": table.sha256[:16],
            "made again": "different" if table.table in again[one.projection].differences else "equal",
        }
        for one in found
        for table in one.tables
    ]
    show(Output.TABLE, rows)


def _say_what_next(demo: _Demo, number: str) -> None:
    console.print(Rule("The stack is still up"))
    console.print(
        "Say which stack is meant, then try:\n"
        f"  export CONTACTPOINT_LOCAL='{demo.config.folder}'\n"
        "  export CONTACTPOINT_BY=you CONTACTPOINT_ORGANISATION=demo CONTACTPOINT_REASON='to see how it works'\n"
        "  .venv/bin/contactpoint run                          (the stages, until Ctrl-C; decisions need them)\n"
        "  .venv/bin/contactpoint lag\n  .venv/bin/contactpoint rejects --by none\n"
        "  .venv/bin/contactpoint conflicts list\n"
        f"  .venv/bin/contactpoint child '{number}'\n  .venv/bin/contactpoint explain '{number}'\n"
        f"  .venv/bin/contactpoint directory try '{number}'     (the service, and requests ready to paste)\n"
        f"Stop it with: CONTACTPOINT_LOCAL='{demo.config.folder}' make reset",
        highlight=False,
        soft_wrap=True,
    )


def _step(title: str) -> None:
    console.print()
    console.print(Rule(f"[bold]{title}[/]", align="left"))
