"""How fast the whole line is: from source topics to committed directory and audit rows, all stages sharing the machine.

    python -m benchmarks.end_to_end [base] [records]

The line first takes in a base, then is timed on `records` more a run, from the first one sent until every stage has
committed everything. Limits of the same run: reading the same bytes from Kafka, and COPY of the same rows into tables
with the same indexes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from psycopg import sql
from pydantic import SecretStr

from benchmarks.measures import Measure, beside_limit
from connectors.kafka import EventProducer, PartitionReader, create_topics, end_offsets
from connectors.postgres import connect
from connectors.vault import KeyVault, Plain, Sealer
from contactpoint.running.drain import wait_until_drained
from contactpoint.running.supervisor import STAGES, Supervisor
from contactpoint.stack import StackConfig, temporary_stack
from contactpoint.world import WorldSettings
from contactpoint.world.stream import encoded_stream
from projections.base import Rows
from schemas.codec import EncodedEvent, as_sealed
from schemas.sealing import KEY_BYTES
from schemas.settings import KafkaSettings, PostgresSettings, VaultSettings
from schemas.topics import SOURCE_TOPICS

TABLES = (
    ("matching", "record"),
    ("projection", "record_version"),
    ("projection", "identity"),
    ("projection", "membership"),
    ("directory", "entry"),
    ("directory", "lineage"),
    ("audit", "source_event"),
    ("audit", "identity_event"),
)

_SEALED_AT_ONCE = 5_000

Published = Sequence[tuple[str, EncodedEvent]]


def measure(
    kafka: KafkaSettings, postgres: PostgresSettings, *, base: int = 100_000, records: int = 20_000, runs: int = 5
) -> dict[str, Measure]:
    """Time the line on a base; the topics and the database must be empty. What is published is sealed, as by ingest."""
    vault = VaultSettings(kek=SecretStr(b64encode(os.urandom(KEY_BYTES)).decode()), dsn=postgres.dsn)
    kafka = kafka.model_copy(update={"vault": vault})
    # A child has about 2.3 events in this world.
    stream = sealed(encoded_stream(WorldSettings(children=(base + runs * records) // 2, seed=7)), vault)
    with tempfile.TemporaryDirectory() as logs, Supervisor(STAGES, environment(kafka, postgres), Path(logs)):
        publish_and_drain(kafka, postgres, list(islice(stream, base)))
        rates = [records / publish_and_drain(kafka, postgres, part) for part in _parts(stream, records, runs)]
    copying = [_copy_rate(postgres, base + runs * records) for _ in range(3)]
    reading = [_read_rate(kafka) for _ in range(3)]
    return {
        "end to end, source topics to directory and audit rows (consume of the same bytes)": beside_limit(
            rates, reading, "records/s"
        ),
        "end to end, source topics to directory and audit rows (COPY of the same rows)": beside_limit(
            rates, copying, "records/s"
        ),
    }


def environment(kafka: KafkaSettings, postgres: PostgresSettings) -> dict[str, str]:
    """Return the environment in which stages run on these servers."""
    return {**os.environ, **kafka.as_env(), "CONTACTPOINT_POSTGRES_DSN": postgres.dsn.get_secret_value()}


def sealed(stream: Iterator[tuple[str, EncodedEvent]], vault: VaultSettings) -> Iterator[tuple[str, EncodedEvent]]:
    """Seal each event under the data key of its record."""
    with KeyVault(vault) as keys:
        sealer = Sealer(keys)
        while part := list(islice(stream, _SEALED_AT_ONCE)):
            values = sealer.seal([Plain(event.key.decode(), event.key, event.value) for _, event in part])
            yield from ((topic, as_sealed(event, value)) for (topic, event), value in zip(part, values, strict=True))


def _parts(stream: Iterator[tuple[str, EncodedEvent]], size: int, count: int) -> Iterator[Published]:
    for _ in range(count):
        part = list(islice(stream, size))
        assert len(part) == size, "the simulated world is too small for this benchmark"
        yield part


def publish_and_drain(kafka: KafkaSettings, postgres: PostgresSettings, events: Published) -> float:
    """Return the seconds from the first event sent until all stages have committed all of them."""
    begun = time.perf_counter()
    with EventProducer(kafka) as producer:
        for topic, event in events:
            producer.send_event(topic, event)
    wait_until_drained(kafka, postgres, patience=120)
    return time.perf_counter() - begun


def _read_rate(kafka: KafkaSettings) -> float:
    """Return how many source events a second one consumer reads."""
    ends = end_offsets(kafka, SOURCE_TOPICS)
    waiting = total = sum(ends.values())
    begun = time.perf_counter()
    with PartitionReader(kafka, dict.fromkeys(ends, 0), opened=False) as reader:
        while waiting:
            waiting -= sum(map(len, reader.read(min(waiting, 10_000), 0.05).values()))
    return total / (time.perf_counter() - begun)


def _copy_rate(postgres: PostgresSettings, records: int) -> float:
    """Return how many records a second COPY alone would write, counting every row that all stages keep of one."""
    with connect(postgres, autocommit=True, application="benchmark") as connection:
        return records / sum(_copy_seconds(connection, *table) for table in TABLES)


def _copy_seconds(connection: Rows, database_schema: str, table: str) -> float:
    source, target = sql.Identifier(database_schema, table), sql.Identifier("benchmark_copy")
    connection.execute(sql.SQL("drop table if exists {}").format(target))
    connection.execute(sql.SQL("create table {} (like {} including all)").format(target, source))
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("copy {} to stdout").format(source)) as copy:
            rows = b"".join(bytes(block) for block in copy)
        begun = time.perf_counter()
        with cursor.copy(sql.SQL("copy {} from stdin").format(target)) as copy:
            copy.write(rows)
        seconds = time.perf_counter() - begun
    connection.execute(sql.SQL("drop table {}").format(target))
    return seconds


def main() -> None:
    """Run on a stack of its own and print JSON."""
    base, records = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (100_000, 20_000)
    with temporary_stack(StackConfig.from_env(os.environ)) as stack:
        kafka, postgres = stack.addresses.kafka_settings(), stack.addresses.postgres_settings()
        create_topics(kafka)
        print(json.dumps(measure(kafka, postgres, base=base, records=records), indent=1))


if __name__ == "__main__":
    main()
