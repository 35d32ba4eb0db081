from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.text import (
    Cleaned,
    clean,
    clean_birth_date,
    clean_code,
    clean_date,
    clean_death_date,
    clean_identifier,
    clean_postcode,
    clean_sex,
    says_no_fixed_abode,
)
from tests.unit.connectors.source_samples import upn

SAID_ON = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("  O'Neill \t Adewale ", Cleaned("O'Neill Adewale"), id="spaces"),
        pytest.param("Ade\u0301", Cleaned("Ad\u00e9"), id="composed form"),
        pytest.param("UNKNOWN", Cleaned(None), id="placeholder"),
        pytest.param("not known", Cleaned(None), id="placeholder in lower case"),
        pytest.param("N/K", Cleaned(None), id="not known"),
        pytest.param(".", Cleaned(None), id="full stop"),
        pytest.param('""', Cleaned(None), id="two quotes"),
        pytest.param("Null", Cleaned("Null"), id="a real surname"),
        pytest.param("X", Cleaned("X"), id="a real surname of one letter"),
        pytest.param("A\ufffdw", Cleaned(None, "replaced_character"), id="spoilt by a wrong encoding before it came"),
        pytest.param("A\x07B", Cleaned(None, "control_character"), id="bell"),
        pytest.param("A\x00B", Cleaned(None, "control_character"), id="NUL"),
        pytest.param("A" * 201, Cleaned(None, "too_long"), id="long"),
        pytest.param("", Cleaned(None), id="empty"),
    ],
)
def test_text(text: str, expected: Cleaned) -> None:
    assert clean(text) == expected


@given(st.text(max_size=220))
def test_cleaned_text_is_clean_and_cleaning_it_again_changes_nothing(text: str) -> None:
    value, note = clean(text)
    assert value is None or (clean(value) == Cleaned(value) and value.isprintable() and len(value) <= 200 and not note)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-11-03", (date(2014, 11, 3), "")),
        ("", (None, "")),
        ("2014-02-30", (None, "not_a_date")),
        ("3/11/14", (None, "not_a_date")),
    ],
)
def test_dates(text: str, expected: tuple[date | None, str]) -> None:
    assert clean_date(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2014-11-03", (date(2014, 11, 3), "stated", ""), id="stated"),
        pytest.param("1900-01-01", (None, "stated", ""), id="placeholder"),
        pytest.param("2026-06-01", (date(2026, 6, 1), "expected", ""), id="an expected birth"),
        pytest.param("2027-06-01", (None, "stated", "in_the_future"), id="too far ahead"),
        pytest.param("1850-06-01", (None, "stated", "too_old"), id="nobody alive"),
        pytest.param("rubbish", (None, "stated", "not_a_date"), id="no date"),
    ],
)
def test_dates_of_birth(text: str, expected: tuple[date | None, str, str]) -> None:
    assert clean_birth_date(text, SAID_ON) == expected


def test_a_death_before_the_birth_or_after_the_day_it_was_said_is_no_death() -> None:
    born, day = SAID_ON - timedelta(days=9), timedelta(days=1)
    for died in (born, SAID_ON):
        assert clean_death_date(died.isoformat(), born, SAID_ON) == (died, "")
    assert clean_death_date((born - day).isoformat(), born, SAID_ON) == (None, "before_birth")
    assert clean_death_date((SAID_ON + day).isoformat(), None, SAID_ON) == (None, "in_the_future")
    assert clean_death_date("2026-02-30", born, SAID_ON) == (None, "not_a_date")
    assert clean_death_date("", born, SAID_ON) == (None, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("F", "female"),
        ("2", "female"),
        ("m", "male"),
        ("1", "male"),
        ("U", "not_specified"),
        ("9", "not_specified"),
        ("", None),
    ],
)
def test_codes_of_sex(text: str, expected: str | None) -> None:
    assert clean_sex(text) == Cleaned(expected)


