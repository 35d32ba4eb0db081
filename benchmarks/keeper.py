"""What a day costs that begins: the directory's part, and the erasures that are due by law, with their proof.

    python -m benchmarks.speed keeper

All stages run on a population; then days are named until so many children change on one, and until so many are due for
erasure. The erasures are carried out in this process, as the keeper does.
"""

from __future__ import annotations

import resource
import tempfile
import time
from base64 import b64encode
from datetime import date
from os import urandom
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import SecretStr

from benchmarks.end_to_end import environment, publish_and_drain, sealed
from benchmarks.measures import Measure, alone
from connectors.decisions import publish_decision
from connectors.postgres import connect
from contactpoint.erasing.keeper import day_begun
from contactpoint.erasing.places import Surroundings, prepare, purge
from contactpoint.running.audit_parts import audit_parts
from contactpoint.running.drain import wait_until_drained
from contactpoint.running.supervisor import DIRECTORY, STAGES, Supervisor
from contactpoint.world import WorldSettings
from contactpoint.world.stream import encoded_stream
from projections.access.sealing import SealingKey
from projections.directory.retention import add_years, years
from schemas.sealing import KEY_BYTES
from schemas.settings import KafkaSettings, PostgresSettings, VaultSettings

# The first day of all on which so many children change, and that on which so many are due for erasure.
_CHANGE = "select due from projection.due order by due offset %s limit 1"
_PURGE = """select archived_on from (
    select archived_on from archive.archived_entry union all select archived_on from archive.closed_entry
) as archived order by archived_on offset %s limit 1"""
_DUE = """select count(*) from archive.closed_entry as closed, projection.clock as clock
where closed.until <= clock.today"""


def measure(
    kafka: KafkaSettings, postgres: PostgresSettings, *, children: int = 100_000, due: int = 1_000
) -> dict[str, Measure]:
    """Return what a day costs on which `due` of so many children change, and one on which as many are erased."""
    vault = VaultSettings(kek=SecretStr(b64encode(urandom(KEY_BYTES)).decode()), dsn=postgres.dsn)
    kafka = kafka.model_copy(update={"vault": vault})
    with tempfile.TemporaryDirectory() as folder, connect(postgres, autocommit=True) as connection:
        trail = audit_parts({}, Path(folder))
        around = Surroundings(kafka, postgres, SealingKey.read(trail.keys / "seal.key"))
        prepare(around)
        stream = encoded_stream(WorldSettings(children=children, seed=7))
        env = environment(kafka, postgres) | trail.as_env()
        with Supervisor([*STAGES, *trail.commands()], env, Path(folder)) as stages:
            publish_and_drain(kafka, postgres, list(sealed(stream, vault)))
            first = _begin(around, date(2000, 1, 1))
            day = _begin(around, _day(connection, _CHANGE, due - 1))
            archived = _day(connection, _PURGE, due - 1)
            _begin(around, add_years(archived, years("purge")))
            erased, seconds, cpu = _purge(around, connection)
            memory = _peak_megabytes(stages.pid(DIRECTORY.name))
    return {
        "keeper, the first day of all begins": alone([first], "s"),
        f"keeper, a day on which {due:,} children change begins": alone([day], "s"),
        "keeper, the directory's process at its largest": alone([memory], "MB"),
        "keeper, erasures with their proof": alone([erased / seconds], "children/s"),
        "keeper, its own processor time for an erasure": alone([1000 * cpu / erased], "ms"),
    }


def _begin(around: Surroundings, day: date) -> float:
    """Name a day; return the seconds until every table follows it."""
    begun = time.perf_counter()
    publish_decision(around.kafka, day_begun(day, "benchmark"))
    wait_until_drained(around.kafka, around.postgres, patience=300)
    return time.perf_counter() - begun


def _day(connection: Connection[TupleRow], query: str, place: int) -> date:
    row = connection.execute(query.encode(), (place,)).fetchone()
    assert row is not None, "the simulated world is too small for this benchmark"
    day: date = row[0]
    return day


def _purge(around: Surroundings, connection: Connection[TupleRow]) -> tuple[int, float, float]:
    """Erase all that are due; return how many, and the seconds and processor seconds of it."""
    row = connection.execute(_DUE.encode()).fetchone()
    due = row[0] if row else 0
    begun, cpu = time.perf_counter(), _cpu()
    erased = purge(around, due, again=False)
    assert len(erased) == due
    assert all(each.finished for each in erased)
    return due, time.perf_counter() - begun, _cpu() - cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
