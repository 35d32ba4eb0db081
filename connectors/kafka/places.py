"""Reading single messages by their place in the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from connectors.kafka.message import ReadMessage
from connectors.kafka.reader import PartitionReader
from schemas.errors import RetriableError
from schemas.settings import KafkaSettings

_PATIENCE = 10.0  # seconds for one message to come

Place = tuple[str, int, int]
"""Topic, partition and offset of one message."""


def read_places(settings: KafkaSettings, places: Iterable[Place], *, opened: bool = True) -> Iterator[ReadMessage]:
    """Yield the message at each place, in this order; raise RetriableError when the log does not answer."""
    with PartitionReader(settings, {}, opened=opened, linger_ms=0) as reader:
        for topic, partition, offset in places:
            reader.start_from({(topic, partition): offset})
            yield _first(reader, (topic, partition, offset))


def _first(reader: PartitionReader, place: Place) -> ReadMessage:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for messages in reader.read(1, 1.0).values():
            if messages[0][:3] == place:
                return messages[0]
    message = f"the log did not answer within {_PATIENCE:.0f} seconds"
    raise RetriableError(message)
