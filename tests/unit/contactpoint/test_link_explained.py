"""What `contactpoint link` tells beside the clusters: why two rows are together, and which blocks were left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from contactpoint.table_link import Outputs, run_link
from contactpoint.table_link.advice import expectations
from contactpoint.table_link.blocks import Stopped, StoppedRule, stopped_blocks, within_budget
from contactpoint.table_link.why import PairAnswer
from matching.estimation.specification import untrained_model
from matching.linkage.candidates import candidate_pairs, shared_keys
from matching.linkage.columns import columns_of
from matching.linkage.model import BlockingRule, Field
from schemas.errors import ConfigurationError
from tests.unit.contactpoint.linking import UNSUPERVISED, link, people


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return people(300)


def explained(folder: Path, one: str, other: str, model: str | None = None) -> PairAnswer:
    """Link the table that `link` wrote, and ask for one pair."""
    report = run_link(
        [folder / "people.parquet"],
        folder / "LINK.toml",
        Outputs(folder / "again.parquet"),
        lambda *_: None,
        model=folder / model if model else None,
        explain=(one, other),
    )
    assert report.explanation is not None
    assert report.as_dict()["explanation"]["records"] == (one, other)
    return report.explanation


def test_a_pair_is_explained_as_it_was_scored_with_the_rules_that_brought_it_together(
    table: pa.Table, tmp_path: Path
) -> None:
    link(tmp_path, UNSUPERVISED.replace("[train]", 'unique_in_source = "yes"\n[train]'), table)
    pairs = pq.read_table(tmp_path / "pairs.parquet").to_pylist()
    for together in (True, False):
        pair = next(row for row in pairs if row["together"] is together)
        for model in (None, "model.json"):
            said = explained(tmp_path, pair["left"], pair["right"], model)
            assert (said.together, said.explanation.total / 100) == (together, pair["match_weight"])
            assert [row.level for row in said.explanation.rows if row.comparison == "given"] == [pair["given"]]
            assert said.rules
            assert ("joined the groups" if together else "mean weight") in said.because


def test_a_row_that_repeats_others_in_everything_is_told_to_follow_them(table: pa.Table, tmp_path: Path) -> None:
    same = {"place": "s0", "person": "x", "first": "Mirabelle", "last": "Dunvegan", "code": "ZB7 3AA"}
    rows = [{"id": f"x{i:02}", **same, "y": "2011", "m": "4", "d": "17"} for i in range(13)]
    link(tmp_path, UNSUPERVISED, pa.concat_tables([table, pa.Table.from_pylist(rows, table.schema)]))
    said = explained(tmp_path, "x12", "x05")
    assert (said.together, said.sizes) == (True, (13, 13))
    assert said.because.startswith("x12 equals x00 in everything and follows it. Clustering joined the groups")


def test_rows_that_no_rule_brings_together_are_explained_too(table: pa.Table, tmp_path: Path) -> None:
    link(tmp_path, UNSUPERVISED, table)
    scored = pq.read_table(tmp_path / "pairs.parquet")
    with_first = {*scored.filter(pc.equal(scored["left"], scored["left"][0]))["right"].to_pylist()}
    first = scored["left"][0].as_py()
    far = next(key for key in table["id"].to_pylist() if key != first and key not in with_first)
    said = explained(tmp_path, first, far)
    assert not said.together
    assert said.explanation.total < said.explanation.link_threshold
    assert "apart: in clusters" in said.as_text()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        pytest.param(("nobody", "00001-0"), "no row 'nobody' in column 'id'", id="no such row"),
        pytest.param(("00001-0", "00001-0"), "named twice", id="one row"),
    ],
)
def test_rows_that_cannot_be_explained_are_told_before_the_work(
    pair: tuple[str, str], message: str, table: pa.Table, tmp_path: Path
) -> None:
    pq.write_table(table, tmp_path / "people.parquet")
    (tmp_path / "LINK.toml").write_text(UNSUPERVISED, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        explained(tmp_path, *pair)
    assert not (tmp_path / "again.parquet").exists()


def test_blocks_that_are_not_compared_are_told_by_rule_without_their_values() -> None:
    model = replace(
        untrained_model("t", (Field("code", "exact"), Field("family", "surname"))),
        blocking_rules=(BlockingRule("code", ("code",)), BlockingRule("family", ("family",))),
    )
    rows = [("A", "GRAY")] * 2 + [("A", f"NAME{i}") for i in range(5)] + [("B", "X"), ("B", "Y")]
    columns = columns_of(model, rows, ["s"] * len(rows))
    keys, sizes = shared_keys(columns, model)
    told = stopped_blocks(columns, replace(model, stop_keys=tuple(keys[sizes > 5].tolist())))
    assert told == Stopped((StoppedRule("code", 1, 7, 7),), alone=5)
    assert "1 blocks of 1 blocking rules" in told.warnings()[0]
    assert not stopped_blocks(columns, model).warnings()


def test_a_given_model_may_cost_a_table_no_more_pairs_than_training_would() -> None:
    model = untrained_model("t", (Field("family", "surname"), Field("code", "exact")))
    rows = [(f"N{chr(65 + i % 26)}{chr(65 + i // 26 % 26)}", "") for i in range(1400)] + [("COMMON", "")] * 1500
    columns = columns_of(model, rows, ["s"] * len(rows))
    bound = within_budget(columns, replace(model, stop_keys=(5,)))
    assert set(bound.stop_keys) > {5}
    assert sum(len(left) for left, _ in candidate_pairs(columns, bound)) < 2000


def test_components_that_were_cut_are_told() -> None:
    model = replace(untrained_model("t", (Field("family", "surname"), Field("born", "date"))), component_cap=2000)
    said = expectations(model, None, 5, [np.arange(2500), np.arange(2100)])
    assert any("2 groups of connected records, 4,600 in all, were larger than 2,000" in each for each in said)
    assert not any("groups of connected" in each for each in expectations(model, None, 5))
