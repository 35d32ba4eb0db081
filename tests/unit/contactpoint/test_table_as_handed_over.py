"""`contactpoint link` on tables as people hand them over: odd files, dates of every order, columns nobody described."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.model_tools.quality import measure_labels
from contactpoint.table_link import Outputs, load_link_config, run_link
from contactpoint.table_link.advice import expectations
from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.dates import read_dates
from contactpoint.table_link.guess import config_text, guess_config, guess_kinds, guess_record_id
from contactpoint.table_link.inputs import guessed_table, read_table, renamed
from contactpoint.table_link.reading import read_file, texts
from contactpoint.table_link.run import untrained
from contactpoint.table_link.table import table_columns
from contactpoint.table_link.writing import check_outputs
from matching.estimation.specification import untrained_model
from matching.linkage.comparisons import compare
from matching.linkage.model import Field
from matching.linkage.similarity import DATE_EXACT
from schemas.errors import ConfigurationError
from tests.unit.contactpoint.linking import people

THIS_YEAR = 2026
DAYS = st.lists(st.dates(date(1930, 1, 1), date(2020, 12, 31)), min_size=1, max_size=40)


@pytest.mark.parametrize("pattern", ["%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d", "%d.%m.%y", "%d %b %Y", "%m%d%Y", "%Y%m%d"])
@given(days=DAYS)
def test_dates_are_read_in_the_order_that_a_source_writes_them(pattern: str, days: list[date]) -> None:
    days = [day for day in days if day.year > THIS_YEAR - 100 or "%Y" in pattern]
    days.append(date(2005, 5, 25))  # one day that is no month shows the order
    days.extend([date(1990, 12, 31)] * len(days))
    read, _ = read_dates([day.strftime(pattern) for day in days], ["s"] * len(days), THIS_YEAR)
    assert read == [day.isoformat() for day in days]


def test_each_source_has_its_own_order_and_what_is_no_date_stays() -> None:
    values = ["05/23/2014", "05/06/2014", "23/05/2014", "05/06/2014", "1970", "unknown", ""]
    read, _ = read_dates(values, ["us", "us", "uk", "uk", "uk", "uk", "us"], THIS_YEAR)
    assert read == ["2014-05-23", "2014-05-06", "2014-05-23", "2014-06-05", "1970", "unknown", ""]


BOTH_ORDERS = [f"{day}/03/1985" for day in range(20, 30)] + [f"03/{day}/1985" for day in range(20, 30)]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("25/03/1985", "1985-03-25"),
        ("03/25/1985", "1985-03-25"),
        ("12/03/1985", "1985-03-12|1985-12-03"),
        ("12.03.1985", "1985-03-12|1985-12-03"),
        ("05/05/1985", "1985-05-05"),
        ("1985-03-12", "1985-03-12"),
        ("19850312", "1985-03-12"),
        ("12 Mar 85", "1985-03-12"),
        ("June 5 1970", "1970-06-05"),
        ("1985-81-03", "1985-81-03"),
    ],
)
def test_of_dates_in_both_orders_each_says_what_it_alone_can_and_what_fits_both_is_both(value: str, read: str) -> None:
    values, grounds = read_dates([*BOTH_ORDERS, value], ["s"] * 21, THIS_YEAR)
    assert values[-1] == read
    doubts = [each.words("dob") for each in grounds if each.doubtful]
    assert ("|" in read) == any("1 fit both and are unclear evidence" in words for words in doubts)


def test_each_sign_between_the_parts_has_its_own_order_and_a_few_slips_change_none() -> None:
    german, american = [f"{day}.03.1985" for day in range(20, 30)], [f"03/{day}/1985" for day in range(20, 30)]
    values, grounds = read_dates([*german, *american, "12.03.1985", "12/03/1985", "25/03/1985"], ["s"] * 23, THIS_YEAR)
    assert values[-3:] == ["1985-03-12", "1985-12-03", "1985-25-03"], "the last fits no American date: a slip"
    assert [each.words("dob").partition(":")[2] for each in grounds] == [
        " dates written with '.' were read with the day first: 10 can only have the day first, 0 only the month",
        " dates written with '/' were read with the month first: 1 can only have the day first, 10 only the month",
    ]


def test_where_nothing_shows_the_order_day_first_is_taken_and_said() -> None:
    values, (ground,) = read_dates(["12/03/1985", "01/02/1990"], ["s"] * 2, THIS_YEAR)
    assert (values, ground.doubtful) == (["1985-03-12", "1990-02-01"], True)
    assert "nothing shows whether day or month is first (2 fit both)" in ground.words("dob")


def test_a_date_that_fits_both_orders_agrees_with_either_and_no_third() -> None:
    days = [*BOTH_ORDERS, "12/03/1985", "1985-03-12", "1985-12-03", "1985-03-13", "12/03/1985"]
    table = pa.table({"id": list(map(str, range(len(days)))), "dob": days})
    config = LinkConfig.model_validate(
        {"record_id": "id", "train": {"method": "unsupervised"}, "fields": {"dob": {"kind": "date", "column": "dob"}}}
    )
    columns = table_columns(table, config, untrained(config))
    levels = compare(columns, np.full(4, 20), np.arange(21, 25), untrained(config))[:, 0]
    assert (levels == DATE_EXACT).tolist() == [True, True, False, True]


def test_a_column_of_dates_in_very_mixed_forms_is_taken_for_dates() -> None:
    forms = ["%d/%m/%Y", "%Y-%m-%d", "%d %b %y", "%m/%d/%Y"]
    days = [(date(1970, 1, 1) + timedelta(days=37 * i)).strftime(forms[i % 4]) for i in range(80)]
    assert guess_kinds(pa.table({"dob": days}), None) == {"dob": "date"}


def test_a_date_pattern_may_be_given() -> None:
    assert read_dates(["05/06/2014", "odd"], ["s", "s"], THIS_YEAR, "%m/%d/%Y") == (["2014-05-06", "odd"], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,name\n", "has no rows"),
        (b"PK\x03\x04xl", "is an Excel workbook"),
        (b"SQLite format 3", "is a database"),
        (b'[{"id": 1}]', "one object a line"),
        (b"id,na\0me\n1,x\n", "holds zero bytes"),
        (b"17,1972-08-12\n18,1973-01-02\n", "begins with data"),
        (b"id,name,name\n1,a,b\n", "several columns named 'name'"),
        (b"id,name\n1,a,Secret\n", "Expected 2 columns, got 3; a value that holds separators .* lone quote none$"),
    ],
)
def test_a_file_that_is_no_table_is_answered_with_what_to_do(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"table\.csv: .*{message}"):
        read_file(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_a_mark_of_byte_order_is_no_letter(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"id{delimiter}name\n007{delimiter}NULL\n", encoding="utf-8-sig")
    table = read_file(path)
    assert (texts(table, "id"), texts(table, "name")) == (["007"], [""])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("before", ["sep=|\n", '"sep=|"\r\n', "# made by hand; 2026\n\n#\n"])
def test_what_stands_before_the_header_is_no_header(before: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(f"{before}#id|na,me|town\n007|M\u00fcller|X\n".encode(encoding))
    assert texts(read_file(path), "na,me")[-1] == "M\u00fcller"


def test_numbers_keep_their_form_whatever_type_holds_them() -> None:
    table = pa.table(
        {"a": pa.array([19720812.0, None, float("nan"), 1.5]), "b": pa.array(["x"] * 4).dictionary_encode()}
    )
    assert texts(table, "a") == ["19720812", "", "", "1.5"]
    assert texts(table, "b") == ["x"] * 4


def test_columns_are_told_by_name_and_by_what_they_hold() -> None:
    dice = random.Random(1)
    rows = [
        {
            "rec_id": f"r{i}",
            "Vorname": dice.choice(["Ann", "Bob", "Cy"]) + str(i % 70),
            "family_name": f"Name{i % 90}",
            "when": (date(1980, 1, 1) + timedelta(days=dice.randrange(9_000))).strftime("%d/%m/%Y"),
            "code": dice.choice("MF"),
            "Phone No": f"0{dice.randrange(10**9)}",
            "zip": f"{dice.randrange(99999):05}",
            "cluster_id": i // 2,
            "empty": None,
            "same": "GB",
        }
        for i in range(300)
    ]
    table = pa.Table.from_pylist(rows)
    guess = guess_config(table, guess_record_id(table) or "")
    kinds = {name: field.kind for name, field in guess.config.fields.items()}
    assert guess.config.record_id == "rec_id"
    names = ("Vorname", "family_name", "when", "code", "Phone No", "zip")
    assert kinds == dict(zip(names, "given_name surname date sex short_string postcode".split(), strict=True))
    assert set(guess.left_out) == {"cluster_id", "empty", "same"}


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("email", "ann{}@example.org", "short_string"),  # a family may share it, unlike a number of one person
        ("nhs_number", "94340765{}", "identifier"),
        ("race_ethnicity", "White {}", "short_string"),  # no city
        ("birth_year", "19{:02}", "years"),
        ("age", "{}", "years"),
        ("age", "over {}", "short_string"),
    ],
)
def test_a_column_is_taken_for_what_its_name_and_values_say(name: str, value: str, kind: str) -> None:
    table = pa.Table.from_pylist([{"id": i, name: value.format(i % 99), "sex": "MF"[i % 2]} for i in range(200)])
    assert guess_config(table, "id").config.fields[name].kind == kind


def test_middle_names_come_after_the_forename_by_which_families_are_told() -> None:
    table = pa.Table.from_pylist([{"id": i, "middle_name": f"A{i}", "first_name": f"B{i}"} for i in range(9)])
    assert list(guess_config(table, "id").config.fields) == ["first_name", "middle_name"]


def test_a_table_without_a_description_is_linked_and_the_guess_can_be_kept(tmp_path: Path) -> None:
    table = people(300).drop_columns(["id"])
    pa_csv.write_csv(table, tmp_path / "people.csv")
    kept = tmp_path / "LINK.toml"
    outputs = Outputs(tmp_path / "out.parquet", config=kept)
    told: list[str] = []
    report = run_link([tmp_path / "people.csv"], None, outputs, told.append)
    assert (told[0], told[-1]) == ("reading", "writing")
    assert {"estimating m and u", "choosing the threshold"} < {*told}
    clusters = pq.read_table(tmp_path / "out.parquet")
    assert clusters["record_id"].to_pylist() == list(range(1, table.num_rows + 1))
    assert measure_labels(clusters["cluster_id"].to_pylist(), table["person"].to_pylist()).f1 > 0.9
    assert "person" not in report.columns
    again = run_link([tmp_path / "people.csv"], kept, Outputs(tmp_path / "again.parquet"), lambda *_: None)
    assert pq.read_table(tmp_path / "again.parquet") == clusters
    assert again.columns == report.columns


def test_a_guess_is_written_as_it_is_read(tmp_path: Path) -> None:
    guess = guess_config(people(50), "id")
    config = guess.config.model_copy(update={"rename": {"Nach name": "last"}, "keep_twins_apart": False})
    (tmp_path / "LINK.toml").write_text(config_text(config), encoding="utf-8")
    assert load_link_config(tmp_path / "LINK.toml") == config


def test_a_table_that_holds_too_little_is_not_linked_without_a_warning() -> None:
    model = untrained_model("two columns", [Field("sex", "sex"), Field("place", "exact")])
    assert "too little to link safely" in expectations(model, None, 2)[0]
    assert "largest cluster" in expectations(model, None, 1000)[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_found_and_quotes_hold_what_they_enclose(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes('\r\n"the, id"; name ;\r\n007;"Zo\u00eb\r\nAnn";x\r\n'.replace(";", ",").encode(encoding))
    table = read_file(path)
    assert table.to_pylist() == [{"the, id": "007", "name": "Zo\u00eb\r\nAnn", "column_3": "x"}]


def test_json_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "table.jsonl").write_text('{"id": 7, "name": "Ann"}\n{"id": 8, "born": "2001-05-06"}\n')
    table = read_file(tmp_path / "table.jsonl")
    assert (texts(table, "id"), texts(table, "name")) == (["7", "8"], ["Ann", ""])


def test_files_with_other_columns_in_another_order_are_one_table(tmp_path: Path) -> None:
    first = people(40).drop_columns(["person", "place"])
    names = {"id": "pupil_id", "first": "First", "last": "family_name", "code": "Post code"}
    second = first.rename_columns([names.get(name, name) for name in first.column_names]).select([4, 5, 3, 2, 1, 0])
    paths = [tmp_path / "gp.csv", tmp_path / "school.csv"]
    for path, table in zip(paths, (first, second), strict=True):
        pa_csv.write_csv(table, path)
    table, guess = guessed_table(paths)
    assert guess.config.rename == {name: known for known, name in names.items()}
    assert guess.config.source == "input_file"
    assert texts(table, "first") == 2 * texts(first, "first")
    assert texts(table, "id") == [f"{name}:{each}" for name in ("gp", "school") for each in texts(first, "id")]
    assert read_table(paths, guess.config)["id"].to_pylist() == table["id"].to_pylist()


def test_a_record_of_a_file_is_found_again_by_file_and_id(tmp_path: Path) -> None:
    table = people(60).drop_columns(["person"])
    for name in ("a.csv", "b.parquet"):
        pa_csv.write_csv(table, tmp_path / name) if name.endswith("csv") else pq.write_table(table, tmp_path / name)
    run_link([tmp_path / "a.csv", tmp_path / "b.parquet"], None, Outputs(tmp_path / "out.csv"), lambda *_: None)
    out = read_file(tmp_path / "out.csv")
    assert out["input_file"].to_pylist() == ["a"] * table.num_rows + ["b"] * table.num_rows
    assert out["id_in_file"].to_pylist() == 2 * table["id"].to_pylist()
    assert out["record_id"].to_pylist()[0] == f"a:{table['id'][0]}"


@pytest.mark.parametrize(
    ("out", "message"),
    [("in.csv", "is the input too"), (".", "is a folder"), ("x.xlsx", "as CSV or Parquet"), ("in.csv/x", "cannot be")],
)
def test_what_cannot_be_written_is_refused_before_the_work(out: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id\n1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"--out: .*{message}"):
        check_outputs({"--out": tmp_path / out}, [tmp_path / "in.csv"])


def test_a_table_without_names_of_persons_is_linked_with_a_warning(tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "title": f"Lamp {i % 40} {'red' if i % 3 else 'blue'}", "price": str(i % 97)} for i in range(99)
    ]
    pa_csv.write_csv(pa.Table.from_pylist(rows), tmp_path / "goods.csv")
    report = run_link([tmp_path / "goods.csv"], None, Outputs(tmp_path / "out.csv"), lambda *_: None)
    assert "no column was taken for a person's name" in report.warnings[0]


def test_two_columns_never_get_one_name() -> None:
    table = pa.table({"a": ["1"], "b": ["2"], "c": ["3"]})
    assert renamed(table, {"a": "x", "b": "x"}).column_names == ["x", "b", "c"]
    assert renamed(table, {"a": "c"}).column_names == ["a", "b", "c"]
