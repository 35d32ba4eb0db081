"""Reads the directory for operators: an entry by child number, a child by name and date of birth, and counts.

This is the operators' view on the published tables; the service for practitioners, with its purposes, limits and audit,
is built on functions of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from connectors.postgres import sql_blocks, wrap_errors
from projections.base import Rows
from projections.directory.entry import fold_name
from projections.directory.explanation import FieldExplanation, explain_field
from projections.directory.overlay import Overlay
from projections.directory.rulings import OF_ONE, Ruling, standing
from projections.directory.state import Batch
from projections.directory.tables import DirectoryTables
from schemas.errors import RejectedError

_SQL = sql_blocks("projections.directory.sql", "reader")
_MOST_FOUND = 10

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of lineage: a child number that was merged, split or retired, its successors, when and why."""

    child_number: str
    kind: str
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known about a child number: its entry or those of its successors, and the steps that lead there.

    Both are empty when the number was never given; `entries` alone is empty when it was retired without a successor.
    """

    asked: str
    entries: tuple[Document, ...]
    lineage: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts for the operator; `children_by_source_kinds` maps a number of kinds of source to a number of children."""

    children: int
    live_records: int
    ended_records: int
    lineage: dict[str, int]
    children_by_source_kinds: dict[int, int]


def not_shown(child: str) -> RejectedError:
    """Return what is said of a child of whom the directory shows nothing; it does not tell why."""
    message = (
        f"the directory shows no child {child}: the number was never given, or nothing of the child may be shown; "
        "`contactpoint lineage` tells which numbers were"
    )
    return RejectedError("child_unknown", message)


class DirectoryReader:
    """Look-ups on one connection; each is one short read, and errors are those of `connectors.postgres`."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def entry(self, child_number: str) -> Answer:
        """Return the entry of a child number; a number that is no longer in use is followed to its successors."""
        return self._follow(child_number, "entry")

    def archived(self, child_number: str) -> Answer:
        """Return the same of the archive: entries that are in it, with why, since when and until when."""
        return self._follow(child_number, "archived")

    def _follow(self, child_number: str, query: str) -> Answer:
        entries: list[Document] = []
        steps: list[Step] = []
        waiting, seen = [child_number], set[str]()
        while waiting:
            number = waiting.pop(0)
            if number in seen:
                continue
            seen.add(number)
            found = self._document(number, query)
            history = self._lineage(number)
            steps.extend(history)
            if found is not None:
                entries.append(found)
            elif history and not self._in_use(number):
                waiting.extend(history[0].successors)  # the latest step says where its members are now
        return Answer(child_number, tuple(entries), tuple(steps))

    def find(self, family: str, birth_date: date, given: str | None = None) -> list[Document]:
        """Return the children that are shown under this family name (and given name) with this date of birth."""
        forename = fold_name(given) if given else None
        values = (birth_date, fold_name(family), forename, forename, _MOST_FOUND)
        with wrap_errors():
            rows = self._connection.execute(_SQL["find"], values).fetchall()
        return [msgspec.json.decode(row[0]) for row in rows]

    def child_of(self, record_key: str) -> list[str]:
        """Return the child numbers whose membership holds this record (one, once every event has been folded)."""
        with wrap_errors():
            return [row[0] for row in self._connection.execute(_SQL["child_of_record"], (record_key,))]

    def best_known(self, limit: int) -> list[str]:
        """Return child numbers that the most kinds of source know, for demonstrations."""
        with wrap_errors():
            return [row[0] for row in self._connection.execute(_SQL["some_children"], (limit,))]

    def explain(self, child_number: str, field: str, *, behind_shield: bool = False) -> FieldExplanation:
        """Return why a field of a child shows what it shows, from the working tables.

        Raises RejectedError for an unknown child or field, and unless `behind_shield` for a child of whom the directory
        shows nothing (held, archived) or only what a shield leaves.
        """
        with wrap_errors(), self._connection.transaction():
            self._connection.execute(_SQL["see_working_tables"])
            state = DirectoryTables(self._connection)
            around = state.surroundings()
            identity = state.identities((child_number,)).get(child_number)
            if identity is None:
                raise not_shown(child_number)
            live = [each for each in state.versions(identity.members).values() if each.person is not None]
            decided = Overlay(Batch(), state, around)
            sharers = state.identities(state.children_of(decided.shared(identity.members)))
            standings = decided.of_children({**sharers, child_number: identity}.values()).get(child_number, [])
            shown = self._document(child_number, "entry")  # read last: a shield that came meanwhile counts
        if not behind_shield and shown is None:
            raise not_shown(child_number)
        if not behind_shield and shown and shown.get("shielded"):
            raise RejectedError("shielded", "this child is shielded: the explanation needs the right to see behind it")
        return explain_field(field, live, standings, around.today)

    def unclaimed(self) -> list[tuple[Ruling, list[str]]]:
        """Return the decisions that no child has, since none has most of their records, and whose records they are.

        The oldest come first. Raises ConfigurationError while the directory has no tables that this login reads.
        """
        with wrap_errors(), self._connection.transaction():
            self._connection.execute(_SQL["see_working_tables"])
            children: dict[str, list[str]] = dict(
                self._connection.execute(_SQL["unclaimed"], (sorted(OF_ONE),)).fetchall()
            )
            state = DirectoryTables(self._connection)
            held = [each.ruling for each in standing(state.rulings(children), state) if each.holds]
        return [(ruling, children[ruling.event_id]) for ruling in held]

    def due(self) -> list[tuple[str, date]]:
        """Return the child numbers that are due for erasure by the newest day that was named, and since when."""
        with wrap_errors():
            return [(row[0], row[1]) for row in self._connection.execute(_SQL["due_for_erasure"])]

    def stats(self) -> Stats:
        """Return how much the directory holds."""
        with wrap_errors(), self._connection.transaction():
            counts = self._connection.execute(_SQL["counts"]).fetchone() or (0, 0, 0)
            lineage = self._connection.execute(_SQL["lineage_counts"]).fetchall()
            kinds = self._connection.execute(_SQL["source_kinds"]).fetchall()
        return Stats(counts[0], counts[1], counts[2], dict(lineage), dict(kinds))

    def _document(self, child_number: str, query: str) -> Document | None:
        with wrap_errors():
            found = self._connection.execute(_SQL[query], (child_number,)).fetchone()
        return None if found is None else msgspec.json.decode(found[0])

    def _in_use(self, child_number: str) -> bool:
        with wrap_errors():
            return self._connection.execute(_SQL["in_use"], (child_number,)).fetchone() is not None

    def _lineage(self, child_number: str) -> list[Step]:
        with wrap_errors():
            rows = self._connection.execute(_SQL["lineage"], (child_number,)).fetchall()
        return [Step(row[0], row[1], tuple(row[2]), tuple(row[3]), row[4]) for row in rows]
