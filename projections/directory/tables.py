"""The directory's state in PostgreSQL: reads a batch's surroundings, and writes its changes in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from connectors.postgres import sql_blocks
from projections.base import Rows
from projections.directory.rulings import Revocation, Ruling
from projections.directory.state import (
    Changes,
    EntryRow,
    IdentityVersion,
    LineageStep,
    RecordVersion,
    ShownStep,
    Stamp,
    Surroundings,
)
from projections.directory.views import Person
from projections.text import array_text, copy_block

_SQL = sql_blocks("projections.directory.sql")
_decode_person = msgspec.json.Decoder(Person).decode
_decode_ruling = msgspec.json.Decoder(Ruling).decode
_encode = msgspec.json.Encoder().encode


class DirectoryTables:
    """The tables that the connection's search path names; one batch, one transaction."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def surroundings(self) -> Surroundings:
        """Return the newest day and which rare rows exist."""
        found = self._connection.execute(_SQL["surroundings"]).fetchone()
        return Surroundings() if found is None else Surroundings._make(found)

    def stamps(self, record_keys: Collection[str]) -> Mapping[str, Stamp]:
        """Return the stored stamp of each of these records that is known."""
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in self._select("stamps", record_keys)}

    def identities(self, child_numbers: Collection[str]) -> Mapping[str, IdentityVersion]:
        """Return the stored version of each of these child numbers that is known."""
        rows = self._select("identities", child_numbers)
        return {row[0]: IdentityVersion._make((*row[:3], tuple(row[3]), row[4], tuple(row[5]))) for row in rows}

    def children_of(self, record_keys: Collection[str]) -> Collection[str]:
        """Return the child numbers that any of these records concerns: as a member, or as a former one."""
        if not record_keys:
            return ()
        keys = array_text(record_keys)
        return [row[0] for row in self._connection.execute(_SQL["children_of"], (keys, keys), binary=True)]

    def versions(self, record_keys: Collection[str]) -> Mapping[str, RecordVersion]:
        """Return the stored version of each of these records that is known."""
        rows = self._select("versions", record_keys)
        return {row[0]: RecordVersion._make((*row[:7], row[7] and _decode_person(row[7]), row[8])) for row in rows}

    def rulings_about(self, record_keys: Collection[str]) -> Collection[Ruling]:
        """Return the stored decisions that name any of these records, whether they hold or not."""
        return [_decode_ruling(row[1]) for row in self._select("rulings_about", record_keys)]

    def rulings(self, event_ids: Collection[str]) -> Collection[Ruling]:
        """Return the stored decisions with these event ids."""
        return [_decode_ruling(row[1]) for row in self._select("rulings", event_ids)]

    def revocations(self, event_ids: Collection[str]) -> Collection[Revocation]:
        """Return the stored revocations with these event ids."""
        return self._revocations("revocations", event_ids)

    def revocations_of(self, event_ids: Collection[str]) -> Iterable[Revocation]:
        """Return the stored revocations that name any of these events."""
        return self._revocations("revocations_of", event_ids)

    def floors(self, record_keys: Collection[str]) -> Mapping[str, int]:
        """Return the highest erased source version of each of these records that has one."""
        return {row[0]: row[1] for row in self._select("floors", record_keys)}

    def erased_at(self, record_keys: Collection[str]) -> Mapping[str, datetime]:
        """Return when the newest erasure of each of these records was ordered, for those that have one."""
        return {row[0]: row[2].astimezone(UTC) for row in self._select("floors", record_keys)}

    def due(self, today: date, limit: int) -> Collection[str]:
        """Return up to so many child numbers whose due day has come, those of the earliest days."""
        return [row[0] for row in self._connection.execute(_SQL["due_children"], (today, limit))]

    def steps_of(self, child_numbers: Collection[str], record_keys: Collection[str]) -> Collection[LineageStep]:
        """Return the steps from or to these child numbers, and those of children that had any of these records."""
        rows: list[tuple[Any, ...]] = []
        if child_numbers:
            children = array_text(child_numbers)
            rows += self._connection.execute(_SQL["steps_of"], (children, children), binary=True).fetchall()
        rows += self._select("steps_with_records", record_keys)
        return [_step(row) for row in {row[0]: row for row in rows}.values()]

    def save(self, changes: Changes) -> None:
        """Write the changes of one batch: new rows straight in, changed ones through a temporary table."""
        self._save_decisions(changes)
        self._copy("copy_new_records", map(_record_row, changes.new_records))
        self._copy("copy_changed_records", map(_record_row, changes.changed_records), then="update_records")
        self._copy("copy_new_identities", map(_identity_row, changes.new_identities))
        self._copy("copy_changed_identities", map(_identity_row, changes.changed_identities), then="update_identities")
        if changes.left:
            keys, children = zip(*changes.left, strict=True)
            self._connection.execute(_SQL["delete_memberships"], (array_text(keys), array_text(children)))
        self._copy("copy_memberships", changes.joined)
        self._copy("copy_lineage", map(_lineage_row, changes.lineage), then="insert_lineage")
        self._save_entries(changes)

    def _save_decisions(self, changes: Changes) -> None:
        if changes.today is not None:
            self._connection.execute(_SQL["set_clock"], (changes.today,))
        if changes.erased:
            values = {
                "keys": array_text(changes.erased),
                "floors": list(changes.erased.values()),
                "times": [changes.erased_at[key] for key in changes.erased],
            }
            self._connection.execute(_SQL["erase"], values)
        if changes.rulings or changes.dropped_rulings:
            ids = [*changes.dropped_rulings, *(ruling.event_id for ruling in changes.rulings)]
            self._connection.execute(_SQL["delete_rulings"], {"ids": array_text(ids)})
        self._copy("copy_rulings", ((each.event_id, each.kind, _encode(each).decode()) for each in changes.rulings))
        names = ((key, each.event_id) for each in changes.rulings for key in dict.fromkeys(each.about))
        self._copy("copy_ruling_records", names)
        self._copy("copy_revocations", changes.revocations)

    def _save_entries(self, changes: Changes) -> None:
        self._copy("copy_new_entries", map(_entry_row, changes.new_entries))
        if changes.changed_entries:
            self._connection.execute(
                _SQL["delete_gone"], (array_text(row.child_number for row in changes.changed_entries),)
            )
        self._copy("copy_changed_entries", map(_entry_row, changes.changed_entries), then="upsert_entries")
        if changes.removed_entries:
            self._connection.execute(_SQL["delete_entries"], (array_text(changes.removed_entries),))
            self._connection.execute(_SQL["add_gone"], (array_text(changes.removed_entries),))
        if changes.remade:
            self._connection.execute(_SQL["delete_remade"], {"children": array_text(changes.remade)})
        self._copy("copy_shielded", changes.shielded)
        self._copy("copy_sensitive", changes.sensitive)
        self._copy("copy_archived", changes.archived)
        self._copy("copy_closed", changes.closed)
        self._copy("copy_due", changes.dues)

    def _revocations(self, name: str, keys: Collection[str]) -> list[Revocation]:
        return [Revocation(row[0], row[1], row[2], row[3].astimezone(UTC)) for row in self._select(name, keys)]

    def _select(self, name: str, keys: Collection[str]) -> Sequence[tuple[Any, ...]]:
        return self._connection.execute(_SQL[name], (array_text(keys),), binary=True).fetchall() if keys else ()

    def _copy(self, name: str, rows: Iterable[Sequence[Any]], then: str | None = None) -> None:
        """COPY the rows and run the statement that uses them; nothing is sent when there are none."""
        block = copy_block(rows)
        if not block:
            return
        with self._connection.cursor() as cursor:
            with cursor.copy(_SQL[name]) as copy:
                copy.write(block)
            if then is not None:
                cursor.execute(_SQL[then])


def _record_row(record: RecordVersion) -> tuple[Any, ...]:
    return *record[:7], None if record.person is None else _encode(record.person).decode(), record.withdrawn_at


def _identity_row(identity: IdentityVersion) -> tuple[Any, ...]:
    return *identity[:3], array_text(identity.members), identity.held, array_text(identity.former)


def _entry_row(row: EntryRow) -> tuple[Any, ...]:
    return *row[:3], array_text(row.others), *row[4:]


def _lineage_row(shown: ShownStep) -> tuple[Any, ...]:
    step, told = shown
    return (
        *step[:4],
        array_text(step.successors),
        array_text(step.causes),
        step.decided_at,
        array_text(step.records),
        *((told.kind, array_text(told.successors), array_text(told.causes)) if told else (None, None, None)),
    )


def _step(row: Sequence[Any]) -> LineageStep:
    event, child, kind, version, successors, causes, decided_at, records = row
    return LineageStep(
        event, child, kind, version, tuple(successors), tuple(causes), decided_at.astimezone(UTC), tuple(records)
    )
