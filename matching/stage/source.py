"""The source topics as micro-batches: one aiokafka consumer, every partition assigned by hand.

There is one owner, so no group decides who reads what, and no rebalance can take a partition away in the middle of a
batch. Offsets committed to Kafka are a hint for lag dashboards; where to read is the database's word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    AuthenticationFailedError,
    ConsumerStoppedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)
from aiokafka.structs import OffsetAndMetadata

from connectors.kafka import ReadMessage, ensure_held, partitions_of
from connectors.kafka.aio import aiokafka_security
from connectors.kafka.errors import position_lost
from connectors.vault.opener import Opener
from matching.stage.messages import Position
from matching.stage.settings import MatchingSettings
from schemas.errors import ConfigurationError, ContactPointError, FatalError, RetriableError

log = structlog.get_logger(__name__)

_HINT_SECONDS = 1.0

Messages = Mapping[TopicPartition, Sequence[ReadMessage]]


class SourceReader:
    """Pulls micro-batches of records, by partition, with their values open."""

    def __init__(self, settings: MatchingSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = topics
        self._hinted: dict[tuple[str, int], int] = {}
        self._hinting: asyncio.Task[None] | None = None
        self._next_hint = 0.0
        self._opener = Opener(settings.kafka.vault)
        client = {
            "bootstrap_servers": settings.kafka.bootstrap_servers,
            "client_id": "contactpoint-matching",
            **aiokafka_security(settings.kafka),
        }
        self._consumer = AIOKafkaConsumer(
            **client,
            group_id=settings.consumer_group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 << 20,
            # A batch of some hundred records costs a third a record of what one of twenty does, so under load a fetch
            # waits for that many; at low rates these milliseconds are a part of its latency.
            fetch_min_bytes=128 << 10,
            fetch_max_wait_ms=25,
        )

    async def open(self, positions: Iterable[Position]) -> None:
        """Connect and start reading at the positions; partitions without one from 0.

        Raises FatalError where the log does not hold one of these, or is not the one that was read: a log that has lost
        its beginning is no beginning.
        """
        try:
            there = await asyncio.to_thread(partitions_of, self._settings.kafka, self._topics)
            stored = {(p.topic, p.partition): p for p in positions}
            begins = {place: stored[place].next_offset if place in stored else 0 for place in there}
            times = {place: position.last_time for place, position in stored.items()}
            await asyncio.to_thread(ensure_held, self._settings.kafka, begins, times)
            await self._consumer.start()
            self._consumer.assign([TopicPartition(*place) for place in begins])
            for place, at in begins.items():
                self._consumer.seek(TopicPartition(*place), at)
        except KafkaError as error:
            raise translate(error) from error

    async def next_messages(self, wait_milliseconds: int) -> Messages:
        """Return what has arrived, at most a batch; wait so long when nothing has. Raises RetriableError."""
        try:
            found: Mapping[TopicPartition, Sequence[Any]] = await self._consumer.getmany(
                timeout_ms=wait_milliseconds, max_records=self._settings.batch_records
            )
        except KafkaError as error:
            raise translate(error) from error
        messages = {
            tp: [
                ReadMessage(tp.topic, tp.partition, one.offset, one.key, one.value, time=one.timestamp)
                for one in listed
            ]
            for tp, listed in found.items()
        }
        if messages:
            await asyncio.to_thread(self._opener.open, messages.values())
        return messages

    async def ends(self) -> dict[TopicPartition, int]:
        """Return the offset after the last message of every partition, as of now."""
        try:
            ends: dict[TopicPartition, int] = await self._consumer.end_offsets(sorted(self._consumer.assignment()))
        except (KafkaError, ConsumerStoppedError) as error:
            raise translate(error) from error
        return ends

    async def read_up_to(self) -> dict[TopicPartition, int]:
        """Return the next offset to fetch of every partition: past gaps that no message will ever fill."""
        return {tp: await self._consumer.position(tp) for tp in self._consumer.assignment()}

    def hint(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Tell Kafka's group now and then how far the tables are, for lag dashboards; nothing waits for it."""
        now = time.monotonic()
        if now < self._next_hint or (self._hinting and not self._hinting.done()) or positions == self._hinted:
            return
        self._next_hint = now + _HINT_SECONDS
        self._hinted = dict(positions)
        self._hinting = asyncio.create_task(self._hint({TopicPartition(*tp): at for tp, at in positions.items()}))

    async def _hint(self, offsets: dict[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit({tp: OffsetAndMetadata(offset, "") for tp, offset in offsets.items()})
        except KafkaError as error:
            log.warning("position_hint_failed", error_type=type(error).__name__)

    async def close(self) -> None:
        """Disconnect."""
        if self._hinting:
            self._hinting.cancel()
            await asyncio.gather(self._hinting, return_exceptions=True)
        await self._consumer.stop()
        self._opener.close()


def translate(error: KafkaError | ConsumerStoppedError) -> ContactPointError:
    """Return our error for aiokafka's. What it says itself is left out: it can quote an address with a password."""
    text = f"reading the source topics: {type(error).__name__}"
    if isinstance(error, (TopicAuthorizationFailedError, AuthenticationFailedError)):
        return ConfigurationError(f"{text}: check the account's rights")
    if isinstance(error, OffsetOutOfRangeError):
        places = (f"partition {tp.partition} of topic {tp.topic} from {offset}" for tp, offset in error.args[0].items())
        return position_lost(f"reading {', '.join(places)}")
    if isinstance(error, UnsupportedCodecError):
        return FatalError(text)
    return RetriableError(text)
