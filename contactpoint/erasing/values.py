"""What the proof of an erasure looks for: values of the child, in the forms that are nobody else's.

They are taken before the erasure and kept, sealed, until the proof is done; whose they are is asked when they are
looked for, since another child may have come to share one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from contactpoint.erasing.forms import forms_of, kept_of, our_words
from contactpoint.erasing.needles import Needles
from contactpoint.erasing.order import QUERIES
from matching.linkage.columns import SEPARATOR
from matching.linkage.normalise import ALTERNATE
from schemas.decisions import ErasureOrdered

_ROWS = 2_000
_MOST = 1_200  # what one erasure can name: whatever more of them say a value, it is not one child's
_SHORTEST = 6  # characters: shorter ones are parts of other words
_LONG_NUMBER = 9  # digits: shorter numbers are in every table
_PARTS = re.compile(rf"[{re.escape(SEPARATOR + ALTERNATE)}]")
_CODE = re.compile(r"[a-z_.]+")  # such as last_known: ours, nobody's
_DAY = re.compile(r"\d{4}-\d\d-\d\d.*")


def values_of(connection: Connection[TupleRow], event: ErasureOrdered) -> list[str]:
    """Return what is said of the child now and is worth looking for, sorted."""
    keys, decisions = _names(event)
    with wrap_errors():
        rows = connection.execute(QUERIES["statements"], {"keys": keys, "decisions": decisions}).fetchall()
    own = {*keys, *decisions, *event.data.child_numbers}
    said = {text for row in rows for text in _texts(json.loads(row[0])) if text not in own and _worth(text)}
    names = " ".join(keys)  # where sources' own ids are not hashed, a number may be one, and an order names its records
    numbers = {each for lot in _numbers(connection, keys) for _, found in lot for each in found if each not in names}
    return sorted(said | numbers)


def only_theirs(
    connection: Connection[TupleRow], values: Mapping[ErasureOrdered, Collection[str]]
) -> dict[ErasureOrdered, list[frozenset[str]]]:
    """Return of the values of each erasure those forms in which nothing keeps them that is not erased by it.

    A value of which every form is somebody else's too, or a word of ours, is left out. Every record and decision is
    looked at once, however many erasures there are.
    """
    wanted = {event: [_not_ours(forms_of(value)) for value in each] for event, each in values.items()}
    every = sorted({form for each in wanted.values() for forms in each for form in forms})
    said = said_by(every, _statements(connection)) if every else {}
    own = {event: {key for names in _names(event) for key in names} for event in values}
    return {
        event: [left for forms in each if (left := frozenset(form for form in forms if said[form] <= own[event]))]
        for event, each in wanted.items()
    }


def said_by(forms: Sequence[str], statements: Iterable[Sequence[tuple[str, str]]]) -> dict[str, set[str]]:
    """Return by which of the statements each of these forms is kept, of many only some more than an erasure can name.

    `statements` come in lots: who says it, and what, as JSON.
    """
    needles, said = Needles([frozenset([form]) for form in forms]), {form: set[str]() for form in forms}
    for lot in statements:
        for at, number in needles.found_in([kept_of(document.encode()) for _, document in lot]):
            of = said[forms[number]]
            if len(of) <= _MOST:
                of.add(lot[at][0])
    return said


def _statements(connection: Connection[TupleRow]) -> Iterator[Sequence[tuple[str, str]]]:
    yield from _lots(connection, "statements_of_all")
    for lot in _numbers(connection, None):
        yield [(key, json.dumps({"numbers": numbers})) for key, numbers in lot if numbers]
    if _is_there(connection, "has_staff"):
        yield from _lots(connection, "names_of_staff")


def _numbers(connection: Connection[TupleRow], keys: Sequence[str] | None) -> Iterator[Sequence[tuple[str, list[str]]]]:
    """Yield the long numbers that linkage compares of these records (None: of all), such as the NHS number."""
    if _is_there(connection, "has_linkage"):
        for lot in _lots(connection, "compared", {"keys": keys}):
            yield [(key, [*filter(_is_long_number, _PARTS.split(values))]) for key, values in lot]


def _is_long_number(text: str) -> bool:
    return len(text) >= _LONG_NUMBER and text.isalnum() and not text.isalpha()


def _is_there(connection: Connection[TupleRow], query: str) -> bool:
    with wrap_errors():
        row = connection.execute(QUERIES[query]).fetchone()
    return bool(row and row[0])


def _lots(
    connection: Connection[TupleRow], query: str, values: Mapping[str, object] | None = None
) -> Iterator[Sequence[tuple[str, str]]]:
    with wrap_errors(), connection.transaction(), connection.cursor(name=query) as cursor:
        cursor.execute(QUERIES[query], values)
        while rows := cursor.fetchmany(_ROWS):
            yield rows


def _not_ours(forms: frozenset[str]) -> frozenset[str]:
    return frozenset(form for form in forms if form.lower() not in our_words())


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
