"""Which keys the trail of access lost or claims to have, beside what the log ordered.

Whoever owns the database can delete a key and append an entry that says so, or have a key listed that is gone. They
own neither the topic of decisions, which holds each order of erasure and each day that has begun, nor the sealing key.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import NamedTuple

from connectors.decisions import read_decisions
from connectors.postgres import wrap_errors
from contactpoint.erasing.places import request_of
from projections.access.sql import QUERIES
from projections.access.store import Connection, queries_request
from projections.directory.retention import add_years
from schemas.decisions import ErasureOrdered
from schemas.in_force import newest_day
from schemas.settings import KafkaSettings

_PATIENCE_SECONDS = 10  # in which an entry that was made gets its number


class Destroying(NamedTuple):
    """An entry that says which keys were destroyed, by whose order, and the newest entry that they sealed."""

    leaf: int
    request: str
    keys: list[str]
    newest: datetime | None


class Wrong(NamedTuple):
    """A key that is not as the log ordered: the leaf that tells it (None: none does), and what is wrong."""

    leaf: int | None
    detail: str


def misplaced(connection: Connection, kafka: KafkaSettings, listed: Collection[str], query_years: int) -> list[Wrong]:
    """Return each key that was destroyed without an order, is there against one, or is `listed` and is gone.

    `query_years` is how long keys of months have to be kept at least.
    """
    gone = _gone(connection, listed)
    with wrap_errors():
        entries = [Destroying(*row) for row in connection.execute(QUERIES["destroying_entries"])]
        sealed: dict[str, int] = dict(connection.execute(QUERIES["first_sealed"], [gone]).fetchall())
    decisions = read_decisions(kafka)  # after the entries: an order is in the log before what it destroys goes
    orders = {request_of(each): each for each in decisions if isinstance(each, ErasureOrdered)}
    done = [orders[request] for request in dict.fromkeys(each.request for each in entries) if request in orders]
    unknown = "is listed as there and is not, and no entry ends it"
    return [
        *unordered(entries, orders, _years_before(newest_day(decisions), query_years)),
        *_kept(connection, done),
        *(Wrong(sealed.get(key), f"key listed: {key} {unknown}") for key in gone),
    ]


def unordered(
    entries: Iterable[Destroying], orders: Mapping[str, ErasureOrdered], months_before: date
) -> Iterator[Wrong]:
    """Yield what entries say was destroyed and the log did not order; keys of months may go that ended by this day."""
    so_far: dict[str, set[str]] = {}
    for each in entries:
        before = _month_of(each.request)
        order = orders.get(each.request)
        keys = so_far.setdefault(each.request, set())
        keys.update(each.keys)
        if before is not None:
            if before > months_before:
                yield Wrong(each.leaf, f"key not ordered: no day of the log ends the time of queries before {before}")
            elif each.newest is not None and each.newest.date() >= before:
                yield Wrong(each.leaf, f"key not ordered: it sealed what is newer than {before}")
        elif order is None:
            yield Wrong(each.leaf, f"key not ordered: the log has no order {each.request}")
        elif len(keys) > len(order.data.child_numbers):
            children = len(order.data.child_numbers)
            yield Wrong(each.leaf, f"key not ordered: {len(keys)} for the {children} child numbers of {each.request}")


def _years_before(day: date, years: int) -> date:
    return add_years(day, -years) if day.year > years else date.min  # before any day has begun no month has ended


def _month_of(request: str) -> date | None:
    """Return before which month the queries were whose keys a request is to end; None for any other request."""
    try:
        month = date.fromisoformat(f"{request[-7:]}-01")
    except ValueError:
        return None
    return month if request == queries_request(month) else None


def _kept(connection: Connection, done: Iterable[ErasureOrdered]) -> Iterator[Wrong]:
    """Yield keys of children that seal what was entered before an order that the trail says was carried out."""
    for order in done:
        with wrap_errors():
            rows = connection.execute(QUERIES["sealed_before"], [list(order.data.child_numbers), order.decided_at])
            for (leaf,) in rows.fetchall():
                yield Wrong(leaf, f"key kept: {request_of(order)} was to destroy what seals this entry")


def _gone(connection: Connection, listed: Collection[str]) -> list[str]:
    """Return the keys that are listed, are not there, and that no entry ends, once all have their numbers."""
    gone = list(listed)
    for _ in range(_PATIENCE_SECONDS):
        with wrap_errors():
            gone = [row[0] for row in connection.execute(QUERIES["unaccounted"], [gone])]
        if not gone:
            break
        time.sleep(1)
    return gone
