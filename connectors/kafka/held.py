"""Whether the log still is the one that a stage has read from: asked before a stage goes on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from connectors.kafka.admin import Partition, Positions, watermarks
from connectors.kafka.errors import position_lost
from connectors.kafka.places import read_places
from schemas.errors import FatalError
from schemas.settings import KafkaSettings

Times = Mapping[Partition, int]
"""When the message before a position was sent, in milliseconds since 1970, as the log keeps it; 0: not known."""

_UNKNOWN: Final[Times] = MappingProxyType({})


def ensure_held(settings: KafkaSettings, positions: Positions, times: Times = _UNKNOWN) -> None:
    """Raise FatalError where the log does not hold what is to be read next, or is another than was read so far.

    A client tells of a gap when it comes to it, and may have read other partitions by then: whoever reads several asks.
    A log that was restored from an older copy, and has grown since, has other messages where a stage has read: their
    times tell.
    """
    held = watermarks(settings, {topic for topic, _ in positions})
    lost = [(*place, at) for place, at in positions.items() if place not in held or not held[place].holds(at)]
    if lost:
        raise position_lost(f"reading {_listed(lost)}")
    before = [(*place, at - 1) for place, at in positions.items() if times.get(place) and held[place].low < at]
    read = read_places(settings, before, opened=False)
    other = [message[:3] for message in read if message.time != times[message.topic, message.partition]]
    if other:
        raise FatalError(
            f"what is in {_listed(other)} is not what was read there: this is another log, or an older copy of it that "
            "has grown since. Nothing is passed over: docs/decisions/0049 says what to do"
        )


def _listed(places: list[tuple[str, int, int]]) -> str:
    return ", ".join(f"partition {number} of topic {topic} from {at}" for topic, number, at in places)
