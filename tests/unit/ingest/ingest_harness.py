"""A feed with a store and a producer in memory, for tests of the stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.report import FeedReport
from ingest.settings import FeedSettings
from ingest.stage import run_feed
from ingest.store import InMemoryStore
from schemas.codec import EncodedEvent, decode
from schemas.dead_letter import DeadLetter, from_message
from schemas.events import AnyRecordEvent, RecordMerged, RecordObserved, RecordWithdrawn
from tests.unit.connectors.source_samples import feed

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def clock() -> datetime:
    return NOW


class RecordingProducer:
    """Keeps what is flushed, in order."""

    def __init__(self) -> None:
        self.events: list[AnyRecordEvent] = []
        self.letters: list[DeadLetter] = []
        self.topics: set[str] = set()
        self._queued: list[AnyRecordEvent] = []

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        self.topics.add(topic)
        self.letters.append(from_message(key, value, headers))

    def send_event(self, topic: str, event: EncodedEvent) -> None:
        self.topics.add(topic)
        decoded = decode(event.value)
        assert isinstance(decoded, (RecordObserved, RecordWithdrawn, RecordMerged))
        self._queued.append(decoded)

    def flush(self) -> None:
        self.events += self._queued
        self._queued = []

    @property
    def story(self) -> list[tuple[str, str]]:
        """What was published, as type and record id."""
        return [(one.event_type.removeprefix("record."), one.subject.split(":")[1]) for one in self.events]


class FailingOnceStore(InMemoryStore):
    """Fails at its first commit, as a database that goes away after the events are published."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    def commit(self, *arguments: Any) -> None:
        if not self.failures:
            self.failures += 1
            raise ConnectionError
        super().commit(*arguments)


class Line:
    """One feed over a directory, run as often as a test likes."""

    def __init__(self, connector: str, directory: Path, **settings: Any) -> None:
        self.settings: FeedSettings = feed(connector, directory, **settings)
        self.store = InMemoryStore()
        self.producer = RecordingProducer()

    def write(self, content: str | bytes, name: str = "file") -> None:
        path = self.settings.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def run(self, content: str | bytes | None = None, name: str = "file", **options: Any) -> FeedReport:
        """Write a file, if given, and run the feed."""
        if content is not None:
            self.write(content, name)
        report = run_feed(self.settings, self.producer, self.store, clock, **options)
        assert report.adds_up
        return report
