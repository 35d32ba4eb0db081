"""How fast the matching stage is: event bytes to durable commit, with everything included, on bases of several sizes.

    python -m benchmarks.stage [base ...]

Each base is the first extract of a simulated world of its own size, taken in through the stage with its relay running.
Then come the timed runs, without the relay: new records, and at every base alike one in ten that has changed, for it
costs as much as two or three new ones. Beside them stands what the same machine does in the same run with the same data
when it only decodes the events or only copies the rows: the limits. At the largest base runs with more changed records
follow, and the load itself is a measure, beside Splink's time for clusters alone; so is the owner's memory.

A batch is what the stage takes under a backlog, `MatchingSettings.batch_records`, but a tenth of the base at most, so
that the base stays what it is. That it takes so many was watched: 250,000 records that were on the topics when the
real stage started came to 25 batches of 10,000. Runs in batches of 1,000 are a measure of their own, and how time grows
with the base is told by these alone, for larger batches at a larger base would hide some of it.

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
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import psycopg
from psycopg import sql

from benchmarks.feed import Feed, Part, write_feed
from benchmarks.line import MODEL, STEPS, Line, Run, start_engine
from benchmarks.measures import Measure, alone, beside_limit
from benchmarks.peer import splink_seconds
from connectors.kafka import create_topics
from connectors.postgres import connect
from contactpoint.stack import StackConfig, temporary_stack
from matching.features import RecordEventView
from matching.stage import garbage, store
from matching.stage.reading import ReadAhead
from matching.stage.relay import Relay, RelaySettings
from matching.stage.settings import MatchingSettings
from schemas.codec import decode_as
from schemas.settings import KafkaSettings, PostgresSettings

BASES: Final = (10_000, 100_000, 1_000_000)
CHANGED: Final = 0.1  # share of records that were there before
MANY_CHANGED: Final = 4 / 9
_BACKLOG: Final[int] = MatchingSettings.model_fields["batch_records"].default
_SMALL: Final = 1_000
_LEAD: Final = 3  # batches that are on their way under a backlog: one is read, two are committed
_DRAIN_SECONDS: Final = 600.0


class AtBase(NamedTuple):
    """What was measured at one base: the timed runs, their limits, and the load.

    `small` are in small batches, `many` with more changed records.
    """

    runs: list[Run]
    small: list[Run]
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
            rates.append(statistics.median(run.rate for run in found.small))
            if base == BASES[-1]:
                peer = [splink_seconds(path, base)]
                measures[f"loading {base:,} records, durably and with events (Splink's batch for clusters alone)"] = (
                    beside_limit([found.load_seconds], peer, "s")
                )
                for process, seconds in found.load_cpu.items():
                    measures[f"loading {base:,} records, processor time of the {process}"] = alone([seconds], "s")
            path.unlink()
    if len(bases) > 1:
        slower = (
            f"matching stage, time a record at a {bases[-1]:,} base against a {bases[0]:,} base, batches of {_SMALL:,}"
        )
        measures[slower] = alone([rates[0] / rates[-1]], "times")
    return measures


def _batch(base: int) -> int:
    """Return the records of a batch under a backlog."""
    return min(_BACKLOG, base // 10)


def _records(batch: int) -> int:
    """Return the records of one timed run: enough to time, and few beside the base."""
    return max(2 * batch, 4_000)


def _parts(base: int, runs: int) -> list[Part]:
    """Return the parts of a base's feed: what is loaded, and what is timed."""
    few = sum(_LEAD * batch + runs * _records(batch) for batch in {_batch(base), min(_SMALL, _batch(base))})
    many = runs * _records(_batch(base)) if base == BASES[-1] else 0
    return [Part(base), Part(few, CHANGED), Part(many, MANY_CHANGED)]


def _at_base(kafka: KafkaSettings, postgres: PostgresSettings, path: Path, base: int, runs: int) -> AtBase:
    batch = _batch(base)
    with connect(postgres, autocommit=True) as connection, closing(Feed(path)) as feed:
        connection.execute("drop schema if exists matching cascade")
        store.create_tables(postgres)
        before = _memory()
        engine, committer = start_engine(connection, postgres)
        line = Line(engine, ReadAhead())
        line.ahead.use(MODEL)
        garbage.settle()  # as the owner does when it has built its state
        try:
            processes = {"owner": os.getpid(), "reader": line.ahead.pid, "committer": committer.pid}
            load_seconds, load_cpu = _load(line, feed, base, RelaySettings.of(postgres, kafka), processes)
            garbage.settle()
            held = (_memory() - before) / base
            results = _runs(line, feed, runs, batch)
            small = _runs(line, feed, runs, _SMALL) if batch > _SMALL else results
            many = [line.timed(values, batch) for values in _taken(feed, runs, batch) if values]
            line.finish()
        finally:
            line.ahead.end()
            committer.end()
        copying = [copy_limit(connection, _records(batch), batch) for _ in range(runs)]
    with closing(Feed(path)) as feed:
        decoding = [_decode_limit(values) for values in _taken(feed, runs, batch)]
    del engine, line
    gc.unfreeze()
    return AtBase(results, small, many, copying, decoding, load_seconds, load_cpu, held)


def _runs(line: Line, feed: Feed, runs: int, batch: int) -> list[Run]:
    """Fill the line with batches of this size, then time so many runs in them."""
    line.timed(feed.take(_LEAD * batch), batch)
    return [line.timed(values, batch) for values in _taken(feed, runs, batch)]


def _taken(feed: Feed, runs: int, batch: int) -> list[list[bytes]]:
    """Return the values of some runs, read before the first of them begins."""
    return [feed.take(_records(batch)) for _ in range(runs)]


def _load(
    line: Line, feed: Feed, base: int, publishing: RelaySettings, processes: dict[str, int]
) -> tuple[float, dict[str, float]]:
    """Take the base in, every identity event published; return the seconds, and the processor's by process."""
    relay = Relay(publishing)
    try:
        processes = {**processes, "relay": relay.pid}
        before = {name: _cpu(pid) for name, pid in processes.items()}
        begun = time.perf_counter()
        for values in feed.batches(base, _BACKLOG):
            if line.push(values):
                relay.wake()
        line.finish()
        assert relay.drain(_DRAIN_SECONDS), "the relay did not publish everything"
        seconds = time.perf_counter() - begun
        return seconds, {name: _cpu(pid) - before[name] for name, pid in processes.items()}
    finally:
        relay.end()


def _cpu(pid: int) -> float:
    """Return the processor's seconds that a process has had."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _memory() -> int:
    """Return the bytes of memory that this process has in use."""
    garbage.give_back()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def copy_limit(connection: psycopg.Connection, records: int, batch: int = _SMALL) -> float:
    """Rows a second when the same rows are only copied into an empty table with the same indexes, a commit a batch."""
    rows = list(islice(store.read_records(connection), records))
    connection.execute("drop table if exists copied")
    connection.execute("create table copied (like matching.record including all) with (fillfactor = 85)")
    statement = sql.SQL("copy copied from stdin (format binary)")
    begun = time.perf_counter()
    for first in range(0, len(rows), batch):
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(store.ROW_TYPES)
            for row in rows[first : first + batch]:
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
    others = {f"{MANY_CHANGED:.0%} of them changed": found.many, f"batches of {_SMALL:,}": found.small}
    return {
        **{f"{name}, {how}": alone([run.rate for run in runs], "records/s") for how, runs in others.items() if runs},
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
