"""How fast shared workers link: event bytes to durable commit, N processes on one database, on a base of records.

    python -m benchmarks.shared [base ...] [--records 10000] [--workers 2] [--batch 1000] [--runs 3]

The base is linked by a resident owner and handed over, as an operator may do: the workers' index is made from its rows.
Each worker is a process with its own connection and its own share of the records, as a consumer group would give them;
Kafka's part is left out, as in the benchmark of the resident stage. Limit of the same run: COPY of the same rows into a
table with the same indexes, by one connection. CPU seconds are those of the workers and of PostgreSQL's processes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple, Self

import psutil
import psycopg
from pydantic import SecretStr

from benchmarks.feed import Feed, Part, write_feed
from benchmarks.line import start_engine, step
from benchmarks.measures import Measure, alone, beside_limit
from benchmarks.stage import CHANGED, copy_limit
from connectors.postgres import connect
from contactpoint.stack import StackConfig, temporary_stack
from matching.features import ChangeReader
from matching.shared.indexing import ensure_index
from matching.shared.linker import SharedLinker
from matching.shared.tables import Tables, create_tables
from matching.stage.model_file import read_model
from schemas.settings import PostgresSettings

BASES: Final = (100_000, 1_000_000)
LOAD_BATCH: Final = 2000
WARM_UP: Final = 2000
SUBJECT: Final = re.compile(rb'"subject":"([^"]+)"')
SIZE: Final = """select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'matching' and c.relkind = 'r' and c.relname not in ('outbox', 'copied')"""
STEPS: Final = ("announcing", "surveying", "reserving", "deciding", "writing")


class Run(NamedTuple):
    """One timed run of all workers: records a second, CPU ms a thousand records, conflicts, and ms by step."""

    rate: float
    worker_cpu: float
    postgres_cpu: float
    conflicts: int
    steps: dict[str, float]


def measure(
    settings: PostgresSettings,
    *,
    bases: Sequence[int] = BASES,
    workers: int = 2,
    batch: int = 1000,
    records: int | None = None,
    runs: int = 3,
) -> dict[str, Measure]:
    """Measure at each base, from an empty database each time."""
    measures: dict[str, Measure] = {}
    with tempfile.TemporaryDirectory() as folder:
        for base in bases:
            timed = records or min(20_000, max(4_000, base // 10))
            path = write_feed(Path(folder) / str(base), [Part(base), Part(WARM_UP + runs * timed, CHANGED)])
            measures |= _at_base(settings, path, base, timed, (workers, batch, runs))
            path.unlink()
    return measures


def _at_base(
    settings: PostgresSettings, path: Path, base: int, records: int, how: tuple[int, int, int]
) -> dict[str, Measure]:
    workers, batch, runs = how
    with connect(settings, autocommit=True) as connection:
        connection.execute("drop schema if exists matching cascade")
    create_tables(settings)
    with closing(Feed(path)) as feed, connect(settings, autocommit=True) as connection:
        loading = base / _load(settings, connection, feed, base)
        taking_over = base / _take_over(connection)
        with Crew(settings, workers) as crew:
            crew.run(feed.take(WARM_UP), batch)
            results = [crew.run(feed.take(records), batch) for _ in range(runs)]
        copying = [copy_limit(connection, records) for _ in range(runs)]
        size = connection.execute(SIZE).fetchone()
    assert size is not None
    name = f"shared workers ({workers}) at a {base:,} base"
    steps = {
        f"{name}, {step}": alone([run.steps[step] for run in results], "ms per 1000 records of one worker")
        for step in STEPS
    }
    return {
        f"{name}, event bytes to commit (copy of the same rows)": beside_limit(
            [run.rate for run in results], copying, "records/s"
        ),
        f"{name}, load by a resident owner": alone([loading], "records/s"),
        f"{name}, making the index of its rows": alone([taking_over], "records/s"),
        f"{name}, CPU of the workers": alone([run.worker_cpu for run in results], "ms per 1000 records"),
        f"{name}, CPU of PostgreSQL": alone([run.postgres_cpu for run in results], "ms per 1000 records"),
        f"{name}, batches begun again": alone([float(run.conflicts) for run in results], "a run"),
        **steps,
        f"{name}, tables": alone([float(size[0]) / (base + WARM_UP + runs * records)], "bytes per record"),
    }


def _load(settings: PostgresSettings, connection: psycopg.Connection, feed: Feed, base: int) -> float:
    """Link the base as a resident owner does, without a relay; return the seconds."""
    begun = time.perf_counter()
    engine, committer = start_engine(connection, settings)
    try:
        for values in feed.batches(base, LOAD_BATCH):
            step(engine, values)
        engine.settle(0)
    finally:
        committer.end()
    connection.execute("truncate matching.outbox")
    connection.execute("update matching.owner set holder = null, expires_at = '-infinity'")
    return time.perf_counter() - begun


def _take_over(connection: psycopg.Connection) -> float:
    """Let shared workers have the owner's tables; return the seconds until they could begin."""
    model = read_model(None)
    begun = time.perf_counter()
    tables = Tables(connection)
    tables.claim(model.model_id)
    assert ensure_index(tables, model)
    seconds = time.perf_counter() - begun
    connection.execute("reset all")
    connection.execute("vacuum analyze")
    return seconds


