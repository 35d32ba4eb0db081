"""The proof of an erasure: look for values of the child in every place where data is kept. Finds, and never prints.

Places: every message of every topic (key, value, headers, as they are stored), every row of every table, and a dump of
the database as a backup would hold it. What was compressed or encoded on the way is looked at as it was before.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from connectors.kafka import ReadMessage, read_to_end
from connectors.postgres import connect, sql_blocks, wrap_errors
from contactpoint.erasing.forms import SHORTEST, forms_of
from contactpoint.erasing.needles import Needles
from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import TOPICS

_SQL = sql_blocks("contactpoint.erasing.sql", "proof")
_BLOCK = 4 << 20  # bytes searched in one go


class Trace(NamedTuple):
    """Where something of the child was found, and the number of the value in the list that was given."""

    place: str
    value: int


def traces(
    kafka: KafkaSettings, postgres: PostgresSettings, values: Sequence[frozenset[str]], *, pg_dump: Path | None = None
) -> list[Trace]:
    """Return every place that holds a form of any of these values; none is the proof.

    `pg_dump`: also dump the database.
    """
    needles = Needles(values)
    messages = ((f"topic {each.topic}", _bytes(each)) for each in _messages(kafka))
    found = _search(needles, messages)
    with connect(postgres, autocommit=True) as connection, wrap_errors():
        found |= _search(needles, _rows(connection), dumped=True)
    if pg_dump is not None:
        found |= _search(needles, _dump(postgres, pg_dump), dumped=True)
    return sorted(found)


def _search(needles: Needles, contents: Iterable[tuple[str, bytes]], *, dumped: bool = False) -> set[Trace]:
    """Search contents, each with the place that it is from, in blocks."""
    found: set[Trace] = set()
    places: list[str] = []
    block: list[bytes] = []
    size = 0
    for place, content in chain(contents, [("", b"")]):
        places.append(place)
        block.append(content)
        size += len(content)
        if size > _BLOCK or not place:
            found.update(Trace(places[at], number) for at, number in needles.found_in(block, dumped=dumped))
            places, block, size = [], [], 0
    return found


def _messages(kafka: KafkaSettings) -> Iterator[ReadMessage]:
    return read_to_end(kafka, [topic.name for topic in TOPICS], with_headers=True, opened=False, whole=False)


def _bytes(message: ReadMessage) -> bytes:
    headers = [name.encode() + b"=" + text for name, text in message.headers]
    return b"\0".join([message.key or b"", message.value or b"", *headers])


def _rows(connection: Connection[TupleRow]) -> Iterator[tuple[str, bytes]]:
    for schema, table in connection.execute(_SQL["tables"]).fetchall():
        query = sql.SQL("copy (select t::text from {} t) to stdout").format(sql.Identifier(schema, table))
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for block in copy:
                yield f"table {schema}.{table}", bytes(block)


def _dump(postgres: PostgresSettings, pg_dump: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the rows of the database as a backup holds them, without the lines that name tables and columns.

    The password goes by the environment, not the command line.
    """
    dsn = urlsplit(postgres.dsn.get_secret_value())
    where = dsn._replace(netloc=f"{dsn.username}@{dsn.hostname}:{dsn.port}").geturl()
    with subprocess.Popen(
        [str(pg_dump), "--data-only", "--no-owner", where],
        env={**os.environ, "PGPASSWORD": dsn.password or ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as dump:
        for line in dump.stdout or ():
            if not line.startswith((b"--", b"COPY ")):
                yield "pg_dump", line
    if dump.returncode:
        message = f"pg_dump failed with status {dump.returncode}"
        raise ConfigurationError(message)


def read_values(lines: Iterable[str]) -> list[frozenset[str]]:
    """Return the forms of the values of a file that holds one a line; raise ConfigurationError for too short a one."""
    values = [value for line in lines if (value := line.strip())]
    forms = [forms_of(value) for value in values]
    if not all(forms) or not forms:
        short = [place for place, each in enumerate(forms, 1) if not each]
        message = f"give values of {SHORTEST} characters or more; too short: {short or 'there is none'}"
        raise ConfigurationError(message)
    return forms
