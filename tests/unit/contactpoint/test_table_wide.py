"""Of more columns than are compared, those are that tell most, in whatever order they stand."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from contactpoint.table_link.guess import MOST_FIELDS, guess_config
from tests.unit.contactpoint.linking import people

TELLING = {"first", "last", "born", "code", "seat"}
DULL = [f"flag {number}" for number in range(MOST_FIELDS)]


def wide() -> pa.Table:
    """Return people with a birth date, a seat of their own, and a column for each flag of the row."""
    table, dice = people(300), random.Random(5)
    born = ["-".join(parts) for parts in zip(*(table[name].to_pylist() for name in "ymd"), strict=True)]
    seats = [f"{int(person[1:]) * 31 % 97} row" for person in table["person"].to_pylist()]
    table = table.drop_columns(["y", "m", "d", "person", "place"]).append_column("born", [born])
    for name in DULL:
        table = table.add_column(1, name, [dice.choices("xyz", k=len(table))])
    return table.append_column("seat", [seats])


def test_the_columns_that_tell_most_are_compared_though_they_stand_last() -> None:
    guess = guess_config(wide(), "id")
    assert set(guess.config.fields) >= TELLING
    assert len(guess.config.fields) == MOST_FIELDS
    assert set(guess.left_out) <= set(DULL)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_compared_does_not_depend_on_the_order_of_columns(seed: int) -> None:
    table = wide()
    names = random.Random(seed).sample(table.column_names, len(table.column_names))
    assert list(guess_config(table.select(names), "id").config.fields) == list(guess_config(table, "id").config.fields)