class Crew:
    """Worker processes that link what they are given."""

    def __init__(self, settings: PostgresSettings, workers: int) -> None:
        self._context = get_context("spawn")
        self._channels: list[Connection] = []
        self._processes = []
        for _ in range(workers):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(theirs, settings.dsn.get_secret_value()))
            process.start()
            self._channels.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels:
            channel.send(None)
        for process in self._processes:
            process.join()

    def run(self, values: Sequence[bytes], batch: int) -> Run:
        """Share the records out by key, let all workers link at once, and wait for the last."""
        shares: list[list[bytes]] = [[] for _ in self._channels]
        for value in values:
            key = SUBJECT.search(value)
            shares[sum(key[1]) % len(shares) if key else 0].append(value)
        for channel, share in zip(self._channels, shares, strict=True):
            channel.send((share, batch))
        for channel in self._channels:
            channel.recv()  # it has read all of them
        before = _postgres_cpu()
        begun = time.perf_counter()
        for channel in self._channels:
            channel.send("go")
        answers = [channel.recv() for channel in self._channels]
        seconds = time.perf_counter() - begun
        thousands = len(values) / 1000
        return Run(
            len(values) / seconds,
            sum(answer["cpu"] for answer in answers) / thousands * 1000,
            (_postgres_cpu() - before) / thousands * 1000,
            sum(answer["conflicts"] for answer in answers),
            {step: sum(answer[step] for answer in answers) / thousands * 1000 for step in STEPS},
        )


def _work(channel: Connection, dsn: str) -> None:
    model = read_model(None)
    reader = ChangeReader(model)
    gc.set_threshold(200_000)
    with connect(PostgresSettings(dsn=SecretStr(dsn)), autocommit=True) as connection:
        linker = SharedLinker(Tables(connection), model)
        while (given := channel.recv()) is not None:
            values, batch = given
            channel.send("ready")
            channel.recv()
            before, cpu = asdict(linker.totals), _own_cpu()
            for first in range(0, len(values), batch):
                linker.link([reader.read(value) for value in values[first : first + batch]], [])
            after = asdict(linker.totals)
            channel.send({"cpu": _own_cpu() - cpu, **{name: after[name] - before[name] for name in after}})


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _postgres_cpu() -> float:
    """Return the CPU seconds of all PostgreSQL processes below this one, those that have ended included."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if "postgres" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    """Run on a stack of its own and print the measures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", type=int, nargs="*", default=list(BASES))
    parser.add_argument("--records", type=int, help="records of one run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    with temporary_stack(StackConfig.from_env(environment)) as local:
        found = measure(local.addresses.postgres_settings(), **vars(given))
    for name, each in found.items():
        print(f"{name:<80} {statistics.median(each['runs']):>12,.1f} {each['unit']}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
