"""What is new in a batch: pure decisions over the records as they were last published.

A statement counts when its `(version, fingerprint)` is greater than that of the record's last state, and becomes an
event when it changes that state. So the same batch over the same store gives the same events with the same ids, and a
crash between publishing and saving repeats ids, not facts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Protocol

from connectors.raw import Item, RawPerson, RawRecord, RejectedItem, SnapshotEnd
from ingest import partial
from ingest.normalise import is_in_scope, normalise
from ingest.policy import Policy
from ingest.store import StoredRecord
from ingest.text import clean_birth_date
from schemas.codec import EncodedEvent, encode, spell
from schemas.events import MergedInto, RecordMerged, RecordObserved, RecordWithdrawn, record_event_id
from schemas.moments import from_micros

Outcome = Literal["accepted", "unchanged", "late", "out_of_scope"]
_SECOND = 1_000_000


class Records(Protocol):
    """What the decisions need to read of a store."""

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


class Decision(NamedTuple):
    """What one statement came to."""

    outcome: Outcome
    events: tuple[EncodedEvent, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Ledger:
    """The records of a batch: as the store has them, then as the batch leaves them."""

    store: Records
    known: dict[str, StoredRecord] = field(default_factory=dict)
    changed: dict[str, StoredRecord] = field(default_factory=dict)
    snapshots: dict[str, int] = field(default_factory=dict)

    def fetch(self, items: Iterable[Item]) -> None:
        """Read from the store, in one go, what these items speak of."""
        self.known.update(self.store.records(keys_of(items)))
        sources = {item.source for item in items if isinstance(item, RawRecord) and item.snapshot}
        if sources:
            self.snapshots.update(self.store.snapshots(sources))

    def get(self, key: str) -> StoredRecord | None:
        """Return a record as the batch has left it so far."""
        return self.changed.get(key) or self.known.get(key)

    def put(self, record: StoredRecord) -> None:
        """Leave a record in this state."""
        if record != self.get(record.key):
            self.changed[record.key] = record

    def touch(self, key: str, snapshot: int) -> None:
        """Note that a full refresh held this record."""
        record = self.get(key)
        if record is not None and snapshot > record.seen:
            self.put(record._replace(seen=snapshot))

    def absent(self, source: str, end: SnapshotEnd) -> list[StoredRecord]:
        """Return the source's observed records that the full refresh did not hold, in order of their keys."""
        found = {one.key: one for one in self.store.absent(source, end.snapshot, end.version)}
        for key, record in self.changed.items():
            gone = record.status == "observed" and record.seen < end.snapshot and record.version < end.version
            if gone and key.startswith(f"{source}:"):
                found[key] = record
            else:
                found.pop(key, None)
        return [found[key] for key in sorted(found)]

    def live_count(self, source: str) -> int:
        """Return how many observed records the source has, with those of this batch."""
        count = self.store.live_count(source)
        for key, record in self.changed.items():
            if key.startswith(f"{source}:"):
                before = self.known.get(key)
                count += (record.status == "observed") - (before is not None and before.status == "observed")
        return count


def keys_of(items: Iterable[Item]) -> set[str]:
    """Return the keys of all records that these items speak of."""
    keys: set[str] = set()
    for item in items:
        if isinstance(item, RawRecord):
            keys.add(item.key)
            keys.update(f"{item.source}:{old}" for old in item.replaces)
        elif isinstance(item, RejectedItem) and item.key:
            keys.add(item.key)
    return keys


def fingerprint(content: bytes) -> str:
    """Return the fingerprint of a record's content."""
    return blake2b(content, digest_size=16).hexdigest()


