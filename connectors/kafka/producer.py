"""A producer that loses nothing silently."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connectors.kafka.admin import LARGEST_MESSAGE, client_config
from connectors.kafka.errors import Trouble, gravest, translate
from schemas.codec import EncodedEvent
from schemas.errors import ContactPointError, RejectedError, RetriableError
from schemas.settings import KafkaSettings

_FLUSH_SECONDS = 120.0
_SETTLE_SECONDS = 1.0


class DeliveryFailure(NamedTuple):
    """One message that did not reach its topic."""

    topic: str
    key: bytes | None
    error: ContactPointError


class EventProducer:
    """Writes messages idempotently with `acks=all`; messages of one key keep their order.

    What could not be delivered is reported by `flush`, every message of it. Use as a context manager: leaving it
    without an error flushes.
    """

    def __init__(self, settings: KafkaSettings, *, linger_ms: int = 20, delivery_seconds: float = 120.0) -> None:
        self.undelivered: tuple[DeliveryFailure, ...] = ()
        """What the last `flush` reported."""
        self._failures: list[DeliveryFailure] = []
        self._first_topic: str | None = None
        self._settled = False
        self._trouble = Trouble()
        self._producer = Producer(
            {
                **client_config(settings, self._trouble),
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": linger_ms,
                "compression.type": "lz4",
                "delivery.timeout.ms": round(delivery_seconds * 1000),
                "message.max.bytes": LARGEST_MESSAGE,
                # Topics are made before anything is sent: one that is unknown for this long does not exist.
                "topic.metadata.propagation.max.ms": 5_000,
                "queue.buffering.max.messages": 500_000,
                "queue.buffering.max.kbytes": 256 * 1024,
                "on_delivery": self._on_delivery,
                "delivery.report.only.error": True,
            }
        )

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Queue one message; waits while the queue is full.

        Raises RejectedError for a message above LARGEST_MESSAGE and FatalError when the producer cannot go on.
        """
        self._first_topic = self._first_topic or topic
        while not self._queued(topic, key, value, headers):
            self._producer.poll(1.0)
        self._producer.poll(0)

    def send_event(self, topic: str, event: EncodedEvent) -> None:
        """Queue one encoded event."""
        self.send(topic, event.key, event.value, event.headers)

    def flush(self, timeout: float = _FLUSH_SECONDS) -> None:
        """Return once everything that was sent is safe on the brokers.

        Otherwise raises an error of the gravest kind that occurred, and `undelivered` holds every message that failed
        since the last flush. RetriableError is also raised when time runs out first.
        """
        self._settle(min(timeout, _SETTLE_SECONDS))
        left = self._producer.flush(timeout)
        self.undelivered, self._failures = tuple(self._failures), []
        if self.undelivered:
            worst = gravest([failure.error for failure in self.undelivered])
            message = f"{len(self.undelivered)} messages were not delivered, the worst: {worst}{self._trouble.suffix}"
            raise _same_kind(worst, message) from worst
        if left:
            message = f"{left} messages were not acknowledged within {timeout:.0f} seconds{self._trouble.suffix}"
            raise RetriableError(message)

    def close(self) -> None:
        """Drop what was queued and not flushed."""
        self._producer.purge()
        self._producer.flush(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def _settle(self, timeout: float) -> None:
        # librdkafka asks for its producer id where it hears of the brokers, and half a second later where it had no
        # connection to any of them then. The first answer makes the connection, so that the second one finds it.
        if self._settled or self._first_topic is None:
            return
        self._settled = True
        with contextlib.suppress(KafkaException):  # flush reports brokers that are away
            for _ in range(2):
                self._producer.list_topics(self._first_topic, timeout)

    def _queued(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> bool:
        try:
            self._producer.produce(topic, value=value, key=key, headers=list(headers))
        except BufferError:
            return False
        except KafkaException as error:
            raise translate(error.args[0], f"sending to topic {topic}") from error
        return True

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            topic, key = message.topic() or "", message.key()
            failure = translate(error, f"delivering to topic {topic}")
            self._failures.append(DeliveryFailure(topic, key if isinstance(key, bytes) else None, failure))


def _same_kind(error: ContactPointError, message: str) -> ContactPointError:
    if isinstance(error, RejectedError):
        return RejectedError(error.code, message)
    return type(error)(message)
