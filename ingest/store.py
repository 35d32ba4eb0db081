"""What ingest keeps between runs: how far each file was read, and the last state of each record that it published.

`IngestStore` is the port, `PostgresStore` the durable one, `InMemoryStore` the twin for dry runs and tests. Progress,
records and counts are saved together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import msgspec
import psycopg
from psycopg.rows import TupleRow

from connectors.base import NOTHING_READ, FileProgress, SourceState
from connectors.postgres import apply_schema, connect, sql_blocks, wrap_errors
from schemas.errors import FencedError
from schemas.settings import PostgresSettings

RecordStatus = Literal["observed", "withdrawn", "merged", "erased"]
_PACKAGE = "ingest.sql"
_encode = msgspec.json.Encoder().encode


class StoredRecord(NamedTuple):
    """The last state of one record: its version and fingerprint, and what a source that sends changes said so far.

    `seen` is the moment of the newest full refresh that held the record.
    """

    key: str
    version: int
    fingerprint: str
    status: RecordStatus = "observed"
    content: bytes | None = None
    seen: int = 0


class Totals(NamedTuple):
    """What one batch adds to a feed's counts."""

    received: int = 0
    accepted: int = 0
    unchanged: int = 0
    out_of_scope: int = 0
    rejected: int = 0


NO_TOTALS = Totals()


class Writes(NamedTuple):
    """What one batch saves, all of it or nothing: progress, records, full refreshes that were taken in, counts."""

    progress: Sequence[FileProgress] = ()
    records: Sequence[StoredRecord] = ()
    snapshots: Mapping[str, int] = MappingProxyType({})
    totals: Totals = NO_TOTALS


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed as operators see it: its counts since the beginning, and whether it is paused and why."""

    feed: str
    totals: Totals = NO_TOTALS
    paused: bool = False
    reason: str = ""


class IngestStore(Protocol):
    """Keeps the state of every feed."""

    def load_state(self, feed: str) -> SourceState:
        """Return the progress of every file of the feed, by digest."""
        ...

    def save_state(self, feed: str, progress: Sequence[FileProgress]) -> None:
        """Keep the progress of these files; the rest stays as it is."""
        ...

    def records(self, keys: Collection[str]) -> dict[str, StoredRecord]:
        """Return the stored records among these keys."""
        ...

    def snapshots(self, sources: Collection[str]) -> dict[str, int]:
        """Return the moment of the newest full refresh of each source that was taken in as a whole."""
        ...

    def absent(self, source: str, snapshot: int, version: int) -> list[StoredRecord]:
        """Return the source's observed records that no full refresh since `snapshot` held and that are older."""
        ...

    def live_count(self, source: str) -> int:
        """Return how many observed records the source has."""
        ...

    def commit(self, feed: str, before: SourceState, writes: Writes) -> None:
        """Save a batch in one transaction; raise FencedError when another process has read on from `before`."""
        ...

    def status(self, feed: str) -> FeedStatus:
        """Return the feed's counts and whether it is paused."""
        ...

    def set_paused(self, feed: str, *, paused: bool, reason: str = "") -> None:
        """Pause or resume a feed; a run that is under way stops after its batch."""
        ...

    def forget(self, feed: str, name: str | None = None) -> int:
        """Let the next run read the files of this name, or all of the feed, from their beginning; count them."""
        ...


class InMemoryStore:
    """An ingest store for dry runs and tests."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, FileProgress]] = {}
        self._records: dict[str, StoredRecord] = {}
        self._snapshots: dict[str, int] = {}
        self._status: dict[str, FeedStatus] = {}

    def load_state(self, feed: str) -> SourceState:
        """Return the progress of every file of the feed, by digest."""
        return dict(self._states.get(feed, NOTHING_READ))

    def save_state(self, feed: str, progress: Sequence[FileProgress]) -> None:
        """Keep the progress of these files; the rest stays as it is."""
        self._states.setdefault(feed, {}).update({one.digest: one for one in progress})

    def records(self, keys: Collection[str]) -> dict[str, StoredRecord]:
        """Return the stored records among these keys."""
        return {key: self._records[key] for key in keys if key in self._records}

    def snapshots(self, sources: Collection[str]) -> dict[str, int]:
        """Return the moment of the newest full refresh of each source that was taken in as a whole."""
        return {source: self._snapshots[source] for source in sources if source in self._snapshots}

    def absent(self, source: str, snapshot: int, version: int) -> list[StoredRecord]:
        """Return the source's observed records that no full refresh since `snapshot` held and that are older."""
        return [one for one in self._live(source) if one.seen < snapshot and one.version < version]

    def live_count(self, source: str) -> int:
        """Return how many observed records the source has."""
        return len(self._live(source))

    def commit(self, feed: str, before: SourceState, writes: Writes) -> None:
        """Save a batch."""
        now = self.load_state(feed)
        for one in writes.progress:
            if now.get(one.digest) != before.get(one.digest):
                raise FencedError(_fenced(feed))
        self.save_state(feed, writes.progress)
        self._records.update({record.key: record for record in writes.records})
        self._snapshots.update(writes.snapshots)
        status = self.status(feed)
        added = Totals(*map(sum, zip(status.totals, writes.totals, strict=True)))
        self._status[feed] = FeedStatus(feed, added, status.paused, status.reason)

    def status(self, feed: str) -> FeedStatus:
        """Return the feed's counts and whether it is paused."""
        return self._status.get(feed, FeedStatus(feed))

    def set_paused(self, feed: str, *, paused: bool, reason: str = "") -> None:
        """Pause or resume a feed."""
        self._status[feed] = FeedStatus(feed, self.status(feed).totals, paused, reason)

    def forget(self, feed: str, name: str | None = None) -> int:
        """Let the next run read the files of this name, or all of the feed, from their beginning; count them."""
        found = [one.digest for one in self.load_state(feed).values() if name in {None, one.name}]
        for digest in found:
            del self._states[feed][digest]
        return len(found)

    def _live(self, source: str) -> list[StoredRecord]:
        found = (self._records[key] for key in sorted(self._records))
        return [one for one in found if one.status == "observed" and one.key.startswith(f"{source}:")]


