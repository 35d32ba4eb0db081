"""What `contactpoint link` takes columns for that nobody has described: by heading, and by what they hold."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from contactpoint.model_tools.quality import measure_labels
from contactpoint.table_link import Outputs, headings, link_table, run_link
from contactpoint.table_link.ages import with_one_time
from contactpoint.table_link.guess import Guess, guess_config, guess_record_id
from contactpoint.table_link.table import table_columns
from contactpoint.table_link.whole_names import split_whole_name
from matching.estimation.specification import untrained_model
from matching.linkage.model import Field
from tests.unit.contactpoint.linking import people

PERSONS = ["Ann", "Benjamin", "Carol", "Daniel", "Emily", "Frank"]


def guessed(rows: list[dict[str, Any]]) -> Guess:
    return guess_config(pa.Table.from_pylist([{"id": i, **row} for i, row in enumerate(rows)]), "id")


@pytest.mark.parametrize(
    ("spellings", "kind"),
    [
        ("D.O.B.|DoB|BirthDate|BIRTH_DT|Date of birth|Geburtsdatum|Né le", "date"),
        ("first|FirstName|First Name|FNAME|Forenames|given_name1|Prénom|midl_name", "given_name"),
        ("LAST|surName|Family name|LNAME|Nachname|NOM", "surname"),
        ("postal code|PostCode|ZIP5|PLZ", "postcode"),
        ("Straße|BirthPlace|City", "address"),
        ("Geschlecht|sex_code", "sex"),
        ("registr_dt|date_of_death", "exact"),
    ],
)
def test_a_heading_is_understood_however_it_is_written(spellings: str, kind: str) -> None:
    assert {headings.kind_of(heading) for heading in spellings.split("|")} == {kind}


@pytest.mark.parametrize("heading", ["ClusterID", "entity_id", "gold_cluster", "true_id", "is_match", "Group"])
def test_a_column_that_holds_the_answer_is_no_evidence(heading: str) -> None:
    guess = guessed([{"name": f"{PERSONS[i % 6]} Smith", heading: i // 2} for i in range(90)])
    assert "answer" in guess.left_out[heading]


@pytest.mark.parametrize(
    ("text", "given", "surname"),
    [
        ("Ann Smith", "Ann", "Smith"),
        ("Smith, Ann M.", "Ann M.", "Smith"),
        ("Dr. Ann van der Berg Jr.", "Ann", "van der Berg"),
        ("John Smith, Jr.", "John", "Smith"),
        ("María de la Cruz", "María", "de la Cruz"),
        ("Smith", "", "Smith"),
        (" , ", "", ""),
    ],
)
def test_a_whole_name_is_forenames_and_a_surname(text: str, given: str, surname: str) -> None:
    assert split_whole_name(text) == (given, surname)


@pytest.mark.parametrize(("heading", "value"), [("name", "{} Smith"), ("Patient Name", "SMITH, {}")])
def test_a_column_of_whole_names_is_linked_as_forename_and_surname(heading: str, value: str) -> None:
    config = guessed([{heading: value.format(PERSONS[i % 6]), "town": f"T{i % 9}"} for i in range(60)]).config
    parts = [field.kind for field in config.fields.values() if field.whole_name]
    model = untrained_model("names", [Field(name, field.kind) for name, field in config.fields.items()])
    table = pa.table({"id": ["1"], heading: [value.format("Ann")], "town": ["T"]})
    assert parts == ["given_name", "surname"]
    assert table_columns(table, config, model).values(np.array([0]))[0][:2] == ["ANN", "SMITH"]


def test_names_of_shops_are_no_names_of_persons() -> None:
    config = guessed([{"name": f"{PERSONS[i % 6] if i % 7 == 0 else 'The'} Deli {i}"} for i in range(90)]).config
    assert config.fields["name"].kind == "text"


def test_a_list_of_texts_and_nothing_else_is_linked_by_their_words_and_says_so(tmp_path: Path) -> None:
    names = [f"{first} and {other}" for first in PERSONS for other in ("Adler", "Bolt", "Crane", "Doyle", "Eddy")]
    lines = ["company", *(f"{name} Holdings" for name in names), "Adler and Ann Holdings", "HOLDINGS EMILY AND CRANE"]
    (tmp_path / "in.csv").write_text("\n".join(lines))
    report = run_link([tmp_path / "in.csv"], None, Outputs(tmp_path / "out.csv"), lambda *_: None)
    clusters = [int(line.split(",")[1]) for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert report.columns == {"company": "text"}
    assert any("company is the only evidence" in warning for warning in report.warnings)
    assert (clusters[-1], clusters[-2]) == (clusters[22], clusters[0])
    assert len(set(clusters)) == len(names)


@pytest.mark.parametrize(("share", "kind"), [(2, "exact"), (1, "short_string")])
def test_a_few_words_are_a_code_only_if_they_come_again(share: int, kind: str) -> None:
    words = [f"{first}{other}" for first in "abcdef" for other in "ghjkl"]
    rows = [{"note": words[i // share], "amount": f"{i % 7}.5"} for i in range(30)]
    assert guessed(rows).config.fields["note"].kind == kind


def test_a_name_beside_forenames_is_the_surname_and_a_former_one_its_alternate() -> None:
    rows = [{"Vorname": PERSONS[i % 6], "Name": f"N{i % 40}", "Maiden name": f"M{i % 41}"} for i in range(90)]
    field = guessed(rows).config.fields["Name"]
    assert (field.kind, field.alternates) == ("surname", ("Maiden name",))


def test_what_says_when_a_row_was_written_or_never_comes_twice_is_left_out() -> None:
    rows = [
        {"dob": f"19800{1 + i % 9}0{1 + i % 7}", "created_at": f"2020-01-01T10:{i % 60:02}", "hash": f"a{i * 7919:09x}"}
        for i in range(90)
    ]
    guess = guessed([{**row, "amount": f"{i % 70}.{i % 10}5"} for i, row in enumerate(rows)])
    assert {name: field.kind for name, field in guess.config.fields.items()} == {"dob": "date", "amount": "exact"}
    assert set(guess.left_out) == {"created_at", "hash"}


def test_ages_of_two_censuses_are_read_as_of_the_first() -> None:
    persons = [(f"G{i}", f"S{i}", "F") for i in range(40)] * 2
    ages = [str(i + 20) for i in range(40)] + [str(i + 30 + (i % 5 == 0)) for i in range(40)]
    read, found = with_one_time(ages, persons, ["1881"] * 40 + ["1891"] * 40)
    assert [each.years for each in found] == [10]
    assert "10 years above" in found[0].words("Age")
    assert read[:40] == ages[:40]
    assert [int(late) - int(early) for early, late in zip(read[:40], read[40:], strict=True)] == [1, 0, 0, 0, 0] * 8


@pytest.mark.parametrize("later", [0, 1900])
def test_ages_of_one_time_and_years_of_birth_stay_as_they_are(later: int) -> None:
    persons = [(f"G{i}", f"S{i}") for i in range(40)] * 2
    years = [str(i + 20 + later) for i in range(40)] * 2
    assert with_one_time(years, persons, ["a"] * 40 + ["b"] * 40) == (years, [])


def test_a_heading_of_any_signs_is_linked_on(tmp_path: Path) -> None:
    headings_of = {
        "first": "First-name (given)",
        "last": "last, name",
        "code": "P.O. code",
        "place": "#",
        "y": "e-mail",
    }
    table = people(80).drop_columns(["id", "person"])
    table = table.rename_columns([headings_of.get(name, name) for name in table.column_names])
    pa_csv.write_csv(table, tmp_path / "in.csv")
    outputs = Outputs(tmp_path / "out.csv", config=tmp_path / "LINK.toml")
    report = run_link([tmp_path / "in.csv"], None, outputs, lambda *_: None)
    again = run_link([tmp_path / "in.csv"], outputs.config, Outputs(tmp_path / "again.csv"), lambda *_: None)
    assert again.columns == report.columns
    assert {"First_name _given_", "last_ name"} <= set(report.columns)


@pytest.mark.parametrize(("heading", "value"), [("first_name", "A{}"), ("name", "B{} C"), ("title", "The book of {}")])
def test_a_first_column_without_repeats_is_no_record_id_if_it_tells_of_somebody(heading: str, value: str) -> None:
    rows = [{heading: value.format("abcdefgh"[i]), "town": "T"} for i in range(8)]
    assert guess_record_id(pa.Table.from_pylist(rows)) is None
    assert guess_record_id(pa.Table.from_pylist([{"code": str(i), **row} for i, row in enumerate(rows)])) == "code"


@pytest.mark.parametrize(("sources", "left_out"), [("A", set()), ("ABC", {"uid"})])
def test_a_number_called_id_is_somebodys_own_if_rows_of_a_source_share_it(sources: str, left_out: set[str]) -> None:
    rows = [{"uid": i // 3, "src": sources[i % len(sources)], "dob": f"198{i % 10}-01-02"} for i in range(90)]
    guess = guess_config(pa.Table.from_pylist(rows), "row")
    assert set(guess.left_out) - {"src"} == left_out
    assert left_out or guess.config.fields["uid"].kind == "identifier"


def test_columns_that_say_nothing_of_people_do_not_undo_training() -> None:
    dice, table = random.Random(1), people(200).drop_columns(["code", "place"])
    for name, values in (("invoice", range(10_000, 12_000)), ("batch", range(12))):
        table = table.append_column(name, [[str(dice.choice(values)) for _ in range(table.num_rows)]])
    linked = link_table(table, guess_config(table, "id").config, lambda *_: None)
    assert measure_labels(linked.outcome.clusters, table["person"].to_pylist()).f1 > 0.9
