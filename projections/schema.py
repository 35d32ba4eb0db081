"""Database schemas: creating a projection's tables, and pointing a connection at the live ones or at a rebuild's."""

from __future__ import annotations

from importlib.resources import files

from psycopg import sql

from connectors.postgres import sql_script
from projections.base import Namespace, Rows


def use(connection: Rows, namespace: Namespace) -> None:
    """Let the connection's unqualified table names mean the tables of this namespace."""
    path = sql.SQL(", ").join(map(sql.Identifier, namespace.database_schemas))
    connection.execute(sql.SQL("set search_path = {}").format(path))


def create_tables(connection: Rows, namespace: Namespace, package: str) -> None:
    """Run the package's `published.sql`, the script of each further area, and `working.sql` and `walls.sql` if any.

    `walls.sql` comes last, with every table in its search path: rights go with the tables, through a rebuild too.
    """
    scripts = [("published", namespace.published), *namespace.areas.items()]
    if files(package).joinpath("working.sql").is_file():
        scripts.append(("working", namespace.working))
    for name, schema in scripts:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("set search_path = {}").format(sql.Identifier(schema)))
        connection.execute(sql_script(package, name))
    use(connection, namespace)
    if files(package).joinpath("walls.sql").is_file():
        connection.execute(sql_script(package, "walls"))


def drop(connection: Rows, namespace: Namespace) -> None:
    """Drop the database schemas of a rebuild with all their tables."""
    for schema in namespace.database_schemas:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
