from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage import normalise as n
from matching.linkage.nicknames import are_nicknames


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("O'Brien", "OBRIEN", id="apostrophe"),
        pytest.param("O\u2019Brien", "OBRIEN", id="typographic apostrophe"),
        pytest.param("\ufeffO\u200bBri\u00aden", "OBRIEN", id="signs of no width"),
        pytest.param("  smith -  JONES ", "SMITH JONES", id="hyphen and spaces"),
        pytest.param("St. John", "ST JOHN", id="full stop"),
        pytest.param("Zoë", "ZOE", id="accent without another form"),
        pytest.param("Zoe\u0308", "ZOE", id="combining accent"),
        pytest.param("Müller", "MULLER|MUELLER", id="umlaut: plain and ICAO form"),
        pytest.param("Sørensen", "SORENSEN|SOERENSEN", id="o with stroke"),
        pytest.param("Núñez", "NUNEZ|NUNXXEZ", id="n with tilde"),
        pytest.param("Straße", "STRASSE", id="sharp s has one form"),
        pytest.param("Łukasz", "LUKASZ", id="l with stroke"),
        pytest.param("Smith2", "SMITH", id="digit"),
        pytest.param("unknown", "", id="unknown"),
        pytest.param("N/K", "", id="not known"),
        pytest.param("Unknown Unknown", "", id="unknown twice"),
        pytest.param("SURNAME NOT KNOWN", "", id="no surname"),
        pytest.param("LNU", "", id="last name unknown"),
        pytest.param("XXXX", "", id="crosses"),
        pytest.param("Male", "MALE", id="Male is a surname"),
        pytest.param("", "", id="nothing"),
        pytest.param("a|b", "A B", id="separator of alternates"),
    ],
)
def test_surnames_fold(text: str, folded: str) -> None:
    assert n.fold_surname(text) == folded


@pytest.mark.parametrize(
    "placeholder",
    [
        "Baby",
        "BABY BOY",
        "twin 1",
        "Twin Two",
        "Infant of Mary",
        "Baby of Ann",
        "B/O",
        "B/O Ann",
        "UNKNOWN",
        "Female",
        "-",
        "1st Twin",
        "Twin 2 of 2",
        "TWIN 1 SMITH",
        "Baby Boy Smith",
        "Infant of",
        "Inf. of Ann",
        "Unborn baby",
        "Babygirl",
        "Unknown Unknown",
        "Unknown male",
        "Not yet known",
        "To be confirmed",
        "TBA",
        "no forename",
        "FNU",
        "Child 1",
    ],
)
def test_placeholder_forenames_are_missing(placeholder: str) -> None:
    assert n.fold_given_name(placeholder) == ""


@pytest.mark.parametrize("name", ["Twinkle", "Babyjane", "Boyd", "Ida B", "Xena", "Unkar", "Na Na", "Annon"])
def test_forenames_that_resemble_placeholders_stay(name: str) -> None:
    assert n.fold_given_name(name) == name.upper()


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("2001-02-03", "20010203", id="ISO"),
        pytest.param("20010203", "20010203", id="compact"),
        pytest.param("2001-02-03T10:11:12Z", "20010203", id="with time"),
        pytest.param("2001-02-03 00:00:00", "20010203", id="with time after space"),
        pytest.param("3/2/2001", "20010203", id="British"),
        pytest.param("03.02.2001", "20010203", id="dots"),
        pytest.param("2001-02", "20010201", id="month"),
        pytest.param("02/2001", "20010201", id="month, British"),
        pytest.param("200102", "20010201", id="month, compact"),
        pytest.param("2001", "20010101", id="year"),
        pytest.param("1630-08-81", "16300881", id="impossible day is kept: a typing error"),
        pytest.param("1900-01-01", "", id="default date"),
        pytest.param("01/01/1901", "", id="default date, British"),
        pytest.param("9999-12-31", "", id="end of time"),
        pytest.param("unknown", "", id="words"),
        pytest.param("", "", id="nothing"),
        pytest.param("12/13", "", id="no year"),
        pytest.param("3/2/01", "", id="year without century"),
        pytest.param("1/2/3/4", "", id="too many parts"),
    ],
)
def test_dates_fold(text: str, folded: str) -> None:
    assert n.fold_date(text) == folded


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("ab1 2cd", "AB12CD", id="space and case"),
        pytest.param("ZZ99 3VZ", "", id="no fixed abode"),
        pytest.param("ZZ993WZ", "", id="not known"),
        pytest.param("XXX", "", id="crosses"),
        pytest.param("0000", "", id="noughts"),
        pytest.param("2620", "2620", id="other countries"),
    ],
)
def test_postcodes_fold(text: str, folded: str) -> None:
    assert n.fold_postcode(text) == folded


