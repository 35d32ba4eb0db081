"""`contactpoint link`: any table in, clusters out, and a clear answer to a mistake."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.model_tools.quality import measure_labels
from contactpoint.table_link import Outputs, run_link
from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.repeats import KEPT, repeats_of
from contactpoint.table_link.run import untrained
from matching.estimation.specification import untrained_model
from matching.linkage.columns import columns_of
from matching.linkage.model import Field
from schemas.errors import ConfigurationError
from tests.unit.contactpoint.linking import UNSUPERVISED, link, people


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return people(500)


@pytest.mark.parametrize("name", ["people.parquet", "people.csv"])
def test_people_are_found_without_labels(name: str, table: pa.Table, tmp_path: Path) -> None:
    report = link(tmp_path, UNSUPERVISED, table, name)
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.column_names == ["record_id", "cluster_id"]
    assert out["record_id"].to_pylist() == table["id"].to_pylist(), "leading zeros stay, and so does the order"
    assert measure_labels(out["cluster_id"].to_pylist(), table["person"].to_pylist()).f1 > 0.95
    assert report.records == table.num_rows
    assert report.expected_precision is not None


def test_the_scored_pairs_come_with_weights_and_findings_in_words(table: pa.Table, tmp_path: Path) -> None:
    report = link(tmp_path, UNSUPERVISED, table)
    pairs = pq.read_table(tmp_path / "pairs.parquet")
    assert pairs.num_rows == report.scored_pairs > 0
    assert {"left", "right", "match_weight", "match_probability", "together", "given"} <= set(pairs.column_names)
    assert all(isinstance(word, str) for word in pairs["given"].to_pylist())


def test_the_order_of_the_rows_does_not_matter(table: pa.Table, tmp_path: Path) -> None:
    link(tmp_path, UNSUPERVISED, table)
    first = _groups(tmp_path)
    order = list(range(table.num_rows))
    random.Random(3).shuffle(order)
    link(tmp_path, UNSUPERVISED, table.take(order))
    assert _groups(tmp_path) == first


def _groups(folder: Path) -> set[frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for row in pq.read_table(folder / "out.parquet").to_pylist():
        groups.setdefault(row["cluster_id"], set()).add(row["record_id"])
    return set(map(frozenset, groups.values()))


def test_labels_may_be_a_column_or_a_file_of_pairs(table: pa.Table, tmp_path: Path) -> None:
    link(tmp_path, UNSUPERVISED.replace('"unsupervised"', '"labels"\nperson = "person"'), table)
    clusters = pq.read_table(tmp_path / "out.parquet")["cluster_id"].to_pylist()
    assert measure_labels(clusters, table["person"].to_pylist()).f1 > 0.97

    rows = {row["id"]: row["person"] for row in table.to_pylist()}
    keys = sorted(rows)
    near = list(pairwise(keys))
    far = list(zip(keys, keys[7:], strict=False))
    pairs = [{"left": a, "right": b, "match": int(rows[a] == rows[b])} for a, b in near + far]
    pa_csv.write_csv(pa.Table.from_pylist(pairs), tmp_path / "labels.csv")
    link(tmp_path, UNSUPERVISED.replace('"unsupervised"', '"labels"\npairs = "labels.csv"'), table)
    clusters = pq.read_table(tmp_path / "out.parquet")["cluster_id"].to_pylist()
    assert measure_labels(clusters, table["person"].to_pylist()).f1 > 0.9


def test_a_source_that_holds_each_person_once_never_has_two_records_in_a_cluster(
    table: pa.Table, tmp_path: Path
) -> None:
    link(tmp_path, UNSUPERVISED.replace("[train]", 'unique_in_source = "yes"\n[train]'), table)
    place = dict(zip(table["id"].to_pylist(), table["place"].to_pylist(), strict=True))
    groups = _groups(tmp_path)
    assert max(map(len, groups)) > 1
    for group in groups:
        places = [place[key] for key in group]
        assert len(places) == len(set(places))


def test_a_trained_model_links_again_without_training(table: pa.Table, tmp_path: Path) -> None:
    link(tmp_path, UNSUPERVISED, table)
    first = _groups(tmp_path)
    (tmp_path / "model.json").rename(tmp_path / "kept.json")
    config = UNSUPERVISED.replace('[train]\nmethod = "unsupervised"\n', 'model = "kept.json"\n')
    report = link(tmp_path, config, table)
    assert _groups(tmp_path) == first
    assert report.expected_precision is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(('"given_name"', '"forename"'), "fields.given.kind.*given_name", id="unknown kind"),
        pytest.param(('column = "first"', 'column = "frist"'), "no column 'frist'.*there are:.*first", id="no column"),
        pytest.param(('year = "y"', 'column = "y"\nyear = "y"'), "give one of", id="two places"),
        pytest.param(("[train]", "[training]"), "training", id="unknown table"),
        pytest.param(('method = "unsupervised"', 'method = "labels"'), "needs one of: pairs", id="no labels"),
        pytest.param(('record_id = "id"', 'record_id = "first"'), "must name each row once", id="id repeats"),
    ],
)
def test_a_mistake_is_answered_with_place_and_remedy(
    change: tuple[str, str], message: str, table: pa.Table, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){message}"):
        link(tmp_path, UNSUPERVISED.replace(*change), table)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "LINK.toml").write_text(UNSUPERVISED, encoding="utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ConfigurationError, match=r"bad\.parquet: cannot be read"):
        run_link([tmp_path / "bad.parquet"], tmp_path / "LINK.toml", Outputs(tmp_path / "out"), lambda *_: None)


def test_twins_can_be_kept_apart_only_where_a_table_can_tell_them() -> None:
    fields = {"given": {"kind": "given_name", "column": "g"}, "born": {"kind": "date", "column": "b"}}
    settings = {"record_id": "id", "train": {"method": "unsupervised"}, "keep_twins_apart": True}
    with pytest.raises(ConfigurationError, match="keep_twins_apart needs"):
        untrained(LinkConfig.model_validate({**settings, "fields": fields}))
    fields |= {"family": {"kind": "surname", "column": "f"}, "postcode": {"kind": "postcode", "column": "p"}}
    assert untrained(LinkConfig.model_validate({**settings, "fields": fields})).twins is not None


def test_thousands_of_equal_records_of_one_person_are_linked_to_the_others_of_that_person(
    table: pa.Table, tmp_path: Path
) -> None:
    slip = {"first": "Mirabelle", "last": "Dunvegan", "code": "ZB7 3AA", "y": "2011", "m": "4", "d": "17"}
    right = slip | {"first": "Mirabella"}
    many = [{"id": f"x{i}", "place": "s0", "person": "x", **right} for i in range(3000)]
    many += [{"id": f"y{i}", "place": f"s{i}", "person": "x", **slip} for i in range(3)]
    plain = link(tmp_path, UNSUPERVISED, table)
    without = _groups(tmp_path)
    report = link(tmp_path, UNSUPERVISED, pa.concat_tables([table, pa.Table.from_pylist(many, table.schema)]))
    assert frozenset(row["id"] for row in many) in _groups(tmp_path)
    assert (report.repeats, plain.repeats) == (2990, 0)
    assert len(_groups(tmp_path) & without) >= 0.98 * len(without)


def test_equal_records_that_say_too_little_are_not_one_person(table: pa.Table, tmp_path: Path) -> None:
    vague = [{"id": f"x{i}", "place": "s0", "person": "x", "code": "ZB7 3AA"} for i in range(50)]
    link(tmp_path, UNSUPERVISED, pa.concat_tables([table, pa.Table.from_pylist(vague, table.schema)]))
    assert {frozenset({row["id"]}) for row in vague} <= _groups(tmp_path)


def test_a_source_that_holds_each_person_once_keeps_equal_records_apart(table: pa.Table, tmp_path: Path) -> None:
    equal = table.slice(0, 1).to_pylist()[0]
    more = pa.Table.from_pylist([equal | {"id": f"x{i}"} for i in range(30)], table.schema)
    config = UNSUPERVISED.replace('source = "place"\n', 'source = "place"\nunique_in_source = "yes"\n')
    report = link(tmp_path, config, pa.concat_tables([table, more]))
    assert report.repeats == 0
    assert not any(len(group & set(more["id"].to_pylist())) > 1 for group in _groups(tmp_path))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("st")), max_size=60))
def test_the_first_ten_equal_records_of_a_source_are_linked_and_the_others_follow_them(
    rows: list[tuple[str, str]],
) -> None:
    model = untrained_model("t", [Field("surname", "surname")])
    columns = columns_of(model, [[name] for name, _ in rows], [source for _, source in rows])
    found = repeats_of(columns, model, None)
    assert found.rows.tolist() == [i for i, row in enumerate(rows) if rows[:i].count(row) < KEPT]
    assert [rows[found.rows[place]] for place in found.first] == rows == [rows[found.rows[p]] for p in found.second]
    follow = sorted(set(range(len(rows))) - set(found.rows.tolist()))
    assert all(found.first[i] < found.second[i] for i in follow)
