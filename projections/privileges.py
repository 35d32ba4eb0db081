"""Which of our database roles may do what, as pg_catalog says it: a text to compare with the one that is checked in."""

from __future__ import annotations

from connectors.postgres import sql_blocks, wrap_errors
from projections.base import Rows

_SQL = sql_blocks("projections.sql", "privileges")


def matrix(connection: Rows) -> list[str]:
    """Return one line a role and object: role, kind, name, rights. Rights of everybody are those of `public`."""
    return _lines(connection, "matrix")


def flaws(connection: Rows) -> list[str]:
    """Return what no role or function of ours may be: powerful, an owner of tables, open to a foreign search path."""
    return [line for name in ("attributes", "owned_tables", "unpinned") for line in _lines(connection, name)]


def _lines(connection: Rows, name: str) -> list[str]:
    with wrap_errors():
        return [row[0] for row in connection.execute(_SQL[name]).fetchall()]