class ChangeDetector:
    """Decides about one batch of one feed; `ingested_at` is the moment at which the batch was received."""

    def __init__(self, feed: str, policy: Policy, ledger: Ledger, ingested_at: datetime) -> None:
        self._feed = feed
        self._policy = policy
        self._ledger = ledger
        self._ingested_at = ingested_at

    def decide(self, raw: RawRecord) -> Decision:
        """Decide about one statement; raise RejectedError when nothing tells who it is about."""
        if raw.snapshot and raw.snapshot < self._ledger.snapshots.get(raw.source, 0):
            return Decision("late")  # a newer full refresh has said who there is
        self._ledger.touch(raw.key, raw.snapshot)
        stored = self._ledger.get(raw.key)
        if stored is not None and stored.status == "erased" and raw.version <= stored.version:
            return Decision("late")  # as if it had never been said, also when it is sent again
        decide: Callable[[RawRecord], Decision] = {
            "observed": self._observed, "withdrawn": self._withdrawn, "merged": self._merged,
        }[raw.kind]  # fmt: skip
        return decide(raw)

    def withdraw(self, absent: Iterable[StoredRecord], end: SnapshotEnd) -> list[EncodedEvent]:
        """Withdraw records that a full refresh did not hold."""
        events: list[EncodedEvent] = []
        for record in absent:
            mark = fingerprint(b"withdrawn")
            self._ledger.put(record._replace(version=end.version, fingerprint=mark, status="withdrawn"))
            event = RecordWithdrawn(**self._envelope(record.key, "record.withdrawn", end.version, mark))
            events.append(encode(event))
        return events

    def _observed(self, raw: RawRecord) -> Decision:
        stored = self._ledger.get(raw.key)
        person, version, content = raw.person or RawPerson(), raw.version, None
        if raw.partial:
            before = partial.load(stored.content if stored else None)
            state = partial.fold(before, person, version)
            if stored is not None and state is before:
                return self._nothing_new(stored, version)
            person, content = state.person, partial.dump(state)
            if stored is not None and version <= stored.version:
                version = stored.version + 1  # a late statement that fills a gap makes a new version of the whole
        said_on = _day(raw)
        normalised = normalise(person, self._policy, said_on)
        if not is_in_scope(normalised.person.birth_date, self._policy, said_on):
            return Decision("out_of_scope")
        data = spell(normalised.person)
        mark = fingerprint(data)
        if stored is not None and (version, mark) <= (stored.version, stored.fingerprint):
            return self._nothing_new(stored, version)
        after = StoredRecord(
            raw.key, version, mark, "observed", content, max(raw.snapshot, stored.seen if stored else 0)
        )
        self._ledger.put(after)
        if stored is not None and stored.status == "observed" and stored.fingerprint == mark:
            return Decision("unchanged", (), normalised.notes)
        envelope = self._envelope(raw.key, "record.observed", version, mark, raw)
        event = RecordObserved(**envelope, data=normalised.person)
        return Decision("accepted", (encode(event, data), *self._replaced(raw)), normalised.notes)

    def _replaced(self, raw: RawRecord) -> list[EncodedEvent]:
        """Merge the source's records under this record's earlier ids into it, as far as they are known."""
        events: list[EncodedEvent] = []
        for old in raw.replaces:
            stored = self._ledger.get(f"{raw.source}:{old}")
            if stored is not None and stored.status == "observed" and stored.version < raw.version:
                events.append(self._merge(stored, raw.key, raw))
        return events

    def _withdrawn(self, raw: RawRecord) -> Decision:
        stored = self._ledger.get(raw.key)
        if stored is None and not self._may_concern(raw):
            return Decision("out_of_scope")
        mark = fingerprint(b"withdrawn")
        content = _without(stored, raw.version)
        if stored is not None and (raw.version, mark) <= (stored.version, stored.fingerprint):
            self._ledger.put(stored._replace(content=content))
            return Decision("late")
        self._ledger.put(
            StoredRecord(raw.key, raw.version, mark, "withdrawn", content, stored.seen if stored else raw.snapshot)
        )
        if stored is None or stored.status == "withdrawn":
            return Decision("unchanged")  # never published, or gone already; older statements now stay out
        event = RecordWithdrawn(**self._envelope(raw.key, "record.withdrawn", raw.version, mark, raw))
        return Decision("accepted", (encode(event),))

    def _merged(self, raw: RawRecord) -> Decision:
        stored = self._ledger.get(raw.key)
        if stored is None and not self._may_concern(raw):
            return Decision("out_of_scope")
        survivor = f"{raw.source}:{raw.merged_into}"
        if stored is None:
            stored = StoredRecord(raw.key, -1, "", "withdrawn")
        if stored.status == "merged" and stored.fingerprint == _merge_mark(survivor):
            return self._nothing_new(stored, raw.version)
        return Decision("accepted", (self._merge(stored, survivor, raw),))

    def _merge(self, stored: StoredRecord, survivor: str, raw: RawRecord) -> EncodedEvent:
        """Return the merge, and note it unless the loser was heard of since: even then it says who the loser is."""
        mark = _merge_mark(survivor)
        content = _without(stored, raw.version)
        if (raw.version, mark) > (stored.version, stored.fingerprint):
            stored = stored._replace(version=raw.version, fingerprint=mark, status="merged")
        self._ledger.put(stored._replace(content=content))
        envelope = self._envelope(stored.key, "record.merged", raw.version, mark, raw)
        return encode(RecordMerged(**envelope, data=MergedInto(survivor=survivor)))

    def _nothing_new(self, stored: StoredRecord, version: int) -> Decision:
        if version > stored.version:
            self._ledger.put(stored._replace(version=version))
        return Decision("late" if version < stored.version else "unchanged")

    def _may_concern(self, raw: RawRecord) -> bool:
        """Tell whether a record that was never published could be a child's, from what the statement says of it."""
        said = raw.person.birth_date if raw.person else None
        born, _, _ = clean_birth_date(said or "", _day(raw))
        return is_in_scope(born, self._policy, _day(raw))

    def _envelope(
        self, key: str, event_type: str, version: int, mark: str, raw: RawRecord | None = None
    ) -> dict[str, Any]:
        effective = raw.effective if raw else None
        return {
            "event_id": record_event_id(key, event_type, version, mark),
            "subject": key,
            "feed": self._feed,
            "source_version": version,
            "fingerprint": mark,
            "source_time": from_micros(version // _SECOND * _SECOND),
            "effective_time": None if effective is None else from_micros(effective),
            "ingested_at": self._ingested_at,
        }


def _day(raw: RawRecord) -> date:
    return from_micros(raw.version).date()


def _merge_mark(survivor: str) -> str:
    return fingerprint(b"merged into " + survivor.encode())


def _without(stored: StoredRecord | None, version: int) -> bytes | None:
    """Return the items that a source of changes said after `version`."""
    if stored is None or stored.content is None:
        return None
    return partial.dump(partial.withdraw(partial.load(stored.content), version))
