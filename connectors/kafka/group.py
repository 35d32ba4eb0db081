"""Reading partitions that a consumer group shares out, from positions that the caller's store keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connectors.kafka.admin import Partition, Positions
from connectors.kafka.errors import translate
from connectors.kafka.reader import Batches, Reader, read_messages
from schemas.errors import ContactPointError
from schemas.settings import KafkaSettings

_SHORTEST_SESSION: Final = 6.0  # seconds: what brokers accept by default

PositionsOf = Callable[[Sequence[Partition]], Positions]
"""Tells where each of these partitions is to be read from on; called whenever the group gives them to this member."""


class GroupReader(Reader):
    """One member of a consumer group. The store's positions are the truth; Kafka's own offsets are a hint.

    `expected` says for each partition of the batch read last where the store's position has to be. A member that is
    silent for `silent_seconds` loses its partitions to the others.

    Members come and go only inside `read`: a batch that was read is never taken away before the next call. Whoever was
    away too long (frozen, cut off) finds at its next commit to the store that others have moved the positions on.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        group: str,
        positions_of: PositionsOf,
        *,
        silent_seconds: float = 10.0,
    ) -> None:
        self._positions_of = positions_of
        self._failure: ContactPointError | None = None
        self._next: dict[Partition, int] = {}
        self.expected: dict[Partition, int] = {}
        super().__init__(
            settings,
            group,
            {
                "fetch.wait.max.ms": 100,
                "partition.assignment.strategy": "roundrobin",
                "session.timeout.ms": round(1000 * max(silent_seconds, _SHORTEST_SESSION)),
            },
        )
        self._consumer.subscribe(list(topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def read(self, max_messages: int, timeout: float) -> Batches:
        """Return up to `max_messages` by partition, none when there are none; waits up to `timeout` seconds.

        Raises RetriableError, ConfigurationError or FatalError as `errors.translate` sorts them, and what the caller's
        store raised when it was asked for positions.
        """
        messages = self._consumer.consume(max_messages, timeout)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        # A rebalance in the middle of this call can leave messages of partitions that are gone, or read twice.
        batches: Batches = {}
        for partition, batch in read_messages(messages).items():
            rest = [message for message in batch if message.offset >= self._next.get(partition, message.offset + 1)]
            if rest:
                batches[partition] = rest
        self._opener.open(batches.values())
        self.expected = {partition: self._next[partition] for partition in batches}
        self._next.update((partition, batch[-1].offset + 1) for partition, batch in batches.items())
        return batches

    def idle(self, seconds: float) -> None:
        """Read nothing for so long, and stay a member of the group."""
        self._consumer.pause([TopicPartition(*each) for each in self._next])
        if self.read(1, seconds):
            self.start_again()
        self._consumer.resume([TopicPartition(*each) for each in self._next])

    def start_again(self) -> None:
        """Read this member's partitions from the store's positions on: what was read before is dropped."""
        self._begin(list(self._next))

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._begin([(each.topic, each.partition) for each in partitions])
        except ContactPointError as error:  # librdkafka's callback is no place to raise: `read` does
            self._failure = error
            self._next.clear()
            self._consumer.unassign()

    def _revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._next.clear()

    def _begin(self, partitions: Sequence[Partition]) -> None:
        positions = self._positions_of(partitions)
        self._next = {each: positions[each] for each in partitions}
        try:
            self._consumer.assign([TopicPartition(*each, positions[each]) for each in partitions])
        except KafkaException as error:
            raise translate(error.args[0], "taking partitions over") from error
