"""Figures about the whole: how many children, shields, questions, accounts and findings, and at which position.

All are counted in one snapshot of the database. Those of the projections are a function of the log up to the positions
that are told with them; each change of an account or a finding is in the trail of access, so theirs are as of its size.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors.postgres import sql_blocks, wrap_errors
from projections import checkpoint
from projections.base import Rows

_SQL = sql_blocks("projections.sql", "figures")
# Each part with a table that is there when the part has ever run.
_PARTS = {
    "directory": "directory.entry",
    "review": "review.conflict",
    "access": "audit.tree",
    "service": "service.person",
}


class Figure(NamedTuple):
    """One number: of which part, what it counts, how many there are, and the position up to which that is so."""

    part: str
    what: str
    number: int
    position: str


def figures(connection: Rows) -> list[Figure]:
    """Return the figures of every part that has ever run; none of them says anything of a child."""
    with wrap_errors(), connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        there = [
            part for part, table in _PARTS.items() if connection.execute(_SQL["there"], (table,)).fetchone() == (True,)
        ]
        counted: dict[str, dict[str, int]] = {part: dict(connection.execute(_SQL[part]).fetchall()) for part in there}
        held = checkpoint.all_positions(connection) if {"directory", "review"} & set(there) else {}
    entries = sum(counted.get("access", {}).get(what, 0) for what in ("entries", "entries not numbered yet"))
    at = {part: _position(held.get(part, {})) for part in ("directory", "review")}
    trail = f"entry {entries} of the trail of access"
    return [
        Figure(part, what, number, at.get(part, trail))
        for part, numbers in counted.items()
        for what, number in numbers.items()
    ]


def _position(held: dict[tuple[str, int], int]) -> str:
    """Return the next offset to read of each partition in words; partitions of which nothing was read are left out."""
    return " ".join(f"{topic}/{part}@{offset}" for (topic, part), offset in sorted(held.items()) if offset)
