from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.times import iso_date, ordered, parse_local, parse_moment, two_digit_year_date
from schemas.moments import from_micros, micros

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-02T09:15:00", "2026-03-02T09:15:00", id="ISO"),
        pytest.param("20260302091500", "2026-03-02T09:15:00", id="HL7"),
        pytest.param("2025-05-05 23:23:28", "2025-05-05T22:23:28", id="as seen in MSH-7, in summer time"),
        pytest.param("20260302", "2026-03-02T00:00:00", id="a day"),
        pytest.param("202603020915", "2026-03-02T09:15:00", id="minutes"),
        pytest.param("20260302091500.25", "2026-03-02T09:15:00.250000", id="fraction"),
        pytest.param("20260302091500+0200", "2026-03-02T07:15:00", id="offset"),
        pytest.param("2026-03-02T09:15:00Z", "2026-03-02T09:15:00", id="UTC"),
    ],
)
def test_moments_in_the_forms_that_feeds_use(text: str, expected: str) -> None:
    assert parse_moment(text, LONDON) == micros(datetime.fromisoformat(expected).replace(tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "today", "20261302", "2026-03-02T25:00:00", "02/03/2026", "20260302091500Q"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert parse_moment(text, LONDON) is None


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_microseconds_and_back_is_the_same_moment(moment: datetime) -> None:
    assert from_micros(micros(moment)) == moment
    assert parse_moment(moment.isoformat(), LONDON) == micros(moment)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("03/11/2009", "%d/%m/%Y", "2009-11-03"),
        ("3/11/14", "%d/%m/%Y", "3/11/14"),
        ("2009-11-03", "%d/%m/%Y", "2009-11-03"),
        ("31/02/2009", "%d/%m/%Y", "31/02/2009"),
    ],
)
def test_a_date_that_does_not_fit_its_declared_form_is_left_as_it_is(text: str, form: str, expected: str) -> None:
    assert iso_date(text, form) == expected


def test_a_local_time_is_in_the_feeds_zone() -> None:
    summer = parse_local("2026-07-01 10:00:00", "%Y-%m-%d %H:%M:%S", LONDON)
    assert summer == micros(datetime(2026, 7, 1, 9, tzinfo=UTC))
    assert parse_local("nonsense", "%Y", LONDON) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("141103", "2014-11-03"),
        ("260302", "2026-03-02"),
        ("260303", "1926-03-03"),
        ("20141103", "2014-11-03"),
        ("14", "14"),
    ],
)
def test_a_birth_year_of_two_digits_is_never_in_the_future(text: str, expected: str) -> None:
    assert two_digit_year_date(text, date(2026, 3, 2)) == expected


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_position_orders_within_a_second_and_never_beyond(first: int, second: int) -> None:
    assert ordered(0, first) < ordered(1_000_000, second)
    assert (ordered(0, first) <= ordered(0, second)) == (min(first, 999_999) <= min(second, 999_999))
