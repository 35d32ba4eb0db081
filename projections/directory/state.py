"""What the directory's fold works on: versions of records and identities, and the changes that a batch makes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol

from projections.directory.rulings import Revocation, Ruling
from projections.directory.views import Person

Stamp = tuple[int, str, str, int]
"""What orders the versions of one record: source version, fingerprint, event type.

The last part is 0, of a withdrawal the negative time at which we heard of it: told twice, the first time counts.
"""


class RecordVersion(NamedTuple):
    """The newest version of one source record; `person` is None when the record is withdrawn or merged.

    `recorded_at` is the source's own time in microseconds since 1970 (None when it gave none). `withdrawn_at` is when
    this pipeline heard that the record is withdrawn (None while it is live): a period of retention begins then.
    """

    record_key: str
    source_version: int
    fingerprint: str
    event_type: str
    event_id: str
    source_kind: str
    recorded_at: int | None
    person: Person | None
    withdrawn_at: int | None = None

    @property
    def stamp(self) -> Stamp:
        """Return what orders this version among those of its record."""
        return self.source_version, self.fingerprint, self.event_type, -(self.withdrawn_at or 0)


class IdentityVersion(NamedTuple):
    """The newest known membership of one child number; nothing is published of a `held` child.

    `former` are the last members of a number that was retired because all of them were withdrawn.
    """

    child_number: str
    version: int
    event_type: str
    members: tuple[str, ...]
    held: bool = False
    former: tuple[str, ...] = ()

    @property
    def concerns(self) -> tuple[str, ...]:
        """Return the records on which depends what becomes of the child."""
        return self.members or self.former

    @property
    def stamp(self) -> tuple[int, str]:
        """Return what orders this version among those of its child number."""
        return self.version, self.event_type


class LineageStep(NamedTuple):
    """One event by which a child number gave members away or was retired; it stays for ever.

    `records` are those that the child had before and after; they are never published.
    """

    event_id: str
    child_number: str
    kind: str
    version: int
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    decided_at: datetime
    records: tuple[str, ...] = ()


class ShownStep(NamedTuple):
    """A step and how it is published: without what a severance cuts, and not at all where nothing else is in it."""

    step: LineageStep
    shown: LineageStep | None


class Membership(NamedTuple):
    """One record in the newest membership of one child number."""

    record_key: str
    child_number: str


class EntryRow(NamedTuple):
    """One published entry: what it is found by (folded), and the document that is shown (JSON).

    `others` are its further names, each `surname` or `surname forename` folded. A shielded child has no postcode and
    the document of a `ShieldedEntry`.
    """

    child_number: str
    surname: str | None
    forename: str | None
    others: tuple[str, ...]
    birth_date: date | None
    sex: str | None
    postcode: str | None
    shielded: bool
    document: str


class ShieldedRow(NamedTuple):
    """The whole entry of a shielded child, for those who may see behind a shield."""

    child_number: str
    document: str


class SensitiveRow(NamedTuple):
    """The sensitive services that a child's entry shows without their names, for those who broker contact."""

    child_number: str
    document: str


class ArchivedRow(NamedTuple):
    """The whole entry of a child whose record is archived: why, since when, and when that changes."""

    child_number: str
    cause: str
    archived_on: date
    until: date
    shielded: bool
    document: str


class DueRow(NamedTuple):
    """The day on which an entry has to be made again although no event touches it."""

    child_number: str
    due: date


