"""Source events of a simulated world as bytes in a file, made by a process of its own.

    python -m benchmarks.feed FILE SEED EVENTS:CHANGED ...

The measured process then holds neither the world nor events that it has already read, so that its memory is its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from contactpoint.world import WorldSettings
from contactpoint.world.stream import WorldEvent, value_stream

EVENTS_A_CHILD = 1.8
"""Events of the first extract, a little fewer: so the new records of a feed are all from it, whatever its length."""

_PREFIX = 4  # bytes that say how long a value is


class Part(NamedTuple):
    """So many events of a feed, of which such a share is about records that it has told of before."""

    events: int
    changed: float = 0.0


class Feed:
    """The values of a file, read in order and only once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def take(self, count: int) -> list[bytes]:
        """Return the next values, fewer at the end."""
        return list(islice(self._values(), count))

    def batches(self, count: int, size: int) -> Iterator[list[bytes]]:
        """Yield the next `count` values in batches."""
        for first in range(0, count, size):
            yield self.take(min(size, count - first))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _values(self) -> Iterator[bytes]:
        while prefix := self._file.read(_PREFIX):
            yield self._file.read(int.from_bytes(prefix, "little"))


class _Sorted:
    """A world's events by whether they are the first of their record; either kind keeps its order."""

    def __init__(self, events: Iterable[WorldEvent]) -> None:
        self._events = iter(events)
        self._seen: set[str] = set()
        self._told: set[str] = set()
        self._waiting: tuple[deque[WorldEvent], deque[WorldEvent]] = deque(), deque()

    def next_value(self, *, changed: bool) -> bytes:
        """Return the next first event, or the next other one; one of a record that was not told of yet is left out."""
        while True:
            while waiting := self._waiting[changed]:
                event = waiting.popleft()
                if not changed:
                    self._told.add(event.subject)
                if event.subject in self._told:
                    return event.value
            event = next(self._events)
            self._waiting[event.subject in self._seen].append(event)
            self._seen.add(event.subject)


def write_feed(path: Path, parts: Sequence[Part], seed: int = 7) -> Path:
    """Have another process write the events of a world of fitting size, part after part; return the path."""
    arguments = [f"{part.events}:{part.changed}" for part in parts]
    subprocess.run([sys.executable, "-m", "benchmarks.feed", str(path), str(seed), *arguments], check=True)
    return path


def mixed_values(events: Iterable[WorldEvent], parts: Iterable[Part]) -> Iterator[bytes]:
    """Yield the values of each part in turn, its changed records evenly among the new ones."""
    by_kind = _Sorted(events)
    for count, share in parts:
        for place in range(count):
            yield by_kind.next_value(changed=int((place + 1) * share) > int(place * share))


def main() -> None:
    """Write the file."""
    path, seed = Path(sys.argv[1]), int(sys.argv[2])
    parts = [Part(int(events), float(changed)) for events, changed in (text.split(":") for text in sys.argv[3:])]
    new = sum(part.events * (1 - part.changed) for part in parts)
    world = WorldSettings(children=int(new / EVENTS_A_CHILD), seed=seed)
    with path.open("wb") as file:
        for value in mixed_values(value_stream(world), parts):
            file.write(len(value).to_bytes(_PREFIX, "little"))
            file.write(value)


if __name__ == "__main__":
    main()
