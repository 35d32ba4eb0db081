"""Where the progress of a feed is kept between runs.

The PostgreSQL store is `ingest.store`, because progress has to be saved in one transaction with the fingerprints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from connectors.base import NOTHING_READ, FileProgress, SourceState


class StateStore(Protocol):
    """Keeps the progress of each feed."""

    def load_state(self, feed: str) -> SourceState:
        """Return the progress of every file of the feed, by digest."""
        ...

    def save_state(self, feed: str, progress: Sequence[FileProgress]) -> None:
        """Keep the progress of these files; the rest stays as it is."""
        ...


class InMemoryStateStore:
    """A state store for tests and dry runs."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, FileProgress]] = {}

    def load_state(self, feed: str) -> SourceState:
        """Return the progress of every file of the feed, by digest."""
        return dict(self._states.get(feed, NOTHING_READ))

    def save_state(self, feed: str, progress: Sequence[FileProgress]) -> None:
        """Keep the progress of these files; the rest stays as it is."""
        self._states.setdefault(feed, {}).update({one.digest: one for one in progress})