class PostgresStore:
    """The ingest store in PostgreSQL, database schema `ingest`."""

    def __init__(self, settings: PostgresSettings) -> None:
        apply_schema(settings, _PACKAGE)
        self._sql = sql_blocks(_PACKAGE)
        self._connection: psycopg.Connection[TupleRow] = connect(
            settings, autocommit=True, application="contactpoint-ingest"
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def load_state(self, feed: str) -> SourceState:
        """Return the progress of every file of the feed, by digest."""
        rows = self._rows("load_state", {"feed": feed})
        return {row[0]: FileProgress(*row) for row in rows}

    def save_state(self, feed: str, progress: Sequence[FileProgress]) -> None:
        """Keep the progress of these files; the rest stays as it is."""
        self.commit(feed, self.load_state(feed), Writes(progress))

    def records(self, keys: Collection[str]) -> dict[str, StoredRecord]:
        """Return the stored records among these keys."""
        return {row[0]: StoredRecord(*row) for row in self._rows("records", {"keys": list(keys)})}

    def snapshots(self, sources: Collection[str]) -> dict[str, int]:
        """Return the moment of the newest full refresh of each source that was taken in as a whole."""
        return dict(self._rows("snapshots", {"sources": list(sources)}))

    def absent(self, source: str, snapshot: int, version: int) -> list[StoredRecord]:
        """Return the source's observed records that no full refresh since `snapshot` held and that are older."""
        rows = self._rows("absent", {"source": source, "snapshot": snapshot, "version": version})
        return [StoredRecord(*row) for row in rows]

    def live_count(self, source: str) -> int:
        """Return how many observed records the source has."""
        return int(self._rows("live_count", {"source": source})[0][0])

    def commit(self, feed: str, before: SourceState, writes: Writes) -> None:
        """Save a batch in one transaction; raise FencedError when another process has read on from `before`."""
        with wrap_errors(), self._connection.transaction():
            for one in sorted(writes.progress, key=lambda each: each.digest):
                self._advance(feed, before.get(one.digest), one)
            records = [one._asdict() for one in sorted(writes.records)]  # in order of keys: no two batches deadlock
            if records:
                self._connection.execute(self._sql["save_records"], {"records": _encode(records).decode()})
            for source, snapshot in sorted(writes.snapshots.items()):
                self._connection.execute(self._sql["save_snapshot"], {"source": source, "snapshot": snapshot})
            self._connection.execute(self._sql["add_totals"], {"feed": feed, **writes.totals._asdict()})

    def status(self, feed: str) -> FeedStatus:
        """Return the feed's counts and whether it is paused."""
        for row in self._rows("status", {"feed": feed}):
            return FeedStatus(feed, Totals(*row[:5]), row[5], row[6])
        return FeedStatus(feed)

    def set_paused(self, feed: str, *, paused: bool, reason: str = "") -> None:
        """Pause or resume a feed; a run that is under way stops after its batch."""
        with wrap_errors():
            self._connection.execute(self._sql["set_paused"], {"feed": feed, "paused": paused, "reason": reason})

    def forget(self, feed: str, name: str | None = None) -> int:
        """Let the next run read the files of this name, or all of the feed, from their beginning; count them."""
        with wrap_errors():
            return self._connection.execute(self._sql["forget_files"], {"feed": feed, "name": name}).rowcount

    def begin_again(self) -> int:
        """Forget what was read and published, of every feed, but for what was erased; return the number of records."""
        with wrap_errors(), self._connection.transaction():
            self._connection.execute(self._sql["forget_snapshots"])
            self._connection.execute(self._sql["forget_all_files"])
            return self._connection.execute(self._sql["forget_records"]).rowcount

    def versions(self, keys: Collection[str]) -> dict[str, int]:
        """Return the newest version that was heard of each of these records."""
        return {key: record.version for key, record in self.records(keys).items()}

    def erase(self, floors: Mapping[str, int]) -> None:
        """Forget what these records said up to these versions, and refuse it when it is sent again."""
        with wrap_errors():
            self._connection.execute(
                self._sql["erase_record"], {"keys": list(floors), "versions": list(floors.values())}
            )

    def _advance(self, feed: str, before: FileProgress | None, after: FileProgress) -> None:
        """Move one file's progress by compare-and-set: a process that fell behind cannot move it back."""
        parameters = {
            "feed": feed,
            "digest": after.digest,
            "name": after.name,
            "items": after.items,
            "finished": after.finished,
            "before": before.items if before else None,
        }
        block = "advance_file" if before else "begin_file"
        if self._connection.execute(self._sql[block], parameters).rowcount != 1:
            raise FencedError(_fenced(feed))

    def _rows(self, block: str, parameters: Mapping[str, object]) -> list[TupleRow]:
        with wrap_errors():
            return self._connection.execute(self._sql[block], parameters).fetchall()


def _fenced(feed: str) -> str:
    return f"feed {feed}: another process has read on; stop one of the two"
