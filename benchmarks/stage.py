"""How fast the matching stage is: event bytes to durable commit, with everything included, on bases of several sizes.

    python -m benchmarks.stage [base ...]

Each base is the first extract of a simulated world of its own size, taken in through the stage with its relay running.
Then come the timed runs, without the relay: new records, and at every base alike one in ten that has changed, for it
costs as much as two or three new ones. Beside them stands what the same machine does in the same run with the same data
when it only decodes the events or only copies the rows: the limits. At the largest base runs with more changed records
follow, and the load itself is a measure, beside Splink's time for clusters alone; so is the owner's memory.

The load is timed from the first event's bytes, in a file, until every row is committed with fsync and the last identity
event and conflict is acknowledged by Kafka: decoding, folding, clusters, conflicts and publication are in it, in the
stage's own processes, whose processor time stands beside. Splink gets the newest values of the same records, decoded
and folded by our reader outside its time, as a table in memory, and both cores; it estimates, predicts and clusters.

The engine and the committer's process are the stage's own. Fetching from Kafka is in the parts of latency and line.
"""

from __future__ import annotations

import gc
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import psycopg
from psycopg import sql

from benchmarks.feed import Feed, Part, write_feed
from benchmarks.measures import Measure, alone, beside_limit
from benchmarks.peer import splink_seconds
from connectors.kafka import create_topics
from connectors.postgres import connect
from contactpoint.stack import StackConfig, temporary_stack
from matching.features import ChangeReader, RecordEventView
from matching.resident.owner import ResidentOwner
from matching.sql import QUERIES
from matching.stage import garbage, store
from matching.stage.committer import Committer
from matching.stage.engine import Engine, Start
from matching.stage.intake import Messages
from matching.stage.model_file import read_model
from matching.stage.reading import ReadAhead
from matching.stage.relay import Relay, RelaySettings
from schemas.codec import decode_as
from schemas.settings import KafkaSettings, PostgresSettings

BASES: Final = (10_000, 100_000, 1_000_000)
PARTITION: Final = ("source.schools", 0)
STEPS: Final = ("reading", "applying", "submitting", "committing")
CHANGED: Final = 0.1  # share of records that were there before
MANY_CHANGED: Final = 4 / 9
_BATCH: Final = 1_000
_LEAD: Final = 3 * _BATCH  # so many records are on their way under a backlog: one batch is read, two are committed
_LOAD_BATCH: Final = 10_000  # what the stage takes at most, as it does with a backlog
_DRAIN_SECONDS: Final = 600.0
_MODEL: Final = read_model(None)


class Bytes(NamedTuple):
    """A message as the engine sees it: opened, or never sealed."""

    offset: int
    key: bytes | None
    value: bytes | None
    original: bytes = b""
    erased: bool = False


class Run(NamedTuple):
    """One timed run: records a second, and milliseconds a thousand records by step."""

    rate: float
    steps: dict[str, float]


class AtBase(NamedTuple):
    """What was measured at one base: the timed runs (`many`: with more changed records), their limits, and the load."""

    runs: list[Run]
    many: list[Run]
    copying: list[float]
    decoding: list[float]
    load_seconds: float
    load_cpu: dict[str, float]
    bytes_per_record: float


def measure(
    kafka: KafkaSettings, postgres: PostgresSettings, *, bases: Sequence[int] = BASES, runs: int = 5
) -> dict[str, Measure]:
    """Measure at each base, smallest first; the topics and the database must be empty."""
    measures: dict[str, Measure] = {}
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for base in bases:
            path = write_feed(Path(folder) / str(base), _parts(base, runs))
            found = _at_base(kafka, postgres, path, base, runs)
            measures |= _measures(base, found)
            rates.append(statistics.median(run.rate for run in found.runs))
            if base == BASES[-1]:
                peer = [splink_seconds(path, base)]
                measures[f"loading {base:,} records, durably and with events (Splink's batch for clusters alone)"] = (
                    beside_limit([found.load_seconds], peer, "s")
                )
                for process, seconds in found.load_cpu.items():
                    measures[f"loading {base:,} records, processor time of the {process}"] = alone([seconds], "s")
            path.unlink()
    if len(bases) > 1:
        slower = f"matching stage, time a record at a {bases[-1]:,} base against a {bases[0]:,} base"
        measures[slower] = alone([rates[0] / rates[-1]], "times")
    return measures


