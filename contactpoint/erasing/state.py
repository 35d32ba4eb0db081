"""How far each erasure has got, in the database schema `retention`: a killed process goes on from here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import key_name
from connectors.postgres import apply_schema, wrap_errors
from connectors.vault import KeyVault, Plain, Sealer
from contactpoint.erasing.order import QUERIES
from schemas.codec import decode, encode
from schemas.decisions import ErasureOrdered
from schemas.errors import FatalError
from schemas.settings import PostgresSettings

PACKAGE = "contactpoint.erasing.sql"


@dataclass(frozen=True, slots=True)
class Begun:
    """An erasure that is not finished: its order, what its proof looks for, sealed, and the places that are done."""

    event: ErasureOrdered
    sealed_values: bytes | None
    done: frozenset[str]


@dataclass(frozen=True, slots=True)
class Erased:
    """What came of an erasure: is it done everywhere, how many values were looked for, and where was one found.

    `searched` is None when nothing was known to look for.
    """

    event: ErasureOrdered
    finished: bool
    searched: int | None
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One erasure for people to look at; `found` are places where its newest proof found something."""

    event_id: str
    ordered_at: datetime
    finished_at: datetime | None
    searched: int | None
    found: list[str]
    reason: str
    done: list[str]


def prepare(settings: PostgresSettings) -> None:
    """Create the tables."""
    apply_schema(settings, PACKAGE)


def register(
    connection: Connection[TupleRow], vault: KeyVault, event: ErasureOrdered, values: Sequence[str] = ()
) -> None:
    """Note an order before anything is done about it, with what its proof is to look for."""
    sealed = None
    if values:
        plain = Plain(proof_key(event.event_id), event.event_id.encode(), json.dumps(list(values)).encode())
        sealed = Sealer(vault).seal([plain])[0]
    with wrap_errors():
        connection.execute(QUERIES["register"], (event.event_id, encode(event).value.decode(), sealed))


def unfinished(connection: Connection[TupleRow], *, again: bool = True) -> list[Begun]:
    """Return every erasure that was begun and not finished, the oldest first.

    `again`: also those whose proof has found something and that therefore need a person.
    """
    with wrap_errors():
        rows = connection.execute(QUERIES["unfinished"], {"again": again}).fetchall()
        steps = connection.execute(QUERIES["steps"], ([row[0] for row in rows],)).fetchall()
    done: dict[str, set[str]] = {}
    for event_id, place in steps:
        done.setdefault(event_id, set()).add(place)
    return [Begun(_event(row[1]), row[2], frozenset(done.get(row[0], ()))) for row in rows]


def known(connection: Connection[TupleRow]) -> frozenset[str]:
    """Return the ids of the orders that are noted."""
    with wrap_errors():
        return frozenset(row[0] for row in connection.execute(QUERIES["known"]))


def orders(connection: Connection[TupleRow], limit: int) -> list[OrderRow]:
    """Return the newest orders and how far they are."""
    with wrap_errors():
        rows = connection.execute(QUERIES["orders"], (limit,)).fetchall()
    return [OrderRow(*row) for row in rows]


def outcome(connection: Connection[TupleRow], event: ErasureOrdered) -> Erased:
    """Return how far an erasure is."""
    with wrap_errors():
        row = connection.execute(QUERIES["outcome"], (event.event_id,)).fetchone()
    finished, searched, found = row or (False, None, ())
    return Erased(event, finished, searched, tuple(found))


def has_directory(connection: Connection[TupleRow]) -> bool:
    """Tell whether the directory's tables are there."""
    with wrap_errors():
        row = connection.execute(QUERIES["has_directory"]).fetchone()
    return bool(row and row[0])


def values_to_find(vault: KeyVault, begun: Begun) -> list[str]:
    """Return what the proof looks for; nothing when it was never noted, or its key is gone."""
    if begun.sealed_values is None:
        return []
    opened = Sealer(vault).open([(begun.event.event_id.encode(), bytes(begun.sealed_values))])[0]
    values: list[str] = [] if opened.value is None else json.loads(opened.value)
    return values


def proof_key(event_id: str) -> str:
    """Return the name of the key under which what a proof looks for is kept."""
    return f"proof:{event_id}"


def names_of(event: ErasureOrdered) -> list[str]:
    """Return the names of the data keys that an order destroys."""
    return [*(record.key for record in event.data.records), *map(key_name, event.data.decisions)]


def _event(document: str) -> ErasureOrdered:
    event = decode(document.encode())
    if not isinstance(event, ErasureOrdered):
        message = "retention.erasure holds an event that is no erasure"
        raise FatalError(message)
    return event