@pytest.mark.parametrize(
    ("text", "folded"),
    [("943 476 5919", "9434765919"), ("a-12/b", "A12B"), ("0000000000", ""), ("not known", ""), ("9", ""), ("", "")],
)
def test_identifiers_fold(text: str, folded: str) -> None:
    assert n.fold_identifier(text) == folded


@pytest.mark.parametrize(
    ("text", "folded"), [("m", "M"), ("Female", "F"), ("1", "M"), ("2", "F"), ("9", ""), ("U", ""), ("", "")]
)
def test_sex_folds(text: str, folded: str) -> None:
    assert n.fold_sex(text) == folded


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("12, High St.", "12 HIGH ST"),
        ("No fixed abode", ""),
        ("N.F.A.", ""),
        ("no fixed abode Bolton", ""),
        ("Address not known Leeds", ""),
        ("Same as mother", ""),
        ("Homeless Shelter, 5 Low St", "HOMELESS SHELTER 5 LOW ST"),
        ("Flat 3/4", "FLAT 3 4"),
    ],
)
def test_addresses_fold(text: str, folded: str) -> None:
    assert n.fold_address(text) == folded


@given(st.sampled_from(sorted(n.FOLDERS)), st.text(st.characters(max_codepoint=0x17F), max_size=30))
def test_folding_is_settled_after_once_and_keeps_the_separators_free(kind: str, text: str) -> None:
    once = n.FOLDERS[kind](text)
    assert "\x1f" not in once
    for alternate in once.split(n.ALTERNATE):
        assert n.FOLDERS[kind](alternate) in {alternate, ""} or kind == "date"


def test_alternates_are_joined_once_each() -> None:
    assert n.join_alternates(["MULLER|MUELLER", "", "SMITH", "MULLER"]) == "MULLER|MUELLER|SMITH"


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("BILL", "WILLIAM", True),
        ("WILLIAM", "BILL", True),
        ("HARRY", "HAROLD", True),
        ("HENRY", "HAROLD", False),
        ("Q", "R", False),
    ],
)
def test_short_forms_of_one_name_are_known_in_both_directions(left: str, right: str, *, expected: bool) -> None:
    assert are_nicknames(left, right) is expected


@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_text_without_accents_is_folded_by_the_same_rule_as_any_other(text: str) -> None:
    plain = re.sub(r"['`.]", "", f"AB {text}".upper())
    assert n.fold_surname(f"AB {text}") == re.sub(r"[\W\d_]+", " ", plain).strip()
    assert n.fold_address(f"AB {text}") == re.sub(r"[\W_]+", " ", plain).strip()


@given(st.text(max_size=12), st.sampled_from(["KNOWN", "Zoë", "O'Neil", "x", "Ann"]), st.booleans())
def test_a_full_name_is_folded_as_one_short_text_or_missing(one: str, other: str, forward: bool) -> None:
    names = (one, other) if forward else (other, one)
    assert n.fold_full_name(*names) in {n.fold_short_string(" ".join(names)), ""}


@pytest.mark.parametrize(
    ("given", "family", "folded"),
    [("Jane", "Smith", "JANE SMITH"), ("Unknown", "Unknown", ""), ("Not", "Known", ""), ("Unknown", "Smith", ""),
     ("Mrs", "Smith", ""), ("", "Smith", ""), ("Mum", "", ""), ("Jane", "N/K", "")],
)  # fmt: skip
def test_half_a_name_is_no_full_name(given: str, family: str, folded: str) -> None:
    assert n.fold_full_name(given, family) == folded
