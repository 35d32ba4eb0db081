"""A process that appends entries one by one and says which are acknowledged: `audit_writer.py DSN NAME`."""

from __future__ import annotations

import sys

from pydantic import SecretStr

from connectors.postgres import connect
from projections.access.log import append, require_healthy
from schemas.settings import PostgresSettings
from tests.factories.trail import entry


def main(dsn: str, name: str) -> None:
    """Append until killed; a line on standard output is an answer that has left."""
    with connect(PostgresSettings(dsn=SecretStr(dsn)), autocommit=True) as connection:
        number = 0
        while True:
            request = f"{name}-{number}"
            with connection.transaction():
                require_healthy(connection)
                append(connection, [entry(request=request, child=f"CHILD{number % 50}", query={"family": "Moss"})])
            sys.stdout.write(f"{request}\n")
            sys.stdout.flush()
            number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
