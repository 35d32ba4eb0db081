"""`python -m ingest FEED.toml...`: run feeds once, or go on watching them with `--follow SECONDS`.

This is the composition root: the only place of the stage that reads the environment and the clock and makes clients.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import structlog

from connectors.kafka import EventProducer
from connectors.process import told_to_stop
from ingest.report import FeedReport
from ingest.seals import Seals
from ingest.settings import FeedSettings, load_feeds
from ingest.stage import STAGE, run_feed
from ingest.store import PostgresStore
from schemas.errors import BAD_INPUT, ContactPointError, RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.telemetry import configure_logging, fail

log = structlog.get_logger(__name__)

_SHORTEST_PAUSE = 0.5  # seconds between attempts during an outage, however often files are looked for


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the feeds that the arguments name; return 0 when every file could be read, else another status."""
    options = _parser().parse_args(arguments)
    configure_logging(json=options.log_json)
    try:
        feeds = load_feeds(*options.feeds)
        kafka, postgres = KafkaSettings.from_env(environment), PostgresSettings.from_env(environment)
        reports = _run(feeds, kafka, postgres, told_to_stop(), options.follow)
    except ContactPointError as error:
        return fail(error)
    for report in reports:
        sys.stdout.write(json.dumps(report.as_dict()) + "\n")
    return BAD_INPUT if any(report.failures for report in reports) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingest", description="Read feeds and publish what is new in them.")
    parser.add_argument("feeds", nargs="+", type=Path, help="feed files (TOML), or directories of them")
    parser.add_argument(
        "--follow", type=float, metavar="SECONDS", help="look for new files again after so many seconds, until SIGTERM"
    )
    parser.add_argument("--log-json", action="store_true", help="write logs as JSON lines")
    return parser


def _run(
    feeds: Sequence[FeedSettings],
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    stopping: threading.Event,
    follow: float | None,
) -> list[FeedReport]:
    """Run every feed, again and again when following: then an outage is waited out, with new clients after it."""
    while True:
        try:
            with closing(PostgresStore(postgres)) as store, EventProducer(kafka) as producer, Seals.of(kafka) as seals:
                return _passes(feeds, producer, store, seals, stopping, follow)
        except RetriableError as error:
            if follow is None:
                raise
            log.warning("stage_waiting", stage=STAGE, reason=str(error))
            if stopping.wait(max(follow, _SHORTEST_PAUSE)):
                return []


def _passes(
    feeds: Sequence[FeedSettings],
    producer: EventProducer,
    store: PostgresStore,
    seals: Seals,
    stopping: threading.Event,
    follow: float | None,
) -> list[FeedReport]:
    """Go over the feeds until there is nothing to follow; return the last reports."""
    while True:
        reports = [run_feed(feed, producer, store, now, stop=stopping.is_set, seals=seals) for feed in feeds]
        if follow is None or stopping.wait(follow):
            return reports


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
