"""How fast shared workers link: event bytes to durable commit, N processes on one database, on a base of records.

    python -m benchmarks.shared [--base 100000] [--records 20000] [--workers 2] [--batch 1000] [--runs 3]

Each worker is a process with its own connection and its own share of the records, as a consumer group would give them;
Kafka's part is left out, as in the benchmark of the resident stage. Limit of the same run: COPY of the same rows into a
table with the same indexes, by one connection. CPU seconds are those of the workers and of PostgreSQL's processes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

import psutil
from pydantic import SecretStr

from benchmarks.measures import Measure, alone, beside_limit
from benchmarks.stage import copy_limit, parts
from connectors.postgres import connect
from contactpoint.stack import StackConfig, temporary_stack
from matching.features import ChangeReader
from matching.shared.linker import SharedLinker
from matching.shared.tables import Tables, create_tables
from schemas.codec import encode
from schemas.settings import PostgresSettings
from tests.factories.linkage import hand_made_model, observed_events

LOAD_BATCH = 2000
STEPS = ("announcing", "surveying", "reserving", "deciding", "writing")


class Run(NamedTuple):
    """One timed run of all workers: records a second, CPU ms a thousand records, conflicts, and ms by step."""

    rate: float
    worker_cpu: float
    postgres_cpu: float
    conflicts: int
    steps: dict[str, float]


def measure(
    settings: PostgresSettings, *, base: int, records: int, workers: int = 2, batch: int = 1000, runs: int = 3
) -> dict[str, Measure]:
    """Load `base` records into an empty database by all workers, then time `runs` runs of `records` more."""
    create_tables(settings)
    values = [encode(event) for event in observed_events(1, base + runs * records)]
    with Crew(settings, workers) as crew:
        crew.run([value.value for value in values[:base]], [value.key for value in values[:base]], LOAD_BATCH)
        with connect(settings, autocommit=True) as connection:
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")
        results = [
            crew.run([value.value for value in part], [value.key for value in part], batch)
            for part in parts(values[base:], records)
        ]
    with connect(settings, autocommit=True) as connection:
        copying = [copy_limit(connection, records) for _ in range(runs)]
        sizes = _sizes(connection)
    name = f"shared workers ({workers}) at {base:,}"
    return {
        f"{name}, event bytes to commit (copy of the same rows)": beside_limit(
            [run.rate for run in results], copying, "records/s"
        ),
        f"{name}, CPU of the workers": alone([run.worker_cpu for run in results], "ms per 1000 records"),
        f"{name}, CPU of PostgreSQL": alone([run.postgres_cpu for run in results], "ms per 1000 records"),
        f"{name}, batches begun again": alone([float(run.conflicts) for run in results], "a run"),
        **{
            f"{name}, {step}": alone([run.steps[step] for run in results], "ms per 1000 records of one worker")
            for step in STEPS
        },
        f"{name}, size of the tables": alone([size / (base + runs * records) for size in sizes], "bytes per record"),
    }


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

    def run(self, values: Sequence[bytes], keys: Sequence[bytes], batch: int) -> Run:
        """Share the records out by key, let all workers link at once, and wait for the last."""
        shares: list[list[bytes]] = [[] for _ in self._channels]
        for value, key in zip(values, keys, strict=True):
            shares[sum(key) % len(shares)].append(value)
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
    model = hand_made_model()
    reader = ChangeReader(model)
    gc.set_threshold(200_000)
    with connect(PostgresSettings(dsn=SecretStr(dsn)), autocommit=True) as connection:
        linker = SharedLinker(Tables(connection), model)
        while (given := channel.recv()) is not None:
            values, batch = given
            channel.send("ready")
            channel.recv()
            before, cpu = asdict(linker.totals), _own_cpu()
            for part in parts(values, batch):
                linker.link([reader.read(value) for value in part], [])
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


def _sizes(connection: Any) -> list[float]:
    query = """select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'matching' and c.relkind = 'r' and c.relname <> 'outbox'"""
    return [float(connection.execute(query).fetchone()[0])]


def main() -> None:
    """Run on a stack of its own and print the measures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with temporary_stack(StackConfig.from_env(os.environ)) as local:
        settings = local.addresses.postgres_settings()
        found = measure(
            settings,
            base=given.base,
            records=given.records,
            workers=given.workers,
            batch=given.batch,
            runs=given.runs,
        )
    for name, each in found.items():
        print(f"{name:<80} {statistics.median(each['runs']):>12,.1f} {each['unit']}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
