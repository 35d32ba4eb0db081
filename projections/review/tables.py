"""The review queue's tables on one connection, as the fold's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from connectors.postgres import sql_blocks
from projections.base import Rows
from projections.review.fold import Changes, ConflictVersion, LinkDecision, QueueRow
from projections.review.views import EvidenceView

_SQL = sql_blocks("projections.review.sql")
_EVIDENCE = msgspec.json.Decoder(tuple[EvidenceView, ...])
_encode = msgspec.json.Encoder().encode


class ReviewTables:
    """Reads and writes in the caller's transaction; unqualified names mean the tables of the search path."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def conflicts(self, ids: Iterable[str]) -> Mapping[str, ConflictVersion]:
        """Return what is known of these conflicts."""
        return self._conflicts("conflicts", list(ids))

    def conflicts_about(self, records: Iterable[str]) -> Mapping[str, ConflictVersion]:
        """Return the conflicts about any of these records."""
        return self._conflicts("conflicts_about", list(records))

    def decisions_about(self, records: Iterable[str]) -> Sequence[LinkDecision]:
        """Return the decisions that name any of these records."""
        rows = self._connection.execute(_SQL["decisions_about"], (list(records),)).fetchall()
        return [LinkDecision._make((*row[:6], tuple(row[6]), tuple(row[7]))) for row in rows]

    def save(self, changes: Changes) -> None:
        """Write the changes."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_SQL["save_conflict"], map(_as_row, changes.conflicts))
            cursor.executemany(_SQL["save_decision"], map(_as_row, changes.decisions))
            cursor.executemany(_SQL["save_ordinary"], map(_as_row, changes.ordinary))
            cursor.executemany(_SQL["save_shielded"], map(_as_row, changes.shielded))
        self._connection.execute(_SQL["drop_shielded"], ([row.conflict_id for row in changes.ordinary],))
        self._connection.execute(_SQL["drop_ordinary"], ([row.conflict_id for row in changes.shielded],))

    def _conflicts(self, query: str, wanted: list[str]) -> Mapping[str, ConflictVersion]:
        found = [_conflict(*row) for row in self._connection.execute(_SQL[query], (wanted,))]
        return {each.conflict_id: each for each in found}


def _conflict(*row: Any) -> ConflictVersion:
    records, children, evidence, decisions = row[7:11]
    middle = (tuple(records), tuple(children), _EVIDENCE.decode(evidence), tuple(decisions))
    return ConflictVersion._make((*row[:7], *middle, *row[11:]))


def _as_row(values: ConflictVersion | LinkDecision | QueueRow) -> list[Any]:
    """Return a row's values as psycopg takes them: evidence as JSON, tuples as lists."""
    return [_plain(value, name) for name, value in zip(values._fields, values, strict=True)]


def _plain(value: Any, name: str) -> Any:
    if name == "evidence":
        return _encode(value).decode()
    return list(value) if isinstance(value, tuple) else value
