"""How fast ingest is: real files to acknowledged events and saved cursors, beside reading the bytes alone.

python -m benchmarks.ingest [children]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql

from benchmarks.measures import Measure, beside_limit
from connectors.kafka import EventProducer, create_topics
from connectors.postgres import connect
from contactpoint.stack import StackConfig, temporary_stack
from contactpoint.world import Coverage, WorldSettings, simulate
from ingest.settings import FeedSettings, load_feeds
from ingest.stage import run_feed
from ingest.store import PostgresStore
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import SOURCE_KINDS


def measure(
    kafka: KafkaSettings, postgres: PostgresSettings, *, children: int = 5_000, runs: int = 5
) -> dict[str, Measure]:
    """Ingest one world `runs` times, each time as if for the first time; a measure for each kind of source."""
    with tempfile.TemporaryDirectory() as folder:
        # As few as teams know in truth, 290 of 5,000 children, would time little but the start of the clients.
        coverage = Coverage(yot=1.0)
        world = simulate(WorldSettings(children=children, seed=3, coverage=coverage), Path(folder) / "world")
        feeds = load_feeds(world.feeds_directory)
        rates: dict[str, list[float]] = {kind: [] for kind in SOURCE_KINDS}
        limits: dict[str, list[float]] = {kind: [] for kind in SOURCE_KINDS}
        for _ in range(runs):
            _forget(postgres)
            for kind in SOURCE_KINDS:
                chosen = [feed for feed in feeds if feed.kind == kind]
                received, seconds = _ingest(kafka, postgres, chosen)
                rates[kind].append(received / seconds)
                limits[kind].append(received / _parse_seconds(chosen))
    return {
        f"ingest of {kind}, files to acknowledged events (parsing the same files alone)": beside_limit(
            rates[kind], limits[kind], "records/s"
        )
        for kind in SOURCE_KINDS
    }


def _ingest(kafka: KafkaSettings, postgres: PostgresSettings, feeds: list[FeedSettings]) -> tuple[int, float]:
    received = 0
    begun = time.perf_counter()
    with EventProducer(kafka) as producer, closing(PostgresStore(postgres)) as store:
        for feed in feeds:
            received += run_feed(feed, producer, store, lambda: datetime.now(UTC)).received
    return received, time.perf_counter() - begun


def _parse_seconds(feeds: list[FeedSettings]) -> float:
    """Return how long the connectors take to read the files and hand nothing on."""
    begun = time.perf_counter()
    for feed in feeds:
        for batch in feed.connect().read({}):
            assert batch.items is not None
    return time.perf_counter() - begun


def _forget(postgres: PostgresSettings) -> None:
    with connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists ingest cascade"))


def main() -> None:
    """Run on a stack of its own and print JSON."""
    children = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    with temporary_stack(StackConfig.from_env(os.environ)) as stack:
        kafka, postgres = stack.addresses.kafka_settings(), stack.addresses.postgres_settings()
        create_topics(kafka)
        print(json.dumps(measure(kafka, postgres, children=children), indent=1))


if __name__ == "__main__":
    main()