def _records(base: int) -> int:
    """Return the records of one timed run: enough to time, and few beside the base."""
    return min(10_000, max(4_000, base // 10))


def _parts(base: int, runs: int) -> list[Part]:
    """Return the parts of a base's feed: what is loaded, and what is timed."""
    timed = runs * _records(base)
    return [Part(base), Part(_LEAD + timed, CHANGED), Part(timed if base == BASES[-1] else 0, MANY_CHANGED)]


def _at_base(kafka: KafkaSettings, postgres: PostgresSettings, path: Path, base: int, runs: int) -> AtBase:
    with connect(postgres, autocommit=True) as connection, closing(Feed(path)) as feed:
        connection.execute("drop schema if exists matching cascade")
        store.create_tables(postgres)
        before = _memory()
        engine, committer = start_engine(connection, postgres)
        ahead = ReadAhead()
        ahead.use(_MODEL)
        garbage.settle()  # as the owner does when it has built its state
        try:
            processes = {"owner": os.getpid(), "reader": ahead.pid, "committer": committer.pid}
            load_seconds, load_cpu = _load(engine, ahead, feed, base, RelaySettings.of(postgres, kafka), processes)
            garbage.settle()
            held = (_memory() - before) / base
            timed(engine, ahead, feed.take(_LEAD))
            few, many = ([feed.take(_records(base)) for _ in range(runs)] for _ in range(2))
            results = [timed(engine, ahead, values) for values in few]
            with_many = [timed(engine, ahead, values) for values in many if values]
            _finish(engine, ahead)
        finally:
            ahead.end()
            committer.end()
        copying = [copy_limit(connection, _records(base)) for _ in range(runs)]
    with closing(Feed(path)) as feed:
        decoding = [_decode_limit(feed.take(_records(base))) for _ in range(runs)]
    del engine
    gc.unfreeze()
    return AtBase(results, with_many, copying, decoding, load_seconds, load_cpu, held)


def start_engine(connection: psycopg.Connection, settings: PostgresSettings) -> tuple[Engine, Committer]:
    """Take the lease for longer than any run, and return an engine with an empty owner and its committer."""
    token = secrets.token_hex(4)
    parameters = {"holder": f"benchmark/{token}", "seconds": 86_400}
    row = connection.execute(QUERIES["take_lease"], parameters).fetchone()
    assert row is not None
    committer = Committer(settings, token)
    start = Start(row[0], row[1], _MODEL.model_id, [])
    return Engine(ResidentOwner(_MODEL), ChangeReader(_MODEL), committer, start=start), committer


def _load(
    engine: Engine, ahead: ReadAhead, feed: Feed, base: int, publishing: RelaySettings, processes: dict[str, int]
) -> tuple[float, dict[str, float]]:
    """Take the base in, every identity event published; return the seconds, and the processor's by process."""
    relay = Relay(publishing)
    try:
        processes = {**processes, "relay": relay.pid}
        before = {name: _cpu(pid) for name, pid in processes.items()}
        begun = time.perf_counter()
        for values in feed.batches(base, _LOAD_BATCH):
            ahead.send(_messages(engine, values, ahead.waiting * _LOAD_BATCH))
            if ahead.waiting > 1 and engine.step_ahead(ahead):
                relay.wake()
        _finish(engine, ahead)
        assert relay.drain(_DRAIN_SECONDS), "the relay did not publish everything"
        seconds = time.perf_counter() - begun
        return seconds, {name: _cpu(pid) - before[name] for name, pid in processes.items()}
    finally:
        relay.end()


def _cpu(pid: int) -> float:
    """Return the processor's seconds that a process has had."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def timed(engine: Engine, ahead: ReadAhead, values: Sequence[bytes]) -> Run:
    """Push values through reader and engine in micro-batches, as the owner does under a backlog.

    One run follows the other without a pause: after the first, as many batches are on their way at the end of a run as
    at its beginning. So no run pays for an empty line, whatever its length.
    """
    before = asdict(engine.totals)
    begun = time.perf_counter()
    for first in range(0, len(values), _BATCH):
        ahead.send(_messages(engine, values[first : first + _BATCH], ahead.waiting * _BATCH))
        if ahead.waiting > 1:
            engine.step_ahead(ahead)
    seconds = time.perf_counter() - begun
    after = asdict(engine.totals)
    return Run(len(values) / seconds, {step: (after[step] - before[step]) / len(values) * 1e6 for step in STEPS})


def _finish(engine: Engine, ahead: ReadAhead) -> None:
    """Apply what is being read, and wait until everything is committed."""
    while ahead.waiting:
        engine.step_ahead(ahead)
    engine.settle(0)


def step(engine: Engine, values: Sequence[bytes]) -> bool:
    """Hand one micro-batch to the engine; tell whether a commit left something to publish."""
    return engine.step(_messages(engine, values, 0))


def _messages(engine: Engine, values: Sequence[bytes], ahead: int) -> Messages:
    """Return values as messages that follow those of the engine and `ahead` more."""
    first = engine.totals.records + engine.totals.rejected + ahead
    return {PARTITION: [Bytes(first + place, b"", value) for place, value in enumerate(values)]}


def _memory() -> int:
    """Return the bytes of memory that this process has in use."""
    garbage.give_back()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def copy_limit(connection: psycopg.Connection, records: int) -> float:
    """Rows a second when the same rows are only copied into an empty table with the same indexes, a commit a batch."""
    rows = list(islice(store.read_records(connection), records))
    connection.execute("drop table if exists copied")
    connection.execute("create table copied (like matching.record including all) with (fillfactor = 85)")
    statement = sql.SQL("copy copied from stdin (format binary)")
    begun = time.perf_counter()
    for first in range(0, len(rows), _BATCH):
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(store.ROW_TYPES)
            for row in rows[first : first + _BATCH]:
                copy.write_row(row)
    return len(rows) / (time.perf_counter() - begun)


def _decode_limit(values: Sequence[bytes]) -> float:
    """Events a second when they are only decoded, in one process."""
    begun = time.perf_counter()
    for value in values:
        decode_as(value, RecordEventView)
    return len(values) / (time.perf_counter() - begun)


def _measures(base: int, found: AtBase) -> dict[str, Measure]:
    """Name what was measured at one base; `committing` runs beside the other steps."""
    at, rates = f"at a {base:,} base", [run.rate for run in found.runs]
    name = f"matching stage, event bytes to commit {at}"
    steps = {
        f"matching stage, {step} {at}": alone([run.steps[step] for run in found.runs], "ms per 1000 records")
        for step in STEPS
    }
    many = f"{name}, {MANY_CHANGED:.0%} of them changed"
    return {
        **({many: alone([run.rate for run in found.many], "records/s")} if found.many else {}),
        f"{name} (copy of the same rows)": beside_limit(rates, found.copying, "records/s"),
        f"{name} (decoding of the same events)": beside_limit(rates, found.decoding, "records/s"),
        **steps,
        f"resident owner, memory {at}": alone([found.bytes_per_record], "bytes per record"),
    }


def main() -> None:
    """Measure at the bases given, all by default, on a stack of its own; print JSON."""
    bases = [int(argument) for argument in sys.argv[1:]] or BASES
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        kafka, postgres = stack.addresses.kafka_settings(), stack.addresses.postgres_settings()
        create_topics(kafka)
        print(json.dumps(measure(kafka, postgres, bases=bases), indent=1))


if __name__ == "__main__":
    main()
