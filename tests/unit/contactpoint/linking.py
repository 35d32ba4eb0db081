"""A made-up table of people, and `contactpoint link` on it, for tests."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from contactpoint.table_link import LinkReport, Outputs, run_link

FIELDS = """
[fields.given]
kind = "given_name"
column = "first"
[fields.family]
kind = "surname"
column = "last"
[fields.born]
kind = "date"
year = "y"
month = "m"
day = "d"
[fields.code]
kind = "postcode"
column = "code"
"""
UNSUPERVISED = 'record_id = "id"\nsource = "place"\n[train]\nmethod = "unsupervised"\n' + FIELDS
SYLLABLES = [c + v for c in "bdfgklmnrstv" for v in "aeiou"]


def people(count: int, seed: int = 1) -> pa.Table:
    """Return a table of people with one to three records each, one in ten values mistyped."""
    dice = random.Random(seed)
    rows: list[dict[str, str]] = []
    for person in range(count):
        word = ["".join(dice.choices(SYLLABLES, k=3)).title() for _ in range(2)]
        true = {"first": word[0], "last": word[1], "code": f"ZB{dice.randrange(60)} {dice.randrange(9)}AA"}
        true |= {"y": str(dice.randrange(2008, 2024)), "m": str(dice.randrange(1, 13)), "d": str(dice.randrange(1, 29))}
        for copy in range(dice.choice([1, 2, 2, 3])):
            said = {name: _mistyped(value, dice) if dice.random() < 0.1 else value for name, value in true.items()}
            rows.append({"id": f"{person:05d}-{copy}", "place": f"s{copy}", "person": f"p{person}", **said})
    dice.shuffle(rows)
    return pa.Table.from_pylist(rows)


def _mistyped(value: str, dice: random.Random) -> str:
    place = dice.randrange(len(value))
    return value[:place] + dice.choice("aeiou" if value.isalpha() else "123456789") + value[place + 1 :]


def link(folder: Path, config: str, table: pa.Table, name: str = "people.parquet") -> LinkReport:
    """Write table and configuration, and link them."""
    path = folder / name
    if path.suffix == ".csv":
        pa_csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    (folder / "LINK.toml").write_text(config, encoding="utf-8")
    outputs = Outputs(folder / "out.parquet", folder / "pairs.parquet", folder / "model.json")
    return run_link([path], folder / "LINK.toml", outputs, lambda *_: None)
