"""The directory's state in memory: the twin of the PostgreSQL one, for tests of the fold and for small look-ups."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from projections.directory.rulings import SEVERED, Revocation, Ruling
from projections.directory.state import (
    ArchivedRow,
    Changes,
    EntryRow,
    IdentityVersion,
    LineageStep,
    Membership,
    RecordVersion,
    SensitiveRow,
    ShieldedRow,
    ShownStep,
    Stamp,
    Surroundings,
)


@dataclass(slots=True)
class InMemoryDirectory:
    """Working, published and restricted tables as dictionaries."""

    records: dict[str, RecordVersion] = field(default_factory=dict)
    children: dict[str, IdentityVersion] = field(default_factory=dict)
    memberships: set[Membership] = field(default_factory=set)
    entries: dict[str, EntryRow] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    lineage: dict[str, ShownStep] = field(default_factory=dict)
    shielded: dict[str, ShieldedRow] = field(default_factory=dict)
    sensitive: dict[str, SensitiveRow] = field(default_factory=dict)
    archived: dict[str, ArchivedRow] = field(default_factory=dict)
    closed: dict[str, ArchivedRow] = field(default_factory=dict)
    dues: dict[str, date] = field(default_factory=dict)
    decisions: dict[str, Ruling] = field(default_factory=dict)
    taken_back: dict[str, Revocation] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    ordered: dict[str, datetime] = field(default_factory=dict)
    today: date | None = None

    def surroundings(self) -> Surroundings:
        """Return the newest day and which rare rows exist."""
        return Surroundings(
            self.today,
            bool(self.decisions or self.taken_back),
            any(ruling.kind == SEVERED for ruling in self.decisions.values()),
            bool(self.erased),
            bool(self.shielded or self.sensitive or self.archived or self.closed),
            bool(self.dues),
        )

    def stamps(self, record_keys: Collection[str]) -> Mapping[str, Stamp]:
        """Return the stored stamp of each of these records that is known."""
        return {key: self.records[key].stamp for key in record_keys if key in self.records}

    def identities(self, child_numbers: Collection[str]) -> Mapping[str, IdentityVersion]:
        """Return the stored version of each of these child numbers that is known."""
        return {child: self.children[child] for child in child_numbers if child in self.children}

    def children_of(self, record_keys: Collection[str]) -> Collection[str]:
        """Return the child numbers that any of these records concerns: as a member, or as a former one."""
        now = {membership.child_number for membership in self.memberships if membership.record_key in record_keys}
        return now | {child for child, each in self.children.items() if not set(record_keys).isdisjoint(each.former)}

    def versions(self, record_keys: Collection[str]) -> Mapping[str, RecordVersion]:
        """Return the stored version of each of these records that is known."""
        return {key: self.records[key] for key in record_keys if key in self.records}

    def rulings_about(self, record_keys: Collection[str]) -> Collection[Ruling]:
        """Return the stored decisions that name any of these records, whether they hold or not."""
        return [ruling for ruling in self.decisions.values() if any(key in record_keys for key in ruling.about)]

    def rulings(self, event_ids: Collection[str]) -> Collection[Ruling]:
        """Return the stored decisions with these event ids."""
        return [self.decisions[each] for each in event_ids if each in self.decisions]

    def revocations(self, event_ids: Collection[str]) -> Collection[Revocation]:
        """Return the stored revocations with these event ids."""
        return [self.taken_back[each] for each in event_ids if each in self.taken_back]

    def revocations_of(self, event_ids: Collection[str]) -> Iterable[Revocation]:
        """Return the stored revocations that name any of these events."""
        return [each for each in self.taken_back.values() if each.target in event_ids]

    def floors(self, record_keys: Collection[str]) -> Mapping[str, int]:
        """Return the highest erased source version of each of these records that has one."""
        return {key: self.erased[key] for key in record_keys if key in self.erased}

    def erased_at(self, record_keys: Collection[str]) -> Mapping[str, datetime]:
        """Return when the newest erasure of each of these records was ordered, for those that have one."""
        return {key: self.ordered[key] for key in record_keys if key in self.ordered}

    def due(self, today: date, limit: int) -> Collection[str]:
        """Return up to so many child numbers whose due day has come, those of the earliest days."""
        return sorted((child for child, day in self.dues.items() if day <= today), key=self.dues.__getitem__)[:limit]

    def steps_of(self, child_numbers: Collection[str], record_keys: Collection[str]) -> Collection[LineageStep]:
        """Return the steps from or to these child numbers, and those of children that had any of these records."""
        return [
            step
            for step, _ in self.lineage.values()
            if step.child_number in child_numbers
            or any(child in child_numbers for child in step.successors)
            or any(key in record_keys for key in step.records)
        ]

    def save(self, changes: Changes) -> None:
        """Write the changes of one batch."""
        self._save_decisions(changes)
        for record in (*changes.new_records, *changes.changed_records):
            self.records[record.record_key] = record
        for identity in (*changes.new_identities, *changes.changed_identities):
            self.children[identity.child_number] = identity
        self.memberships.difference_update(changes.left)
        self.memberships.update(changes.joined)
        self.lineage.update((shown.step.event_id, self._first_told(shown)) for shown in changes.lineage)
        self._save_entries(changes)

    def _first_told(self, shown: ShownStep) -> ShownStep:
        """Return a step as it was first told, with the records of the newest telling."""
        known = self.lineage.get(shown.step.event_id)
        if known is None:
            return shown
        at = known.step.decided_at
        again = shown.shown and shown.shown._replace(decided_at=at)
        return ShownStep(known.step._replace(records=shown.step.records), again)

    def _save_decisions(self, changes: Changes) -> None:
        self.today = changes.today or self.today
        for key, floor in changes.erased.items():
            self.erased[key] = max(floor, self.erased.get(key, floor))
            self.ordered[key] = max(changes.erased_at[key], self.ordered.get(key, changes.erased_at[key]))
            if key in self.records and self.records[key].source_version <= floor:
                del self.records[key]
        for each in changes.dropped_rulings:
            self.decisions.pop(each, None)
        self.decisions.update((ruling.event_id, ruling) for ruling in changes.rulings)
        self.taken_back.update((each.event_id, each) for each in changes.revocations)

    def _save_entries(self, changes: Changes) -> None:
        shown = {row.child_number: row for row in (*changes.new_entries, *changes.changed_entries)}
        self.entries.update(shown)
        self.gone.difference_update(shown)
        self.gone.update(changes.removed_entries)
        for child in changes.removed_entries:
            self.entries.pop(child, None)
        for child in changes.remade:
            for rows in (self.shielded, self.sensitive, self.archived, self.closed, self.dues):
                rows.pop(child, None)
        self.shielded.update((row.child_number, row) for row in changes.shielded)
        self.sensitive.update((row.child_number, row) for row in changes.sensitive)
        self.archived.update((row.child_number, row) for row in changes.archived)
        self.closed.update((row.child_number, row) for row in changes.closed)
        self.dues.update((row.child_number, row.due) for row in changes.dues)
