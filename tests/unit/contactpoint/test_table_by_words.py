"""A second reading of a table of things: its texts are compared by their words where they told little as wholes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contactpoint.table_link import Outputs, run_link
from contactpoint.table_link.advice import too_often
from contactpoint.table_link.by_words import read_by_words
from contactpoint.table_link.guess import guess_config
from contactpoint.table_link.inputs import guess_rename, guessed_table
from contactpoint.table_link.reading import texts
from contactpoint.table_link.run import link_table
from contactpoint.table_link.whole_names import names_of_persons

_TYPES = ("printer ink", "laptop case", "digital camera", "usb cable", "wireless mouse")


def _two_shops(folder: Path) -> tuple[list[Path], list[bool]]:
    """Write two lists of 300 things, of which the second tells in another order, and whether it has each."""
    dice = random.Random(1)
    makers = ["".join(dice.choices("bdfklmnprst", k=5)) for _ in range(20)]
    rows: list[list[str]] = [["id,title,maker,price"], ["id,name,maker,price"]]
    same = [dice.random() < 0.5 for _ in range(300)]
    for i, there in enumerate(same):
        things = [(dice.choice(makers), dice.choice(_TYPES), f"{dice.randrange(10**5)}x") for _ in range(2)]
        (maker, kind, number), other = things[0], things[not there]
        rows[0].append(f"{i},{maker} {number} {kind} black,{maker},{i}.5")
        rows[1].append(f"{i},{other[1].upper()} {other[0]} new {other[2]},{other[0]},{i - i % 3 // 2}.5")
    for name, lines in zip(("a.csv", "b.csv"), rows, strict=True):
        (folder / name).write_text("\n".join(lines))
    return [folder / "a.csv", folder / "b.csv"], same


def test_things_told_in_another_order_and_under_another_heading_are_linked(tmp_path: Path) -> None:
    files, same = _two_shops(tmp_path)
    outputs = Outputs(tmp_path / "out.csv", config=tmp_path / "LINK.toml")
    report = run_link(files, None, outputs, lambda *_: None)
    assert report.columns == {"title": "text", "maker": "exact", "price": "exact"}
    assert abs(report.records - report.clusters - sum(same)) < 0.2 * sum(same)
    again = run_link(files, outputs.config, Outputs(tmp_path / "again.csv"), lambda *_: None)
    assert (again.model, again.columns) == (report.model, report.columns)


def test_clusters_that_take_a_maker_for_a_thing_are_expected_to_be_wrong(tmp_path: Path) -> None:
    table, guess = guessed_table(_two_shops(tmp_path)[0])
    config = read_by_words(table, guess.config)
    assert config is not None
    linked = link_table(table, config, lambda *_: None)
    makers = np.unique(texts(table, "maker"), return_inverse=True)[1]
    taken = replace(linked, outcome=replace(linked.outcome, clusters=makers))
    assert linked.most_precision == 1.0
    assert linked.expected > 0.7
    assert taken.most_precision < 0.1
    assert taken.expected < 0.01
    assert "wrong" in too_often("shop", taken.most_precision)[0]


@pytest.mark.parametrize(("heading", "kinds"), [("note", ["text", "exact"]), ("surname", None)])
def test_only_a_table_without_names_of_persons_is_read_by_words(heading: str, kinds: list[str] | None) -> None:
    rows = [{"id": i, heading: f"word{i} other", "note2": "ab"[i % 2]} for i in range(90)]
    table = pa.Table.from_pylist(rows)
    config = read_by_words(table, guess_config(table, "id").config)
    assert (config and [field.kind for field in config.fields.values()]) == kinds


@pytest.mark.parametrize(("second", "found"), [("red apple {}", {"name": "title"}), ("grey stone no{}", {})])
def test_a_text_is_the_same_as_another_if_it_is_written_with_the_same_words(second: str, found: dict[str, str]) -> None:
    one, other = ([{"id": str(i), name: text.format(i)} for i in range(9)] for name, text in _headed(second))
    assert guess_rename([pa.Table.from_pylist(one), pa.Table.from_pylist(other)]) == found


def _headed(second: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("title", "apple {} red"), ("name", second)


def test_what_has_a_number_or_many_words_names_no_person() -> None:
    assert names_of_persons(["Ann Smith"]) == 1.0
    assert names_of_persons(["Ann Smith 20 inch", "The life and times of Ann Smith"]) == 0.0


def test_a_label_that_names_things_is_evidence_and_one_that_numbers_them_is_not() -> None:
    words = ["".join("abcdefghij"[int(d)] for d in f"{i:03}") for i in range(90)]
    rows = [{"id": i, "label": f"{word} ville", "town": "ab"[i % 2]} for i, word in enumerate(words)]
    assert guess_config(pa.Table.from_pylist(rows), "id").config.fields["label"].kind == "short_string"
    numbered = pa.Table.from_pylist([{**row, "label": f"g{row['id']}"} for row in rows])
    assert "label" in guess_config(numbered, "id").left_out
