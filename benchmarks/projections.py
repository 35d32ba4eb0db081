"""How fast each projection folds a log, beside what Kafka and PostgreSQL allow in the same run.

    python -m benchmarks.projections [records]

Each run folds the same log from offset 0 into empty tables. The limit is what no projection can beat: reading the same
bytes from Kafka and then writing the rows that came out with COPY into tables with the same indexes.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypedDict

from psycopg import sql

from connectors.kafka import EventProducer, PartitionReader, Positions, create_topics, end_offsets
from connectors.postgres import connect
from connectors.process import collect_garbage_rarely
from contactpoint.stack import StackConfig, temporary_stack
from projections import schema
from projections.base import Namespace, Projection, Rows
from projections.registry import PROJECTIONS
from projections.runner import Runner
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.events import (
    Evidence,
    Formerly,
    Identity,
    IdentityChanged,
    IdentityCreated,
    RecordObserved,
    event_id,
    record_event_id,
)
from schemas.identity import child_number
from schemas.records import (
    Address,
    Carer,
    ContactDetails,
    CurrentAddress,
    Education,
    Identifier,
    Involvement,
    NameClaim,
    PersonRecord,
    PrimaryCare,
)
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.telemetry import configure_logging
from schemas.topics import IDENTITIES, TOPICS

RECORDS_A_CHILD = 3
RECORDS_A_BATCH = 1_000
SCRATCH = "benchmark_copy"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Measure(TypedDict):
    """One line of `benchmarks/results.json`."""

    value: float
    unit: str
    limit: float
    ratio: float
    runs: list[float]


def measure(
    kafka: KafkaSettings, postgres: PostgresSettings, *, records: int = 60_000, runs: int = 5
) -> dict[str, Measure]:
    """Publish a log of records and identities and time each projection on it; the topics must be empty."""
    with EventProducer(kafka) as producer:
        for topic, event in log_of(records):
            producer.send_event(topic, encode(event))
    # The log has no conflicts, so the review queue would have nothing to do.
    timed = {name: each for name, each in PROJECTIONS.items() if name != "review"}
    return {f"projections.{name}": _measure(each, kafka, postgres, runs) for name, each in timed.items()}


def _measure(projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, runs: int) -> Measure:
    ends = end_offsets(kafka, projection.topics)
    events = sum(ends.values())
    rates: list[float] = []
    limits: list[float] = []
    for run in range(runs):
        name = f"benchmark{run}"
        areas = {area: f"{name}_{area}" for area in projection.live.areas}
        place = Namespace(f"{projection.name}.{name}", name, f"{name}_working", areas)
        rates.append(events / _fold_seconds(projection, kafka, postgres, place, ends))
        reading = _read_seconds(kafka, ends)
        with connect(postgres, autocommit=True) as connection:
            limits.append(events / (reading + _copy_seconds(connection, projection, place)))
            schema.drop(connection, place)
    value, limit = statistics.median(rates), statistics.median(limits)
    return Measure(value=value, unit="events/s", limit=limit, ratio=value / limit, runs=rates)


def _fold_seconds(
    projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, place: Namespace, ends: Positions
) -> float:
    begun = time.perf_counter()
    Runner(projection, kafka, postgres, namespace=place).catch_up(ends)
    return time.perf_counter() - begun


def _read_seconds(kafka: KafkaSettings, ends: Positions) -> float:
    begun = time.perf_counter()
    waiting = sum(ends.values())
    with PartitionReader(kafka, dict.fromkeys(ends, 0)) as reader:
        while waiting:
            waiting -= sum(map(len, reader.read(min(waiting, 10_000), 0.05).values()))
    return time.perf_counter() - begun


def _copy_seconds(connection: Rows, projection: Projection, place: Namespace) -> float:
    """Return how long COPY takes to write the projection's rows into empty tables with the same indexes."""
    total = 0.0
    for table in projection.tables:
        names = {
            "target": sql.Identifier(SCRATCH),
            "table": sql.Identifier(place.of(table), table.name),
        }
        connection.execute(sql.SQL("create table {target} (like {table} including all)").format(**names))
        with connection.cursor() as cursor:
            with cursor.copy(sql.SQL("copy {table} to stdout").format(**names)) as copy:
                rows = b"".join(bytes(block) for block in copy)
            begun = time.perf_counter()
            with cursor.copy(sql.SQL("copy {target} from stdin").format(**names)) as copy:
                copy.write(rows)
            total += time.perf_counter() - begun
        connection.execute(sql.SQL("drop table {target}").format(**names))
    return total


