"""`contactpoint link` on tables as people hand them over: odd files, dates of every order, columns nobody described."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.model_tools.quality import measure_labels
from contactpoint.table_link import load_link_config, run_link
from contactpoint.table_link.advice import expectations
from contactpoint.table_link.dates import read_dates
from contactpoint.table_link.guess import guess_config, guess_record_id, save_config
from contactpoint.table_link.reading import read_file, texts
from matching.estimation.specification import untrained_model
from matching.linkage.model import Field
from schemas.errors import ConfigurationError
from tests.unit.contactpoint.test_table_link import people

THIS_YEAR = 2026
DAYS = st.lists(st.dates(date(1930, 1, 1), date(2020, 12, 31)), min_size=1, max_size=40)


@pytest.mark.parametrize("pattern", ["%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d", "%d.%m.%y", "%d %b %Y", "%m%d%Y", "%Y%m%d"])
@given(days=DAYS)
def test_dates_are_read_in_the_order_that_a_source_writes_them(pattern: str, days: list[date]) -> None:
    days = [day for day in days if day.year > THIS_YEAR - 100 or "%Y" in pattern]
    days.append(date(2005, 5, 25))  # one day that is no month shows the order
    days.extend([date(1990, 12, 31)] * len(days))
    read = read_dates([day.strftime(pattern) for day in days], ["s"] * len(days), THIS_YEAR)
    assert read == [day.isoformat() for day in days]


def test_each_source_has_its_own_order_and_what_is_no_date_stays() -> None:
    values = ["05/23/2014", "05/06/2014", "23/05/2014", "05/06/2014", "1970", "unknown", ""]
    read = read_dates(values, ["us", "us", "uk", "uk", "uk", "uk", "us"], THIS_YEAR)
    assert read == ["2014-05-23", "2014-05-06", "2014-05-23", "2014-06-05", "1970", "unknown", ""]


def test_a_date_pattern_may_be_given() -> None:
    assert read_dates(["05/06/2014", "odd"], ["s", "s"], THIS_YEAR, "%m/%d/%Y") == ["2014-05-06", "odd"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,name\n", "has no rows"),
        (b"PK\x03\x04xl", "is an Excel workbook"),
        ("id,name\n1,x\n".encode("utf-16"), "is UTF-16"),
        (b"id,name,name\n1,a,b\n", "several columns named 'name'"),
        (b"id,name\n1,a,Secret\n", "Expected 2 columns, got 3$"),
        ("id,name\n1,Zoë\n".encode("cp1252"), "set encoding"),
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
    table = pa.Table.from_pylist([{"id": i, name: value.format(i % 99)} for i in range(200)])
    assert guess_config(table, "id").config.fields[name].kind == kind


def test_middle_names_come_after_the_forename_by_which_families_are_told() -> None:
    table = pa.Table.from_pylist([{"id": i, "middle_name": f"A{i}", "first_name": f"B{i}"} for i in range(9)])
    assert list(guess_config(table, "id").config.fields) == ["first_name", "middle_name"]


def test_a_table_without_a_description_is_linked_and_the_guess_can_be_kept(tmp_path: Path) -> None:
    table = people(300).drop_columns(["id"])
    pa_csv.write_csv(table, tmp_path / "people.csv")
    kept = tmp_path / "LINK.toml"
    report = run_link(tmp_path / "people.csv", None, tmp_path / "out.parquet", None, lambda *_: None, save=kept)
    clusters = pq.read_table(tmp_path / "out.parquet")
    assert clusters["record_id"].to_pylist() == list(range(1, table.num_rows + 1))
    assert measure_labels(clusters["cluster_id"].to_pylist(), table["person"].to_pylist()).f1 > 0.9
    assert "person" not in report.columns
    again = run_link(tmp_path / "people.csv", kept, tmp_path / "again.parquet", None, lambda *_: None)
    assert pq.read_table(tmp_path / "again.parquet") == clusters
    assert again.columns == report.columns


def test_a_guess_is_written_as_it_is_read(tmp_path: Path) -> None:
    guess = guess_config(people(50), "id")
    save_config(guess.config, tmp_path / "LINK.toml")
    assert load_link_config(tmp_path / "LINK.toml") == guess.config


def test_a_table_that_holds_too_little_is_not_linked_without_a_warning() -> None:
    model = untrained_model("two columns", [Field("sex", "sex"), Field("place", "exact")])
    assert "too little to link safely" in expectations(model, None, 2)[0]
    assert "largest cluster" in expectations(model, None, 1000)[1]
