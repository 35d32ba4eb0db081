"""The memberships that matching holds, and how good they are against a simulated truth."""

from __future__ import annotations

from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from connectors.vault import RecordKeys
from contactpoint.model_tools.quality import Quality, measure, read_truth
from matching.sql import QUERIES


def memberships(connection: Connection[TupleRow]) -> dict[str, tuple[str, ...]]:
    """Return each child number in use with its record keys, sorted."""
    with wrap_errors():
        return {row[0]: tuple(row[2]) for row in connection.execute(QUERIES["children"])}


def measure_memberships(connection: Connection[TupleRow], truth: Path, keys: RecordKeys | None = None) -> Quality:
    """Compare the memberships with the truth beside a simulated world's files, by the record keys in use."""
    named = keys.key if keys else str
    return measure(memberships(connection).values(), read_truth(truth, named=named))
