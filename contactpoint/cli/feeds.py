"""`contactpoint feeds` and `contactpoint simulate`: check, run, pause and resume the sources of records."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.kafka import EventProducer, create_topics
from contactpoint.cli.environment import addresses
from contactpoint.cli.options import OutputOption
from contactpoint.cli.output import Output, Report, console, progress, show
from ingest.report import FeedReport
from ingest.seals import Seals
from ingest.settings import load_feeds
from ingest.stage import check_feed, run_feed
from ingest.store import PostgresStore
from schemas.errors import BAD_INPUT, RejectedError

app = typer.Typer(no_args_is_help=True)
FeedPaths = Annotated[
    list[Path], typer.Argument(help="Feed files (TOML), or folders of them.", exists=True, show_default=False)
]


@app.command("check")
def check_command(paths: FeedPaths, output: OutputOption = Output.TABLE) -> None:
    """Read everything in the feeds as if for the first time, publish nothing, and say what would happen.

    Ends with status 1 when a feed cannot be read or holds records that would be refused.
    """
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for feed in load_feeds(*paths):
        found = check_feed(feed, _now)
        rows.append(found.report.as_dict() | {"problems": list(found.problems)})
        refused += [
            {"feed": feed.name, "place": one.place, "code": one.code, "reason": one.reason} for one in found.rejects
        ]
    if output is Output.JSON:
        show(output, {"feeds": rows, "refused": refused})
    else:
        _show_reports(rows, "would be published")
        show(output, refused, "would be refused")
    if any(row["problems"] or row["failures"] or row["rejected"] for row in rows):
        raise typer.Exit(1)


@app.command("run")
def run_command(
    paths: FeedPaths,
    output: OutputOption = Output.TABLE,
    ingested_at: Annotated[
        datetime | None,
        typer.Option(
            help="Stamp every record with this time instead of now: for loading an archive.", show_default=False
        ),
    ] = None,
) -> None:
    """Publish what is new in the feeds to Kafka; run it again at any time, it goes on where it stopped.

    Ends with status 65 when a file cannot be read at all; it is tried again next time. A refused record
    is a dead letter and the feed goes on.
    """
    feeds = load_feeds(*paths)
    where = addresses()
    create_topics(where.kafka_settings())
    clock = _now if ingested_at is None else _fixed(ingested_at)
    reports = []
    kafka, postgres = where.kafka_settings(), where.postgres_settings()
    with EventProducer(kafka) as producer, closing(PostgresStore(postgres)) as store, Seals.of(kafka) as seals:
        for feed in feeds:
            with progress(f"ingest {feed.name}") as shown:
                reports.append(run_feed(feed, producer, store, clock, watch=_watcher(shown), seals=seals))
    rows = [report.as_dict() for report in reports]
    if output is Output.JSON:
        show(output, rows)
    else:
        _show_reports(rows, "ingested")
    if any(report.failures for report in reports):
        raise typer.Exit(BAD_INPUT)


@app.command("pause")
def pause_command(name: str, reason: Annotated[str, typer.Option(help="Why; shown to everybody.")] = "") -> None:
    """Pause a feed: a run that is under way stops after its batch, and nothing is lost."""
    with closing(PostgresStore(addresses().postgres_settings())) as store:
        store.set_paused(name, paused=True, reason=reason)
        known = bool(store.load_state(name))
    typer.echo(
        f"feed {name} is paused{'' if known else '; none of this name has run yet: is it spelt as in its file?'}"
    )


@app.command("resume")
def resume_command(name: str) -> None:
    """Let a paused feed run again; it goes on where it stopped."""
    with closing(PostgresStore(addresses().postgres_settings())) as store:
        if not store.status(name).paused:
            raise RejectedError("feed_not_paused", f"feed {name} is not paused")
        store.set_paused(name, paused=False)
    typer.echo(f"feed {name} is resumed")


@app.command("replay")
def replay_command(
    name: str, file: Annotated[str | None, typer.Option(help="One file of it; all if not given.")] = None
) -> None:
    """Let the next run read a feed's files again from their beginning: after a mended setting.

    What was published before is unchanged then, and what was refused is tried again. Nothing is lost or doubled.
    """
    with closing(PostgresStore(addresses().postgres_settings())) as store:
        count = store.forget(name, file)
    if not count:
        raise RejectedError("file_unknown", f"feed {name} has read no {'file' if file is None else file}")
    typer.echo(f"{count} files of feed {name} will be read again by `contactpoint feeds run`")


@app.command("publish-again")
def publish_again_command() -> None:
    """Let the next runs publish all records of all feeds again: after topics came back from an older copy.

    Stages pass over what they know. What was erased stays erased. See docs/decisions/0049.
    """
    with closing(PostgresStore(addresses().postgres_settings())) as store:
        count = store.begin_again()
    typer.echo(f"{count} records are published again as far as `contactpoint feeds run` finds the files of all feeds")


@app.command("status")
def status_command(paths: FeedPaths, output: OutputOption = Output.TABLE) -> None:
    """Show each feed's counts since the beginning, and whether it is paused."""
    with closing(PostgresStore(addresses().postgres_settings())) as store:
        rows = [
            {"feed": found.feed, **found.totals._asdict(), "paused": found.paused, "reason": found.reason}
            for found in (store.status(feed.name) for feed in load_feeds(*paths))
        ]
    show(output, rows, "feeds")


def register(root: typer.Typer) -> None:
    """Add `contactpoint feeds` and `contactpoint simulate`."""
    root.add_typer(app, name="feeds")
    root.command("simulate")(simulate_command)


def simulate_command(
    out: Annotated[Path, typer.Argument(help="Folder to write into; made if it is missing.", show_default=False)],
    children: Annotated[int, typer.Option(help="Children in the made-up world.", min=1, max=5_000_000)] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 1,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write a made-up world: CTF, HL7, CSV and PAXLST files, a feed file for each, and the truth beside them."""
    from contactpoint.world import WorldSettings, simulate

    with progress("simulate") as shown:
        summary = simulate(WorldSettings(children=children, seed=seed), out, shown)
    facts = summary.as_dict()
    if output is Output.JSON:
        show(output, facts)
        return
    show(output, facts.pop("feeds"), "feeds: what is in the files")
    show(output, facts)


def _show_reports(rows: list[dict[str, Any]], title: str) -> None:
    """Show the counts of each feed, then a line for whatever a person has to look at."""
    shown = ("feed", "files", "received", "accepted", "unchanged", "out_of_scope", "rejected", "events", "rejects")
    show(Output.TABLE, [{name: row[name] for name in shown} for row in rows], title)
    for row in rows:
        notes = [f"{count} times could not be used: {what}" for what, count in row["notes"].items()]
        failures = [": ".join(filter(None, (one["file"], one["place"], one["reason"]))) for one in row["failures"]]
        paused = ["paused"] if row["paused"] else []
        for line in (*paused, *row.get("problems", ()), *failures, *row["warnings"], *notes):
            console.print(f"{row['feed']}: {line}", soft_wrap=True, markup=False, highlight=False)


def _watcher(shown: Report) -> Callable[[FeedReport], None]:
    return lambda report: shown(report.received, None)


def _now() -> datetime:
    return datetime.now(UTC)


def _fixed(time: datetime) -> Callable[[], datetime]:
    stamped = time if time.tzinfo else time.replace(tzinfo=UTC)
    return lambda: stamped
