"""The directory's state in PostgreSQL: reads a batch's surroundings, and writes its changes in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from connectors.postgres import sql_blocks
from projections.base import Rows
from projections.directory.state import Changes, IdentityVersion, RecordVersion, Stamp
from projections.directory.views import Person
from projections.text import array_text, copy_block

_SQL = sql_blocks("projections.directory.sql")
_decode_person = msgspec.json.Decoder(Person).decode
_encode = msgspec.json.Encoder().encode


class DirectoryTables:
    """The working and published tables that the connection's search path names; one batch, one transaction."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def stamps(self, record_keys: Collection[str]) -> Mapping[str, Stamp]:
        """Return the stored stamp of each of these records that is known."""
        return {row[0]: (row[1], row[2], row[3]) for row in self._select("stamps", record_keys)}

    def identities(self, child_numbers: Collection[str]) -> Mapping[str, IdentityVersion]:
        """Return the stored version of each of these child numbers that is known."""
        rows = self._select("identities", child_numbers)
        return {row[0]: IdentityVersion(row[0], row[1], row[2], tuple(row[3])) for row in rows}

    def children_of(self, record_keys: Collection[str]) -> Collection[str]:
        """Return the child numbers whose newest membership holds any of these records."""
        return [row[0] for row in self._select("children_of", record_keys)]

    def live_records(self, record_keys: Collection[str]) -> Mapping[str, RecordVersion]:
        """Return those of these records that are stored and live."""
        rows = self._select("live_records", record_keys)
        return {row[0]: RecordVersion._make((*row[:8], _decode_person(row[8]))) for row in rows}

    def save(self, changes: Changes) -> None:
        """Write the changes of one batch: new rows straight in, changed ones through a temporary table."""
        self._copy("copy_new_records", map(_record_row, changes.new_records))
        self._copy("copy_changed_records", map(_record_row, changes.changed_records), then="update_records")
        self._copy("copy_new_identities", map(_identity_row, changes.new_identities))
        self._copy("copy_changed_identities", map(_identity_row, changes.changed_identities), then="update_identities")
        if changes.left:
            keys, children = zip(*changes.left, strict=True)
            self._connection.execute(_SQL["delete_memberships"], (array_text(keys), array_text(children)))
        self._copy("copy_memberships", changes.joined)
        lineage = (
            (*step[:4], array_text(step.successors), array_text(step.causes), step.decided_at)
            for step in changes.lineage
        )
        self._copy("copy_lineage", lineage, then="insert_lineage")
        self._copy("copy_new_entries", changes.new_entries)
        self._copy("copy_changed_entries", changes.changed_entries, then="upsert_entries")
        if changes.removed_entries:
            self._connection.execute(_SQL["delete_entries"], (array_text(changes.removed_entries),))

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
    return *record[:8], None if record.person is None else _encode(record.person).decode()


def _identity_row(identity: IdentityVersion) -> tuple[Any, ...]:
    return *identity[:3], array_text(identity.members)