def log_of(records: int, seed: int = 1) -> Iterator[tuple[str, AnyEvent]]:
    """Yield a log as matching leaves it: batches of records, each followed by the identities that it changed."""
    random = Random(seed)
    members: dict[int, list[str]] = {}
    joined: dict[int, list[tuple[str, str]]] = {}
    for number in range(records):
        kind = random.choices(("schools", "health", "yot", "eborders"), (5, 5, 1, 1))[0]
        event = _record(number, kind, random)
        yield f"source.{kind}", event
        joined.setdefault(random.randrange(records // RECORDS_A_CHILD + 1), []).append((event.subject, event.event_id))
        if number % RECORDS_A_BATCH == RECORDS_A_BATCH - 1 or number == records - 1:
            for child, came in joined.items():
                yield IDENTITIES, _identity(child, members.setdefault(child, []), came, 1 + number // RECORDS_A_BATCH)
            joined = {}


def _record(number: int, kind: str, random: Random) -> RecordObserved:
    key = f"{kind}-{random.randrange(50)}:{10**9 + number}"
    address = Address(lines=(f"{number} Mill Lane", "Westbury"), town="Exampleton", postcode="ZZ99 3CZ")
    contact = ContactDetails(telephone=("07700900123",), address=address)
    parent = Carer(name=NameClaim(family="Adewale", given="Grace"), parental_responsibility=True, contact=contact)
    person = PersonRecord(
        names=(NameClaim(family=f"Family{random.randrange(5000)}", given=f"Given{random.randrange(800)}"),),
        birth_date=date(2010, 1, 1) + timedelta(days=random.randrange(4000)),
        sex=random.choice(("female", "male")),
        identifiers=(Identifier(scheme="nhs", value="9990001006"),),
        whereabouts=CurrentAddress(address=address),
        carers=(parent,) if kind in {"schools", "health"} else (),
        education=(Education(institution="Example Primary", institution_code="8012000"),) if kind == "schools" else (),
        primary_care=PrimaryCare(practice="Example Surgery", practice_code="A20047") if kind == "health" else None,
        involvements=(Involvement(service="youth offending team", sensitive=True),) if kind == "yot" else (),
    )
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", number, "ff"),
        subject=key,
        correlation_id="run-1",
        feed=key.partition(":")[0],
        source_version=number,
        fingerprint=f"{random.getrandbits(128):032x}",
        source_time=START + timedelta(seconds=number),
        ingested_at=START + timedelta(seconds=number),
        data=person,
    )


def _identity(child: int, members: list[str], came: list[tuple[str, str]], batch: int) -> AnyEvent:
    """Return the event by which these records join a child, and note them as its members."""
    before = list(members)
    members.extend(key for key, _ in came)
    number = child_number(str(child))
    kind: type[IdentityChanged | IdentityCreated] = IdentityChanged if before else IdentityCreated
    pairs = [(left, right) for left in before for right, _ in came][:3]
    return kind(
        event_id=event_id(number, str(kind.model_fields["event_type"].default), batch),
        subject=number,
        correlation_id=f"batch-{batch}",
        decided_at=START + timedelta(seconds=batch),
        data=Identity(
            version=batch,
            members=tuple(sorted(members)),
            founder=members[0],
            before=(Formerly(child_number=number, members=tuple(sorted(before))),) if before else (),
            causes=tuple(event_id for _, event_id in came),
            model="model_2026-11-23_0123456789ab",
            evidence=tuple(
                Evidence(left=left, right=right, weight=1500, levels=(3, 2, 1, 0, 4, 2, 1, 1)) for left, right in pairs
            ),
        ),
    )


def main() -> None:
    """Measure on a stack of its own and print the results as JSON."""
    configure_logging()
    collect_garbage_rarely()  # as the projections' own process does
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        kafka = stack.addresses.kafka_settings()
        create_topics(kafka, TOPICS)
        print(json.dumps(measure(kafka, stack.addresses.postgres_settings(), records=records), indent=2))


if __name__ == "__main__":
    main()
