"""The rights of a desk's login: one role is enough for its work, and the database hides what that role may not see."""

from __future__ import annotations

from connectors.postgres import apply_schema, connect, wrap_errors
from matching.stage.store import create_tables as create_matching
from projections import checkpoint
from projections.access.log import create_tables as create_trail
from projections.registry import PROJECTIONS
from projections.reviewing.desk import prepare
from schemas.settings import PostgresSettings

_WAIT_SECONDS = 30.0


def open_desks(settings: PostgresSettings) -> None:
    """Give the reviewers' roles what their work needs, on tables that are made where they are missing.

    Needs the tables' owner. After a rebuild of a projection it has to run again: nobody at a desk can read new tables.
    Raises RetriableError when a reader or writer keeps it waiting too long.
    """
    create_trail(settings)
    create_matching(settings)
    with connect(settings) as connection, wrap_errors(), connection.transaction():
        checkpoint.create(connection)  # takes turns until commit
        for projection in PROJECTIONS.values():
            projection.create(connection, projection.live)
    prepare(settings)
    apply_schema(settings, "contactpoint.reviewing.sql", "desk", wait_seconds=_WAIT_SECONDS)
