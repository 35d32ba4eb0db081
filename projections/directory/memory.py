"""The directory's state in memory: the twin of the PostgreSQL one, for tests of the fold and for small look-ups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from projections.directory.state import (
    Changes,
    EntryRow,
    IdentityVersion,
    LineageStep,
    Membership,
    RecordVersion,
    Stamp,
)


@dataclass(slots=True)
class InMemoryDirectory:
    """Working and published tables as dictionaries."""

    records: dict[str, RecordVersion] = field(default_factory=dict)
    children: dict[str, IdentityVersion] = field(default_factory=dict)
    memberships: set[Membership] = field(default_factory=set)
    entries: dict[str, EntryRow] = field(default_factory=dict)
    lineage: dict[str, LineageStep] = field(default_factory=dict)

    def stamps(self, record_keys: Collection[str]) -> Mapping[str, Stamp]:
        """Return the stored stamp of each of these records that is known."""
        return {key: self.records[key].stamp for key in record_keys if key in self.records}

    def identities(self, child_numbers: Collection[str]) -> Mapping[str, IdentityVersion]:
        """Return the stored version of each of these child numbers that is known."""
        return {child: self.children[child] for child in child_numbers if child in self.children}

    def children_of(self, record_keys: Collection[str]) -> Collection[str]:
        """Return the child numbers whose newest membership holds any of these records."""
        return {membership.child_number for membership in self.memberships if membership.record_key in record_keys}

    def live_records(self, record_keys: Collection[str]) -> Mapping[str, RecordVersion]:
        """Return those of these records that are stored and live."""
        return {
            key: self.records[key]
            for key in record_keys
            if key in self.records and self.records[key].person is not None
        }

    def save(self, changes: Changes) -> None:
        """Write the changes of one batch."""
        for record in (*changes.new_records, *changes.changed_records):
            self.records[record.record_key] = record
        for identity in (*changes.new_identities, *changes.changed_identities):
            self.children[identity.child_number] = identity
        self.memberships.difference_update(changes.left)
        self.memberships.update(changes.joined)
        self.lineage.update((step.event_id, step) for step in changes.lineage)
        self.entries.update((row.child_number, row) for row in (*changes.new_entries, *changes.changed_entries))
        for child in changes.removed_entries:
            self.entries.pop(child, None)
