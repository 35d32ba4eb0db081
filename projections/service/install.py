"""Puts the service's tables, functions and rights into the database, and makes the API's login."""

from __future__ import annotations

import contextlib
import hashlib
import hmac

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from pydantic import SecretStr

from connectors.postgres import connect, sql_script, wrap_errors
from projections import checkpoint
from projections.access.log import create_tables as create_audit
from projections.directory.projection import DirectoryProjection
from schemas.settings import PostgresSettings

API_LOGIN = "directory_service_login"
_TRIES = 5
_OTHER_WAS_FASTER = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_)
_SCRIPTS = ("schema", "admission", "search", "records", "watching", "grants")


def install(settings: PostgresSettings) -> None:
    """Make everything that the service needs where it is missing; safe to run again, and by several at once."""
    create_audit(settings)
    projection = DirectoryProjection()
    with connect(settings) as connection, wrap_errors(), connection.transaction():
        checkpoint.create(connection)  # takes turns until commit
        projection.create(connection, projection.live)
        for name in _SCRIPTS:
            connection.execute(sql_script("projections.service.sql", name))
        projection.create(connection, projection.live)  # once more: the walls need the roles and functions


def api_settings(owner: PostgresSettings) -> PostgresSettings:
    """Make the API's login, a member of contactpoint_reader and nothing else; return how it connects."""
    return login_settings(owner, API_LOGIN, "contactpoint_reader")


def login_settings(owner: PostgresSettings, login: str, role: str) -> PostgresSettings:
    """Make a service's login, a member of one role and nothing else; return how it connects.

    For the local stack: its password is a keyed hash of the owner's, so it need not be kept anywhere. A deployment
    makes its own login and gives its connection string to the service.
    """
    parts = conninfo_to_dict(owner.dsn.get_secret_value())
    secret = str(parts.get("password", ""))
    password = hmac.digest(secret.encode(), login.encode(), hashlib.sha256).hex()
    for _ in range(_TRIES):
        with connect(owner, autocommit=True) as connection, contextlib.suppress(*_OTHER_WAS_FASTER):
            _make_login(connection, login, role, password)
            break
    parts |= {"user": login, "password": password}
    return PostgresSettings(dsn=SecretStr(make_conninfo(**{name: str(value) for name, value in parts.items()})))


def _make_login(connection: psycopg.Connection[TupleRow], name: str, role: str, password: str) -> None:
    """Roles belong to the whole server, where another process may make the same one at the same time."""
    login = sql.Identifier(name)
    exists = connection.execute("select from pg_roles where rolname = %s", [name]).fetchone()
    verb = sql.SQL("alter" if exists else "create")
    connection.execute(sql.SQL("{} role {} login password {}").format(verb, login, sql.Literal(password)))
    connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), login))
