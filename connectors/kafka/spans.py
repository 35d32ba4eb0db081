"""Reading what the log holds now, from one offset to another, and then ending."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from connectors.kafka.admin import Partition, Watermarks, watermarks
from connectors.kafka.message import ReadMessage
from connectors.kafka.reader import PartitionReader
from schemas.errors import RetriableError
from schemas.settings import KafkaSettings

_MESSAGES: Final = 5_000
_SECONDS: Final = 0.2
_PATIENCE: Final = 30.0  # seconds without a message
_NOTHING: Final = Watermarks(0, 0)


def read_to_end(
    settings: KafkaSettings,
    topics: Iterable[str],
    *,
    with_headers: bool = False,
    opened: bool = True,
    whole: bool = True,
) -> Iterator[ReadMessage]:
    """Yield every message that these topics hold now, in order of offset within a partition.

    Raises RetriableError when the log does not answer, and FatalError when the beginning of a topic is gone, unless it
    need not be `whole`.
    """
    spans = watermarks(settings, topics)
    if whole:
        spans = {place: Watermarks(0, mark.high) for place, mark in spans.items()}
    for messages in read_spans(settings, spans, with_headers=with_headers, opened=opened):
        yield from messages


def read_spans(
    settings: KafkaSettings,
    spans: Mapping[Partition, Watermarks],
    *,
    with_headers: bool = False,
    opened: bool = True,
) -> Iterator[list[ReadMessage]]:
    """Yield in batches, none of them empty, the messages from each `low` up to and without its `high`.

    Raises RetriableError when the log does not answer, FatalError when it no longer holds a `low`.
    """
    left = {place: span for place, span in spans.items() if span.high > span.low}
    begins = {place: span.low for place, span in left.items()}
    with PartitionReader(settings, begins, with_headers=with_headers, opened=opened, linger_ms=0) as reader:
        heard = time.monotonic()
        while left:
            wanted: list[ReadMessage] = []
            # No more than is there, so that the client waits for nothing that does not come.
            most = min(_MESSAGES, sum(span.high - span.low for span in left.values()))
            for place, messages in reader.read(most, _SECONDS).items():
                heard = time.monotonic()
                span = left.pop(place, _NOTHING)
                wanted += [message for message in messages if message.offset < span.high]
                if messages[-1].offset + 1 < span.high:
                    left[place] = Watermarks(messages[-1].offset + 1, span.high)
            if wanted:
                yield wanted
                heard = time.monotonic()  # however long the caller took
            elif time.monotonic() - heard > _PATIENCE:
                message_text = f"the log did not answer within {_PATIENCE:.0f} seconds"
                raise RetriableError(message_text)
