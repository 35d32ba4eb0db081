"""Digests: SHA-256 over the rows of each table in key order, so that two makings of a projection can be compared.

The bytes are PostgreSQL's own text form (COPY) of the columns that are a function of the log; columns that tell of
arrival are left out. Embedded line ends are escaped there, so one line is one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from psycopg import sql

from connectors.kafka import Positions
from connectors.postgres import wrap_errors
from projections import checkpoint
from projections.base import Namespace, Projection, Rows, Table

_SESSION = "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'iso_8601'"


@dataclass(frozen=True, slots=True)
class TableDigest:
    """The digest of one table; `settled` says that it does not depend on the steps that matching took."""

    table: str
    rows: int
    sha256: str
    settled: bool


@dataclass(frozen=True, slots=True)
class ProjectionDigest:
    """The digests of a projection's tables at one set of positions."""

    projection: str
    positions: Positions
    tables: tuple[TableDigest, ...]

    def differences(self, other: ProjectionDigest) -> tuple[str, ...]:
        """Return the names of the tables that differ; positions are not compared."""
        theirs = {table.table: table for table in other.tables}
        return tuple(table.table for table in self.tables if theirs.get(table.table) != table)

    def settled(self) -> dict[str, str]:
        """Return table and digest of the tables that depend only on what the events end in."""
        return {table.table: table.sha256 for table in self.tables if table.settled}


def digest(connection: Rows, projection: Projection, namespace: Namespace | None = None) -> ProjectionDigest:
    """Return the digests and the positions that they belong to, read in one snapshot."""
    where = namespace or projection.live
    with wrap_errors(), connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        return digest_in_transaction(connection, projection, where)


def digest_in_transaction(connection: Rows, projection: Projection, namespace: Namespace) -> ProjectionDigest:
    """Like `digest`, in the caller's snapshot."""
    connection.execute(_SESSION)
    held = checkpoint.positions(connection, namespace.projection)
    tables = tuple(_table_digest(connection, namespace.of(table), table) for table in projection.tables)
    return ProjectionDigest(projection.name, held, tables)


def _table_digest(connection: Rows, database_schema: str, table: Table) -> TableDigest:
    query = sql.SQL("copy (select {columns} from {table} order by {key}) to stdout").format(
        columns=_columns(table.columns), table=sql.Identifier(database_schema, table.name), key=_columns(table.key)
    )
    hashed, rows = sha256(), 0
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            hashed.update(block)
            rows += bytes(block).count(b"\n")
    return TableDigest(table.name, rows, hashed.hexdigest(), table.settled)


def _columns(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