def test_an_unknown_code_of_sex_is_noted() -> None:
    assert clean_sex("Q") == Cleaned(None, "not_a_code")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("bs11aa", Cleaned("BS1 1AA"), id="no space, lower case"),
        pytest.param("  EC1A  1BB ", Cleaned("EC1A 1BB"), id="spaces"),
        pytest.param("BS1 OAA", Cleaned("BS1 0AA"), id="letter O for zero"),
        pytest.param("ZZ99 3CZ", Cleaned(None), id="PDS default"),
        pytest.param("ZZ99 3VZ", Cleaned(None), id="no fixed abode"),
        pytest.param("XX1 1AA", Cleaned(None, "test_value"), id="test area"),
        pytest.param("12345", Cleaned(None, "not_a_postcode"), id="another country's"),
        pytest.param("", Cleaned(None), id="empty"),
    ],
)
def test_postcodes(text: str, expected: Cleaned) -> None:
    assert clean_postcode(text, accept_synthetic=False) == expected


def test_test_postcodes_pass_where_the_feed_accepts_them() -> None:
    assert clean_postcode("XX1 1AA", accept_synthetic=True) == Cleaned("XX1 1AA")


def test_no_fixed_abode_is_a_statement() -> None:
    assert says_no_fixed_abode("zz993vz")
    assert not says_no_fixed_abode("ZZ99 3CZ")


@pytest.mark.parametrize(
    ("scheme", "text", "expected"),
    [
        pytest.param("upn", upn(1), ("upn", Cleaned(upn(1))), id="upn"),
        pytest.param("upn", f" {upn(1).lower()} ", ("upn", Cleaned(upn(1))), id="space and case"),
        pytest.param("upn", upn(1).replace("0", "O"), ("upn", Cleaned(upn(1), "corrected")), id="letter O for zero"),
        pytest.param("upn", "UN4", ("upn", Cleaned(None)), id="reason for no number"),
        pytest.param("upn", "A801200005001", ("upn", Cleaned(None, "check_digit")), id="wrong letter"),
        pytest.param(
            "upn", "4505577104", ("nhs", Cleaned("4505577104", "corrected")), id="NHS number in the UPN column"
        ),
        pytest.param("nhs", upn(1), ("upn", Cleaned(upn(1), "corrected")), id="UPN in the NHS column"),
        pytest.param("former_upn", upn(1), ("former_upn", Cleaned(upn(1))), id="former"),
        pytest.param("nhs", "450 557-7104", ("nhs", Cleaned("4505577104")), id="spaces and dashes"),
        pytest.param("nhs", "9.99E+09", ("nhs", Cleaned(None, "check_digit")), id="spoilt by a spreadsheet"),
        pytest.param("nhs", "4444444444", ("nhs", Cleaned(None, "check_digit")), id="one digit ten times"),
        pytest.param("nhs", "9990001006", ("nhs", Cleaned(None, "test_value")), id="never issued"),
        pytest.param("uln", "1000000019", ("uln", Cleaned("1000000019")), id="uln"),
        pytest.param("uln", "9999999999", ("uln", Cleaned(None, "check_digit")), id="temporary uln"),
        pytest.param("local", "A/12", ("local", Cleaned("A/12")), id="local"),
        pytest.param("local", "A 12\u00e9", ("local", Cleaned(None, "not_a_code")), id="local with odd characters"),
        pytest.param("nhs", "N/K", ("nhs", Cleaned(None)), id="placeholder"),
    ],
)
def test_identifiers(scheme: str, text: str, expected: tuple[str, Cleaned]) -> None:
    assert clean_identifier(scheme, text, accept_synthetic=False) == expected


def test_a_temporary_upn_has_its_own_scheme() -> None:
    assert clean_identifier("upn", "L83840010600A", accept_synthetic=False)[0] in ("temporary_upn", "upn")


def test_codes_of_organisations() -> None:
    assert (clean_code("A20047"), clean_code(""), clean_code("a b")) == (
        Cleaned("A20047"),
        Cleaned(None),
        Cleaned(None, "not_a_code"),
    )
