"""Reads the review queue: open questions by owner, kind and age, and how each was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from psycopg.errors import InsufficientPrivilege, UndefinedTable

from connectors.postgres import sql_blocks, wrap_errors
from projections.base import Rows

_SQL = sql_blocks("projections.review.sql", "reader")
_MOST = 1_000
HOLDING = "shield_in_doubt"
"""The kind of question that keeps a child from being published, so the first to be answered."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One question. `authority` owns it, `age_days` counts from its opening to the day that was asked about.

    `evidence` are the compared pairs (weight in 1/100 bit, levels of `model`); `answers` the decisions that closed it.
    """

    conflict_id: str
    kind: str
    state: str
    version: int
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    authority: str | None
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[dict[str, Any], ...]
    decisions: tuple[str, ...]
    model: str
    resolution: str | None
    answers: tuple[str, ...]
    shielded: bool
    age_days: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many questions of one kind are open with one authority, and how old the oldest is."""

    kind: str
    authority: str | None
    open: int
    oldest_days: int


class ReviewReader:
    """Look-ups on one connection, for somebody who may see shielded questions or may not.

    Whoever may not gets the same answer for a shielded question as for none, and no number counts it. Their database
    role cannot read the table either.
    """

    def __init__(self, connection: Rows, *, shielded: bool = False) -> None:
        self._connection = connection
        self._shielded = shielded

    def conflicts(
        self,
        on: date,
        *,
        authority: str | None = None,
        kind: str | None = None,
        state: str | None = "open",
        limit: int = _MOST,
    ) -> list[Conflict]:
        """Return questions with their age on a day: those that hold a child first, then the oldest."""
        wanted = {"id": None, "authority": authority, "kind": kind, "state": state, "limit": limit}
        return self._ask(wanted, on)[:limit]

    def conflict(self, conflict_id: str, on: date) -> Conflict | None:
        """Return one question, or None when there is none that the asker may see."""
        wanted = {"id": conflict_id, "authority": None, "kind": None, "state": None, "limit": 1}
        return next(iter(self._ask(wanted, on)), None)

    def counts(self, on: date) -> list[Count]:
        """Return how many questions are open, by kind and authority: of those that the asker may see."""
        found: dict[tuple[str, str | None], tuple[int, datetime]] = {}
        for name in self._names("count_ordinary", "count_shielded"):
            with wrap_errors():
                rows = self._connection.execute(_SQL[name]).fetchall()
            for kind, authority, count, oldest in rows:
                known = found.get((kind, authority))
                found[kind, authority] = (count + known[0], min(oldest, known[1])) if known else (count, oldest)
        return [
            Count(kind, authority, count, _days(oldest, on))
            for (kind, authority), (count, oldest) in sorted(found.items(), key=lambda each: str(each[0]))
        ]

    def in_doubt(self) -> frozenset[str]:
        """Return the records about which a shielded question is open, none for whoever may not see these."""
        if not self._shielded:
            return frozenset()
        try:
            with self._connection.transaction():
                return frozenset(row[0] for row in self._connection.execute(_SQL["in_doubt"]))
        except (UndefinedTable, InsufficientPrivilege):
            return frozenset()  # the queue has never run; or the database hides these records from this login anyway

    def _ask(self, wanted: dict[str, Any], on: date) -> list[Conflict]:
        found: list[Conflict] = []
        for name in self._names("ordinary", "shielded"):
            with wrap_errors():
                found += [_conflict(row, on) for row in self._connection.execute(_SQL[name], wanted)]
        return sorted(found, key=lambda each: (each.kind != HOLDING, each.opened_at, each.conflict_id))

    def _names(self, ordinary: str, shielded: str) -> Sequence[str]:
        return (ordinary, shielded) if self._shielded else (ordinary,)


def _conflict(row: tuple[Any, ...], on: date) -> Conflict:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in row]
    names = [each.name for each in fields(Conflict)][:-1]
    return Conflict(**dict(zip(names, values, strict=True)), age_days=_days(row[4], on))


def _days(opened_at: datetime, on: date) -> int:
    return max(0, (on - opened_at.date()).days)
