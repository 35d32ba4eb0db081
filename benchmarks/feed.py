"""Source events of a simulated world as bytes in a file, made by a process of its own.

    python -m benchmarks.feed FILE EVENTS SEED

The measured process then holds neither the world nor events that it has already read, so that its memory is its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from contactpoint.world import WorldSettings
from contactpoint.world.stream import value_stream

EVENTS_A_CHILD = 2.1
"""Events of the first extract and a little more, so that the last events of a feed are a mix of new and changed."""

_PREFIX = 4  # bytes that say how long a value is


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


def write_feed(path: Path, events: int, seed: int = 7) -> Path:
    """Have another process write so many events of a world of fitting size; return the path."""
    subprocess.run([sys.executable, "-m", "benchmarks.feed", str(path), str(events), str(seed)], check=True)
    return path


def main() -> None:
    """Write the file."""
    path, events, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    world = WorldSettings(children=int(events / EVENTS_A_CHILD), seed=seed)
    with path.open("wb") as file:
        for event in islice(value_stream(world), events):
            file.write(len(event.value).to_bytes(_PREFIX, "little"))
            file.write(event.value)


if __name__ == "__main__":
    main()
