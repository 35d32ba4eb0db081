"""What the directory's fold works on: versions of records and identities, and the changes that a batch makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol

from projections.directory.views import Person

Stamp = tuple[int, str, str]
"""What orders the versions of one record: source version, fingerprint, event type."""


class RecordVersion(NamedTuple):
    """The newest version of one source record; `person` is None when the record is withdrawn or merged.

    `recorded_at` is the source's own time in microseconds since 1970 (None when it gave none). `hides_source` marks a
    record with a sensitive involvement: its key would name the provider, so readers never see it.
    """

    record_key: str
    source_version: int
    fingerprint: str
    event_type: str
    event_id: str
    source_kind: str
    recorded_at: int | None
    hides_source: bool
    person: Person | None

    @property
    def stamp(self) -> Stamp:
        """Return what orders this version among those of its record."""
        return self.source_version, self.fingerprint, self.event_type


class IdentityVersion(NamedTuple):
    """The newest known membership of one child number."""

    child_number: str
    version: int
    event_type: str
    members: tuple[str, ...]

    @property
    def stamp(self) -> tuple[int, str]:
        """Return what orders this version among those of its child number."""
        return self.version, self.event_type


class LineageStep(NamedTuple):
    """One event by which a child number gave members away or was retired; it stays for ever."""

    event_id: str
    child_number: str
    kind: str
    version: int
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    decided_at: datetime


class Membership(NamedTuple):
    """One record in the newest membership of one child number."""

    record_key: str
    child_number: str


class EntryRow(NamedTuple):
    """One published entry: what it is found by (folded), and the document that is shown (JSON)."""

    child_number: str
    surname: str | None
    forename: str | None
    birth_date: date | None
    postcode: str | None
    document: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that one batch writes; `new` and `changed` rows are apart because they are stored differently.

    A new entry is that of a child number that was not known before; a changed one may or may not be there already.
    """

    new_records: Sequence[RecordVersion] = ()
    changed_records: Sequence[RecordVersion] = ()
    new_identities: Sequence[IdentityVersion] = ()
    changed_identities: Sequence[IdentityVersion] = ()
    joined: Sequence[Membership] = ()
    left: Sequence[Membership] = ()
    lineage: Sequence[LineageStep] = ()
    new_entries: Sequence[EntryRow] = ()
    changed_entries: Sequence[EntryRow] = ()
    removed_entries: Sequence[str] = ()


@dataclass(slots=True)
class Batch:
    """The newest version of each record and child number in one batch of events, and its lineage steps."""

    records: dict[str, RecordVersion] = field(default_factory=dict)
    identities: dict[str, IdentityVersion] = field(default_factory=dict)
    lineage: dict[str, LineageStep] = field(default_factory=dict)


class DirectoryState(Protocol):
    """Where the newest versions are kept: PostgreSQL, or memory in tests."""

    def stamps(self, record_keys: Collection[str]) -> Mapping[str, Stamp]:
        """Return the stored stamp of each of these records that is known."""
        ...

    def identities(self, child_numbers: Collection[str]) -> Mapping[str, IdentityVersion]:
        """Return the stored version of each of these child numbers that is known."""
        ...

    def children_of(self, record_keys: Collection[str]) -> Collection[str]:
        """Return the child numbers whose newest membership holds any of these records."""
        ...

    def live_records(self, record_keys: Collection[str]) -> Mapping[str, RecordVersion]:
        """Return those of these records that are stored and live."""
        ...

    def save(self, changes: Changes) -> None:
        """Write the changes of one batch."""
        ...
