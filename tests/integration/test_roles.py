"""The database's roles on a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

from connectors.postgres import apply_schema
from schemas.settings import PostgresSettings


def test_processes_that_start_together_make_each_role_once(postgres: PostgresSettings) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: apply_schema(postgres, "projections.sql", "roles"), range(8)))
    with psycopg.connect(postgres.dsn.get_secret_value()) as connection:
        rows = connection.execute(
            "select rolname, rolsuper or rolbypassrls or rolcanlogin or rolcreaterole from pg_roles "
            "where rolname like 'contactpoint\\_%' and rolname <> 'contactpoint_vault' order by rolname"
        ).fetchall()
    assert dict(rows) == dict.fromkeys(
        [
            f"contactpoint_{name}"
            for name in (
                "approvals",
                "audit_writer",
                "auditor",
                "authoriser",
                "directory",
                "discloser",
                "disclosure_reviewer",
                "exporter",
                "operator",
                "projector",
                "reader",
                "reviewer",
                "sequencer",
                "shield",
                "shielded_reviewer",
                "watch",
                "watcher",
            )
        ],
        False,
    )
