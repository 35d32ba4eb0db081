"""PostgreSQL for every stage: connections, SQL from files, and the driver's errors put into our own tree, once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from schemas.errors import ConfigurationError, ContactPointError, FatalError, RejectedError, RetriableError
from schemas.settings import PostgresSettings

# libpq tells no SQLSTATE while it connects, so the server's own words decide; in another language the error counts as
# worth another try.
_NEEDS_A_PERSON = re.compile(
    r"password authentication failed|does not exist|no pg_hba\.conf entry|no password supplied"
)
_BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_CONNECT_SECONDS = 10

# A peer that is gone without a word is found out within half a minute, also by whoever only waits for an answer.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}

# What a person has to put right: rights, names and passwords. All else is sorted by psycopg's own classes.
_CONFIGURATION = (
    errors.InsufficientPrivilege,
    errors.InvalidAuthorizationSpecification,
    errors.InvalidCatalogName,
    errors.InvalidPassword,
    errors.InvalidSchemaName,
    errors.UndefinedColumn,  # this and the next two: made by another version, or not at all
    errors.UndefinedFunction,
    errors.UndefinedTable,
)

# The server ended a session that was silent amid a transaction, or the transaction: psycopg counts them as internal.
_TIMED_OUT = (errors.IdleInTransactionSessionTimeout, errors.TransactionTimeout)


def connection_options(settings: PostgresSettings, application: str) -> dict[str, Any]:
    """Return how to connect, as psycopg's keywords beside the DSN. What the DSN says itself stands."""
    ours = {"application_name": application, "connect_timeout": _CONNECT_SECONDS, **_KEEPALIVE}
    try:
        given = conninfo_to_dict(settings.dsn.get_secret_value())
    except psycopg.ProgrammingError:  # its text quotes the DSN, and so perhaps the password
        message = (
            "a DSN of PostgreSQL cannot be read: write postgresql://USER@HOST:PORT/DATABASE, or host=... dbname=..."
        )
        raise ConfigurationError(message) from None
    return {name: value for name, value in ours.items() if name == "application_name" or name not in given}


def connect(
    settings: PostgresSettings, *, autocommit: bool = False, application: str = "contactpoint"
) -> psycopg.Connection[TupleRow]:
    """Return a new connection. `application` is what pg_stat_activity shows.

    Raises ConfigurationError for a wrong password or database and RetriableError for a server that is away.
    """
    try:
        return psycopg.connect(
            settings.dsn.get_secret_value(),
            autocommit=autocommit,
            **connection_options(settings, application),
        )
    except psycopg.OperationalError as error:
        kind = ConfigurationError if _NEEDS_A_PERSON.search(str(error)) else RetriableError
        message = f"cannot connect to PostgreSQL: {error}"  # host, port and names; never the password
        raise kind(message) from error


@contextmanager
def wrap_errors() -> Iterator[None]:
    """Turn psycopg's errors into ours; the driver's error stays as the cause.

    Messages name the kind of error only: PostgreSQL's own text can quote a row. Lost connections, time-outs, deadlocks
    and serialization failures become RetriableError, a value that PostgreSQL refuses RejectedError, missing rights,
    tables and databases ConfigurationError, anything else (a constraint, a mistake in SQL) FatalError.
    """
    try:
        yield
    except (psycopg.Error, PoolTimeout) as error:
        raise translate(error) from error


def translate(error: psycopg.Error | PoolTimeout) -> ContactPointError:
    """Return our error for a driver's error, as `wrap_errors` says."""
    if isinstance(error, errors.UndefinedTable):
        return ConfigurationError("the tables are not there: start the stages that make them (`contactpoint run`)")
    what = f"{type(error).__name__}{f', SQLSTATE {error.sqlstate}' if error.sqlstate else ''}"
    if isinstance(error, _CONFIGURATION):
        return ConfigurationError(
            f"PostgreSQL refused the request ({what}): check the account's rights and which version made the tables"
        )
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, *_TIMED_OUT)):
        return RetriableError(f"PostgreSQL is unavailable ({what})")
    if isinstance(error, psycopg.DataError):
        return RejectedError("database_refused_value", f"PostgreSQL refused a value ({what})")
    return FatalError(f"PostgreSQL failed a statement ({what})")


@cache
def sql_script(package: str, name: str) -> LiteralString:
    """Return the whole of `<name>.sql` in a package, such as `sql_script("matching.sql", "schema")`."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


@cache
def sql_blocks(package: str, name: str = "queries") -> Mapping[str, LiteralString]:
    """Return the statements of `<name>.sql` in a package, each under its own line `-- name: <block>`.

    Raises FatalError for a block that is named twice.
    """
    parts = _BLOCK.split(sql_script(package, name))
    names = parts[1::2]
    if len(set(names)) != len(names):
        message = f"{package}/{name}.sql names a block twice"
        raise FatalError(message)
    bodies = (body.strip() for body in parts[2::2])
    return MappingProxyType(dict(zip(names, bodies, strict=True)))


def act_as(connection: psycopg.Connection[TupleRow], role: str) -> None:
    """Give up every right but this role's for the rest of the session.

    Raises ConfigurationError when there is no such role yet, or the login is no member of it.
    """
    with wrap_errors():
        there = connection.execute("select to_regrole(%s) is not null", [role]).fetchone()
    if not there or not there[0]:
        message = f"the database has no role {role}: `contactpoint run` makes the roles, `contactpoint audit run` too"
        raise ConfigurationError(message)
    with wrap_errors():
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))


def take_ddl_turn(connection: psycopg.Connection[TupleRow]) -> None:
    """Wait for the right to create, alter or drop anything in this database; it ends with the caller's transaction.

    One right for all of our schemas, since they share database schemas, roles and grants: processes that start together
    take turns, so that `create ... if not exists` never meets itself.
    """
    connection.execute("select pg_advisory_xact_lock(hashtext('contactpoint.ddl'))")


def apply_schema(
    settings: PostgresSettings,
    package: str,
    name: str = "schema",
    *,
    wait_seconds: float | None = None,
    unless: str | None = None,
) -> None:
    """Run a whole SQL file in one transaction of its own. The file must be safe to run at every start.

    Nothing is run where `unless` is there, a table or a `function(types)`: so a login that may create nothing need not.
    Raises RetriableError when another session keeps it waiting for longer than `wait_seconds`; None waits for ever.
    """
    with connect(settings) as connection, wrap_errors(), connection.transaction():
        kind = "to_regprocedure" if unless and unless.endswith(")") else "to_regclass"
        if unless and connection.execute(f"select 1 where {kind}(%s) is not null", [unless]).fetchone():
            return
        if wait_seconds is not None:
            connection.execute("select set_config('lock_timeout', %s, true)", [f"{1000 * wait_seconds:.0f}ms"])
        take_ddl_turn(connection)
        connection.execute(sql_script(package, name))
