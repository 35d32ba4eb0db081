"""All database schemas of all stages, made by processes that start together on an empty database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest
from psycopg import sql
from pydantic import SecretStr

from connectors.postgres import connect
from connectors.vault import KeyVault
from ingest.store import PostgresStore
from matching.shared.tables import create_tables as create_shared
from matching.stage.store import create_tables as create_matching
from projections import checkpoint
from projections.access.log import create_tables as create_trail
from projections.disclosures import desk as disclosures
from projections.exports import desk as exports
from projections.registry import PROJECTIONS
from projections.service.install import install
from schemas.settings import PostgresSettings, VaultSettings
from tests.factories.line import KEK

pytestmark = pytest.mark.integration

ROUNDS = 4


def ingest(settings: PostgresSettings) -> None:
    with closing(PostgresStore(settings)):
        pass


def vault(settings: PostgresSettings) -> None:
    with KeyVault(VaultSettings(kek=SecretStr(KEK), dsn=settings.dsn)):
        pass


def fold(name: str) -> Callable[[PostgresSettings], None]:
    def create(settings: PostgresSettings) -> None:
        projection = PROJECTIONS[name]
        with connect(settings, autocommit=True) as connection, connection.transaction():
            checkpoint.create(connection)
            projection.create(connection, projection.live)

    return create


def outgoing(settings: PostgresSettings) -> None:
    create_trail(settings)
    fold("directory")(settings)
    exports.prepare(settings)
    disclosures.prepare(settings)


APPLIERS: tuple[Callable[[PostgresSettings], None], ...] = (
    ingest,
    vault,
    create_matching,
    create_shared,
    create_trail,
    *map(fold, PROJECTIONS),
    install,
    outgoing,
)


def test_stages_that_start_together_on_an_empty_database_make_every_table_once(postgres: PostgresSettings) -> None:
    found = []
    for _ in range(ROUNDS):
        empty(postgres)
        start = Barrier(len(APPLIERS))

        def apply(applier: Callable[[PostgresSettings], None], start: Barrier = start) -> None:
            start.wait()
            applier(postgres)

        with ThreadPoolExecutor(len(APPLIERS)) as pool:
            list(pool.map(apply, APPLIERS))  # raises what any of them raised
        found.append(tables(postgres))
    assert len(found[0]) > 60
    assert found == [found[0]] * ROUNDS


def empty(settings: PostgresSettings) -> None:
    with connect(settings, autocommit=True) as connection:
        for schema in {table.partition(".")[0] for table in tables(settings)}:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        connection.execute("drop schema if exists directory_api cascade")


def tables(settings: PostgresSettings) -> list[str]:
    with connect(settings, autocommit=True) as connection:
        rows = connection.execute(
            "select schemaname || '.' || tablename from pg_tables "
            "where schemaname not in ('pg_catalog', 'information_schema') order by 1"
        ).fetchall()
    return [row[0] for row in rows]
