"""How long one record takes from its source topic to its identity event, while others keep arriving.

    python -m benchmarks.latency [base] [rate]

The matching stage runs as in production. A thread sends records at an even rate; this one reads `identities` and takes,
for each source event that an identity event names as its cause, the time since it was sent. Events that change nothing
have no identity event and are not counted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.measures import Measure, alone
from connectors.kafka import EventProducer, PartitionReader, create_topics, end_offsets
from contactpoint.running.drain import wait_until_drained
from contactpoint.running.supervisor import MATCHING, Supervisor
from contactpoint.stack import StackConfig, temporary_stack
from contactpoint.world import WorldSettings
from contactpoint.world.stream import encoded_stream
from schemas.codec import EncodedEvent, EventView, decode_as
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import IDENTITIES

_TICK = 0.01  # seconds between two handfuls of records
_QUIET = 3.0  # seconds without an identity event after which none is expected any more
_READ_SECONDS = 0.005

Published = Sequence[tuple[str, EncodedEvent]]


class _Caused(msgspec.Struct, frozen=True):
    causes: tuple[str, ...] = ()


class _Identity(EventView, frozen=True):
    """An identity event as far as this benchmark reads it."""

    data: _Caused


class _Named(EventView, frozen=True):
    """A source event's id."""

    event_id: str


class _Sender(threading.Thread):
    """Sends events at an even rate and notes when each was handed to the producer."""

    def __init__(self, kafka: KafkaSettings, events: Published, rate: int) -> None:
        super().__init__(daemon=True)
        self._kafka, self._events, self._rate = kafka, events, rate
        self._ids = [decode_as(event.value, _Named).event_id for _, event in events]
        self.sent: dict[str, float] = {}

    def run(self) -> None:
        """Send the events at the rate asked for; the first, which is not counted, waits until the brokers know us."""
        with EventProducer(self._kafka, linger_ms=5) as producer:
            producer.send_event(*self._events[0])
            producer.flush()
            begun, done = time.perf_counter(), 1
            while done < len(self._events):
                due = min(len(self._events), int((time.perf_counter() - begun) * self._rate) + 2)
                for place in range(done, due):
                    self.sent[self._ids[place]] = time.perf_counter()
                    producer.send_event(*self._events[place])
                done = due
                time.sleep(_TICK)


def measure(
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    *,
    base: int = 100_000,
    rate: int = 1_000,
    seconds: int = 6,
    runs: int = 5,
) -> dict[str, Measure]:
    """Take a base in, then time `runs` runs of some seconds each; the topics and the database must be empty."""
    stream = encoded_stream(WorldSettings(children=int((base + runs * rate * seconds) / 2.1), seed=7))
    with tempfile.TemporaryDirectory() as logs, Supervisor([MATCHING], _environment(kafka, postgres), Path(logs)):
        with EventProducer(kafka) as producer:
            for topic, event in islice(stream, base):
                producer.send_event(topic, event)
        _wait_for_matching(kafka, postgres)
        found = [_run(kafka, list(islice(stream, rate * seconds)), rate) for _ in range(runs)]
    return {
        f"source topic to identity event at {rate:,} records/s on a {base:,} base, {name}": alone(
            [float(np.percentile(times, share)) for times in found], "ms"
        )
        for name, share in (("median", 50), ("p99", 99))
    }


def _environment(kafka: KafkaSettings, postgres: PostgresSettings) -> dict[str, str]:
    addresses = {
        "CONTACTPOINT_KAFKA": kafka.bootstrap_servers,
        "CONTACTPOINT_POSTGRES_DSN": postgres.dsn.get_secret_value(),
    }
    return {**os.environ, **addresses}


def _wait_for_matching(kafka: KafkaSettings, postgres: PostgresSettings) -> None:
    wait_until_drained(kafka, postgres, patience=120, stages=("matching",))


def _run(kafka: KafkaSettings, events: Published, rate: int) -> list[float]:
    """Return the milliseconds of each event that brought an identity event about."""
    times: list[float] = []
    with PartitionReader(kafka, end_offsets(kafka, [IDENTITIES])) as reader:
        reader.read(1, 1.0)  # the reader is connected before the first event is sent
        sender = _Sender(kafka, events, rate)
        sender.start()
        last = time.perf_counter()
        while sender.is_alive() or time.perf_counter() - last < _QUIET:
            for messages in reader.read(10_000, _READ_SECONDS).values():
                last = time.perf_counter()
                for message in messages:
                    causes = decode_as(message.value, _Identity).data.causes
                    times += [1000 * (last - sender.sent.pop(cause)) for cause in causes if cause in sender.sent]
    assert times, "no identity event arrived"
    return times


def main() -> None:
    """Run on a stack of its own and print JSON."""
    base, rate = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (100_000, 1_000)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        kafka, postgres = stack.addresses.kafka_settings(), stack.addresses.postgres_settings()
        create_topics(kafka)
        print(json.dumps(measure(kafka, postgres, base=base, rate=rate), indent=1))


if __name__ == "__main__":
    main()
