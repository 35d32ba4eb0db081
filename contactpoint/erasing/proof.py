"""The proof of an erasure: look for values of the child in every place where data is kept. Finds, and never prints.

Places: every message of every topic (key, value, headers, as they are stored), every row of every table, and a dump of
the database as a backup would hold it. What was compressed or encoded on the way is looked at as it was before.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from connectors.kafka import ReadMessage, read_to_end
from connectors.postgres import connect, sql_blocks, wrap_errors
from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import TOPICS

_SQL = sql_blocks("contactpoint.erasing.sql", "proof")
_SHORTEST = 4  # characters: shorter values are found everywhere


class Trace(NamedTuple):
    """Where something of the child was found, and the number of the value in the list that was given."""

    place: str
    value: int


class Needles:
    """Values to look for: as text, in capitals or not, with spaces or without, and as PostgreSQL writes bytes."""

    def __init__(self, values: Sequence[str]) -> None:
        short = [number for number, value in enumerate(values) if len(value) < _SHORTEST]
        if short or not values:
            message = f"give values of {_SHORTEST} characters or more; too short: {short or 'there is none'}"
            raise ConfigurationError(message)
        forms = [_forms(value) for value in values]
        self._texts = [tuple({form.encode().lower() for form in each}) for each in forms]
        self._hex = [tuple({form.encode().hex().encode() for form in each}) for each in forms]

    def found_in(self, place: str, content: bytes, *, dumped: bool = False) -> Iterator[Trace]:
        """Yield a trace for each value that the content holds; `dumped`: bytes may stand there in hexadecimal."""
        folded = content.lower()
        for number, texts in enumerate(self._texts):
            wanted = (*texts, *self._hex[number]) if dumped else texts
            if any(text in folded for text in wanted):
                yield Trace(place, number)


def _forms(value: str) -> set[str]:
    """Return the spellings in which stages keep a value: linkage folds case and closes up postcodes and numbers."""
    closed = value.replace(" ", "")
    kept = {value, closed} if len(closed) >= _SHORTEST and any(map(str.isalpha, closed)) else {value}
    return {form for each in kept for form in (each, each.lower(), each.upper(), each.casefold())}


def traces(
    kafka: KafkaSettings, postgres: PostgresSettings, values: Sequence[str], *, pg_dump: Path | None = None
) -> list[Trace]:
    """Return every place that holds any of these values; none is the proof. `pg_dump`: also dump the database."""
    needles = Needles(values)
    found = set(_in_topics(kafka, needles))
    with connect(postgres, autocommit=True) as connection, wrap_errors():
        found.update(_in_tables(connection, needles))
    if pg_dump is not None:
        found.update(needles.found_in("pg_dump", _dump(postgres, pg_dump), dumped=True))
    return sorted(found)


def _in_topics(kafka: KafkaSettings, needles: Needles) -> Iterator[Trace]:
    for each in read_to_end(kafka, [topic.name for topic in TOPICS], with_headers=True, opened=False, whole=False):
        yield from needles.found_in(f"topic {each.topic}", _bytes(each))


def _bytes(message: ReadMessage) -> bytes:
    headers = [name.encode() + b"=" + text for name, text in message.headers]
    return b"\0".join([message.key or b"", message.value or b"", *headers])


def _in_tables(connection: Connection[TupleRow], needles: Needles) -> Iterator[Trace]:
    for schema, table in connection.execute(_SQL["tables"]).fetchall():
        query = sql.SQL("copy (select t::text from {} t) to stdout").format(sql.Identifier(schema, table))
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for block in copy:
                yield from needles.found_in(f"table {schema}.{table}", bytes(block), dumped=True)


def _dump(postgres: PostgresSettings, pg_dump: Path) -> bytes:
    """Return the database as a backup holds it; the password goes by the environment, not the command line."""
    dsn = urlsplit(postgres.dsn.get_secret_value())
    where = dsn._replace(netloc=f"{dsn.username}@{dsn.hostname}:{dsn.port}").geturl()
    done = subprocess.run(
        [str(pg_dump), "--no-owner", where],
        env={**os.environ, "PGPASSWORD": dsn.password or ""},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        message = f"pg_dump failed with status {done.returncode}"
        raise ConfigurationError(message)
    return done.stdout


def read_values(lines: Iterable[str]) -> list[str]:
    """Return the values of a file that holds one a line."""
    return [line.strip() for line in lines if line.strip()]
