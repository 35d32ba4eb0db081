"""What the proof of an erasure looks for: values of the child that are nobody else's.

They are taken before the erasure and kept, sealed, until the proof is done; whose they are is asked when they are
looked for, since another child may have come to share one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from contactpoint.erasing.order import QUERIES
from schemas.decisions import ErasureOrdered

_SHORTEST = 6  # characters: shorter ones are parts of other words
_LONG_NUMBER = 9  # digits: shorter numbers are in every table
_CODE = re.compile(r"[a-z_.]+")  # such as last_known: ours, nobody's
_DAY = re.compile(r"\d{4}-\d\d-\d\d.*")


def values_of(connection: Connection[TupleRow], event: ErasureOrdered) -> list[str]:
    """Return what is said of the child now and is worth looking for, sorted."""
    keys, decisions = _names(event)
    with wrap_errors():
        rows = connection.execute(QUERIES["statements"], {"keys": keys, "decisions": decisions}).fetchall()
    own = {*keys, *decisions, *event.data.child_numbers}
    return sorted({text for row in rows for text in _texts(json.loads(row[0])) if text not in own and _worth(text)})


def only_theirs(connection: Connection[TupleRow], event: ErasureOrdered, values: Collection[str]) -> list[str]:
    """Return those of these values that nothing says which is not erased by this event."""
    keys, decisions = _names(event)
    parameters = {"values": list(values), "keys": keys, "decisions": decisions}
    with wrap_errors():
        others = {row[0] for row in connection.execute(QUERIES["of_others"], parameters)}
    return [value for value in values if value not in others]


def _names(event: ErasureOrdered) -> tuple[list[str], list[str]]:
    return [record.key for record in event.data.records], list(event.data.decisions)


def _texts(document: Any) -> Iterator[str]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _worth(text: str) -> bool:
    if len(text) < _SHORTEST or _CODE.fullmatch(text) or _DAY.fullmatch(text):
        return False
    return len(text) >= _LONG_NUMBER or not text.replace(" ", "").isdigit()
