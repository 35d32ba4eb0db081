"""How fast the matching stage is: event bytes to durable commit, with everything included, on a base of records.

`python benchmarks/stage.py` starts a PostgreSQL of its own, loads the base, and prints records a second, where the
milliseconds go, and what the same machine does in the same run with the same data when it only decodes the events or
only copies the rows: the limits. `measure` returns the same for `make bench`.

The engine and the committer's process are the ones of the stage. Kafka's part, fetching messages and publishing the
outbox, is measured by the benchmark of the whole line.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import psycopg

from connectors.postgres import connect
from contactpoint.stack import StackConfig, temporary_stack
from matching.features import ChangeReader, RecordEventView
from matching.linkage.model import LinkageModel
from matching.resident import ResidentOwner
from matching.sql import QUERIES
from matching.stage import garbage, store
from matching.stage.committer import Committer
from matching.stage.engine import Engine, Start
from schemas.codec import decode_as, encode
from schemas.settings import PostgresSettings
from tests.factories.linkage import hand_made_model, observed_events

BATCH = 1000
PARTITION = ("source.schools", 0)
STEPS = ("reading", "applying", "submitting", "committing")

Item = TypeVar("Item")


class Bytes(NamedTuple):
    """A message as the engine sees it."""

    offset: int
    key: bytes | None
    value: bytes | None


class Run(NamedTuple):
    """One timed run: records a second, and milliseconds a thousand records by step."""

    rate: float
    steps: dict[str, float]


def measure(settings: PostgresSettings, base: int, records: int, runs: int) -> dict[str, dict[str, Any]]:
    """Load `base` records into an empty database, then time `runs` runs of `records` more; return the measures."""
    model = hand_made_model()
    values = [encode(event).value for event in observed_events(1, base + runs * records)]
    store.create_tables(settings)
    with connect(settings, autocommit=True) as connection:
        engine, committer = start_engine(connection, settings, model)
        try:
            timed(engine, values[:base], 2000)
            garbage.settle()
            results = [timed(engine, part, BATCH) for part in parts(values[base:], records)]
        finally:
            committer.end()
        copying = [copy_limit(connection, records) for _ in range(runs)]
    decoding = [decode_limit(part) for part in parts(values[base:], records)]
    return summary([run.rate for run in results], copying, decoding) | step_summary([run.steps for run in results])


def start_engine(
    connection: psycopg.Connection, settings: PostgresSettings, model: LinkageModel
) -> tuple[Engine, Committer]:
    """Take the lease for longer than any run, and return an engine with an empty owner and its committer."""
    token = secrets.token_hex(4)
    parameters = {"holder": f"benchmark/{token}", "seconds": 86_400}
    row = connection.execute(QUERIES["take_lease"], parameters).fetchone()
    assert row is not None
    committer = Committer(settings, token)
    start = Start(row[0], row[1], model.model_id, [])
    return Engine(ResidentOwner(model), ChangeReader(model), committer, start=start), committer


def timed(engine: Engine, values: Sequence[bytes], batch: int) -> Run:
    """Push values through the engine in micro-batches until the last one is committed."""
    offset = engine.committed.get(PARTITION, 0)
    messages = [Bytes(offset + index, b"", value) for index, value in enumerate(values)]
    before = asdict(engine.totals)
    started = time.perf_counter()
    for part in parts(messages, batch):
        engine.step({PARTITION: part})
    engine.settle(0)
    seconds = time.perf_counter() - started
    after = asdict(engine.totals)
    return Run(len(values) / seconds, {step: (after[step] - before[step]) / len(values) * 1e6 for step in STEPS})


def copy_limit(connection: psycopg.Connection, records: int) -> float:
    """Rows a second when the same rows are only copied into an empty table with the same indexes, a commit a batch."""
    rows = list(islice(store.read_records(connection), records))
    connection.execute("drop table if exists copied")
    connection.execute("create table copied (like matching.record including all) with (fillfactor = 85)")
    started = time.perf_counter()
    for part in parts(rows, BATCH):
        with connection.cursor() as cursor, cursor.copy("copy copied from stdin (format binary)") as copy:
            copy.set_types(store.ROW_TYPES)
            for row in part:
                copy.write_row(row)
    return len(rows) / (time.perf_counter() - started)


def decode_limit(values: Sequence[bytes]) -> float:
    """Events a second when they are only decoded, in one process."""
    started = time.perf_counter()
    for value in values:
        decode_as(value, RecordEventView)
    return len(values) / (time.perf_counter() - started)


def summary(rates: list[float], copying: list[float], decoding: list[float]) -> dict[str, dict[str, Any]]:
    """Return the rate beside each of its limits: medians, and every run."""
    value = statistics.median(rates)
    limits = {"copy of the same rows": copying, "decoding of the same events": decoding}
    return {
        f"matching stage, event bytes to commit ({name})": {
            "value": value,
            "unit": "records/s",
            "limit": statistics.median(limit),
            "ratio": value / statistics.median(limit),
            "runs": rates,
        }
        for name, limit in limits.items()
    }


def step_summary(runs: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return the milliseconds a thousand records of each step; `committing` runs beside the others."""
    return {
        f"matching stage, {step}": {
            "value": statistics.median(run[step] for run in runs),
            "unit": "ms per 1000 records",
            "limit": None,
            "ratio": None,
            "runs": [run[step] for run in runs],
        }
        for step in STEPS
    }


def parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Cut a sequence into parts of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def main() -> None:
    """Measure on a stack of its own, or on the database in CONTACTPOINT_POSTGRES_DSN (it must be empty)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=int, default=100_000, help="records loaded before the clock starts")
    parser.add_argument("--records", type=int, default=15_000, help="records of one run")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        if os.environ.get("CONTACTPOINT_POSTGRES_DSN"):
            settings = PostgresSettings.from_env(os.environ)
        else:
            local = stack.enter_context(temporary_stack(StackConfig.from_env(os.environ)))
            settings = local.addresses.postgres_settings()
        measures = measure(settings, arguments.base, arguments.records, arguments.runs)
    for name, found in measures.items():
        ratio = f"{found['ratio']:7.2f} of {found['limit']:,.0f}" if found["limit"] else ""
        print(f"{name:<75} {found['value']:>12,.1f} {found['unit']:<20} {ratio}")


if __name__ == "__main__":
    main()
