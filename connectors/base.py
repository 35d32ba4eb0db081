"""The contract of a source connector; `tests/contract/test_source_connectors.py` holds every one of them to it.

1. **Resume.** `read(state)` yields the items that follow `state`, in a fixed order. Each batch brings the progress that
   is to be saved once the batch is safe; reading again from any saved state gives exactly the items that were left.
2. **Deterministic.** The same bytes give the same items, places and versions, whoever reads them and whenever. A
   connector reads no clock, no environment and no random numbers.
3. **Never lose.** Everything in the source becomes an item. What cannot be read becomes a `RejectedItem` with its
   place, a reason without personal data and the original bytes.
4. **Never block.** A bad item does not hide its neighbours, and a bad file does not hide the next file. Only when a
   file as a whole cannot be read (a column is missing) is a `FileFailure` reported; that file is tried again next time.
5. **Bounded.** Memory does not grow with the size of a file; an item above the limit is rejected, not held.
6. **Permitted items only.** Fields that the law does not list never leave the connector; their names do, in `dropped`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from connectors.raw import Item
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far one file, known by the SHA-256 of its content, has been read; `items` counts items, not records."""

    digest: str
    name: str
    items: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class FileFailure:
    """A file that cannot be read, or not from `place` on: a person has to change it or the feed's settings."""

    file: str
    place: str
    code: str
    reason: str


class FileFormatError(ConfigurationError):
    """A file is not what the feed's settings say; raised by a format, reported as `FileFailure` by the connector."""

    def __init__(self, code: str, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.place = place


SourceState = Mapping[str, FileProgress]
"""All that a connector needs to go on: the progress of every file it has seen, by digest."""

NOTHING_READ: SourceState = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Batch:
    """Items in order, and the progress to save when they are safe. Files may end and begin inside a batch."""

    items: tuple[Item, ...]
    progress: tuple[FileProgress, ...]
    failures: tuple[FileFailure, ...] = ()


def advance(state: SourceState, batch: Batch) -> SourceState:
    """Return the state after a batch."""
    return {**state, **{progress.digest: progress for progress in batch.progress}}


class SourceConnector(Protocol):
    """Reads one feed; see the module's docstring for the rules."""

    def check(self) -> tuple[str, ...]:
        """Return what stops this feed from being read, one sentence each; nothing when it can be read."""
        ...

    def read(self, state: SourceState) -> Iterator[Batch]:
        """Yield what follows `state` and end when the source has no more for now."""
        ...
