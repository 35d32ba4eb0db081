"""Reading partitions from positions that the caller keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka.admin import Partition, Positions, client_config
from connectors.kafka.errors import Trouble, translate
from connectors.kafka.message import ReadMessage
from connectors.vault.opener import Opener
from schemas.settings import KafkaSettings

Batches = dict[Partition, list[ReadMessage]]
"""Messages of each partition in order of offset; no partition is empty."""


class Reader:
    """A consumer whose positions the caller's store keeps, and what opens sealed values. Use as a context manager."""

    def __init__(self, settings: KafkaSettings, group: str, config: Mapping[str, str | int]) -> None:
        self._opener = Opener(settings.vault)
        self._consumer = Consumer(
            {
                **client_config(settings, Trouble()),
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A position that is not in the log must stop the reader, not move it.
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                **config,
            }
        )

    def hint(self, positions: Positions, *, wait: bool = False) -> None:
        """Note positions under the group's name for lag dashboards; nothing depends on it, so failures are ignored."""
        offsets = [TopicPartition(topic, number, at) for (topic, number), at in positions.items()]
        if offsets:
            with contextlib.suppress(KafkaException):
                if wait:
                    self._consumer.commit(offsets=offsets, asynchronous=False)
                else:
                    self._consumer.commit(offsets=offsets)

    def close(self) -> None:
        """Leave the group, and give the connections back."""
        self._consumer.close()
        self._opener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()


class PartitionReader(Reader):
    """Reads the partitions of `positions`, each from its next offset on.

    There is no rebalancing: the caller says which partitions, and its own store says how far. `group` is only where
    `hint` notes the positions for dashboards. `opened`: sealed values are opened. `linger_ms`: how long a broker that
    has little waits for more.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        positions: Positions,
        *,
        group: str = "contactpoint",
        with_headers: bool = False,
        opened: bool = True,
        linger_ms: int = 100,
    ) -> None:
        self._with_headers, self._opened = with_headers, opened
        # Under load a fetch waits for some hundred messages; at low rates these milliseconds are its latency.
        super().__init__(settings, group, {"fetch.min.bytes": 64 * 1024, "fetch.wait.max.ms": linger_ms})
        self.start_from(positions)

    def start_from(self, positions: Positions) -> None:
        """Read these partitions, and no others, from these positions on; what was fetched before is dropped."""
        self._consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in sorted(positions.items())])

    def read(self, max_messages: int, timeout: float) -> Batches:
        """Return up to `max_messages` by partition, none when there are none.

        librdkafka waits the whole `timeout` (seconds) unless `max_messages` arrive earlier: it is the latency at low
        rates. Raises RetriableError, ConfigurationError or FatalError as `errors.translate` sorts them.
        """
        batches = read_messages(self._consumer.consume(max_messages, timeout), with_headers=self._with_headers)
        if self._opened:
            self._opener.open(batches.values())
        return batches

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Stop fetching these partitions."""
        self._consumer.pause([TopicPartition(*partition) for partition in partitions])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Fetch these partitions again."""
        self._consumer.resume([TopicPartition(*partition) for partition in partitions])


def read_messages(messages: Sequence[Message], *, with_headers: bool = False) -> Batches:
    """Sort what librdkafka returned by partition; raise our error for the first one that is an error."""
    batches: Batches = {}
    for message in messages:
        error = message.error()
        if error is not None:
            _raise_unless_harmless(error, message)
            continue
        # The driver's types allow for messages that were never sent; one that was read has a place and bytes.
        headers = tuple(message.headers() or ()) if with_headers else ()
        place: Any = (message.topic(), message.partition(), message.offset())
        said: Any = (message.key(), message.value(), headers, None, False, message.timestamp()[1])
        each = ReadMessage(*place, *said)
        batches.setdefault((each.topic, each.partition), []).append(each)
    return batches


def _raise_unless_harmless(error: KafkaError, message: Message) -> None:
    if error.code() != KafkaError._PARTITION_EOF:
        about = f"reading partition {message.partition()} of topic {message.topic()}"
        raise translate(error, about) from KafkaException(error)