class Surroundings(NamedTuple):
    """The newest day that a clock event named, and which kinds of rare rows exist at all: one cheap look a batch."""

    today: date | None = None
    rulings: bool = False
    severances: bool = False
    erasures: bool = False
    restricted: bool = False
    dues: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that one batch writes; `new` and `changed` rows are apart because they are stored differently.

    A new entry is that of a child number that was not known before; a changed one may or may not be there already.
    `remade` are known child numbers whose rows in the restricted tables and whose due days are replaced. `more_due`:
    there may be further children whose day has come.
    """

    new_records: Sequence[RecordVersion] = ()
    changed_records: Sequence[RecordVersion] = ()
    new_identities: Sequence[IdentityVersion] = ()
    changed_identities: Sequence[IdentityVersion] = ()
    joined: Sequence[Membership] = ()
    left: Sequence[Membership] = ()
    lineage: Sequence[ShownStep] = ()
    new_entries: Sequence[EntryRow] = ()
    changed_entries: Sequence[EntryRow] = ()
    removed_entries: Sequence[str] = ()
    remade: Sequence[str] = ()
    shielded: Sequence[ShieldedRow] = ()
    sensitive: Sequence[SensitiveRow] = ()
    archived: Sequence[ArchivedRow] = ()
    closed: Sequence[ArchivedRow] = ()
    dues: Sequence[DueRow] = ()
    rulings: Sequence[Ruling] = ()
    dropped_rulings: Sequence[str] = ()
    revocations: Sequence[Revocation] = ()
    erased: Mapping[str, int] = field(default_factory=dict)
    erased_at: Mapping[str, datetime] = field(default_factory=dict)
    today: date | None = None
    more_due: bool = False


@dataclass(slots=True)
class Batch:
    """The newest version of each record and child number in one batch of events, its lineage steps and decisions."""

    records: dict[str, RecordVersion] = field(default_factory=dict)
    identities: dict[str, IdentityVersion] = field(default_factory=dict)
    lineage: dict[str, LineageStep] = field(default_factory=dict)
    rulings: dict[str, Ruling] = field(default_factory=dict)
    revocations: dict[str, Revocation] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    erased_at: dict[str, datetime] = field(default_factory=dict)
    today: date | None = None


class DirectoryState(Protocol):
    """Where the newest versions are kept: PostgreSQL, or memory in tests."""

    def surroundings(self) -> Surroundings:
        """Return the newest day and which rare rows exist."""
        ...

    def stamps(self, record_keys: Collection[str]) -> Mapping[str, Stamp]:
        """Return the stored stamp of each of these records that is known."""
        ...

    def identities(self, child_numbers: Collection[str]) -> Mapping[str, IdentityVersion]:
        """Return the stored version of each of these child numbers that is known."""
        ...

    def children_of(self, record_keys: Collection[str]) -> Collection[str]:
        """Return the child numbers that any of these records concerns: as a member, or as a former one."""
        ...

    def versions(self, record_keys: Collection[str]) -> Mapping[str, RecordVersion]:
        """Return the stored version of each of these records that is known."""
        ...

    def rulings_about(self, record_keys: Collection[str]) -> Collection[Ruling]:
        """Return the stored decisions that name any of these records, whether they hold or not."""
        ...

    def rulings(self, event_ids: Collection[str]) -> Collection[Ruling]:
        """Return the stored decisions with these event ids."""
        ...

    def revocations(self, event_ids: Collection[str]) -> Collection[Revocation]:
        """Return the stored revocations with these event ids."""
        ...

    def revocations_of(self, event_ids: Collection[str]) -> Iterable[Revocation]:
        """Return the stored revocations that name any of these events."""
        ...

    def floors(self, record_keys: Collection[str]) -> Mapping[str, int]:
        """Return the highest erased source version of each of these records that has one."""
        ...

    def erased_at(self, record_keys: Collection[str]) -> Mapping[str, datetime]:
        """Return when the newest erasure of each of these records was ordered, for those that have one."""
        ...

    def due(self, today: date, limit: int) -> Collection[str]:
        """Return up to so many child numbers whose due day has come, those of the earliest days."""
        ...

    def steps_of(self, child_numbers: Collection[str], record_keys: Collection[str]) -> Collection[LineageStep]:
        """Return the steps from or to these child numbers, and those of children that had any of these records."""
        ...

    def save(self, changes: Changes) -> None:
        """Write the changes of one batch."""
        ...
