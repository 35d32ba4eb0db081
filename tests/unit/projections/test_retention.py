"""How long a record stays: every cause, every stage and the days between them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.directory.retention import Facts, Life, add_years, life, next_of, shown_until
from projections.directory.rulings import CONSENT, HARM, Ruling, Standing

BORN = date(2010, 5, 4)
DAY = timedelta(days=1)

ENDS = [
    (Facts(birth=BORN), date(2028, 5, 4), "age"),
    (Facts(birth=date(2012, 2, 29)), date(2030, 3, 1), "age"),
    (Facts(death=date(2024, 2, 29)), date(2025, 3, 1), "death"),
    *(
        (Facts(left=date(2022, 1, 2), intends_return=back), date(2025, 1, 2), "left_england")
        for back in ("yes", "no", "unknown", None)
    ),
    (Facts(withdrawn=date(2026, 6, 1)), date(2026, 6, 1), "withdrawn"),
    (Facts(birth=BORN, left=date(2026, 6, 1), death=date(2020, 5, 6)), date(2021, 5, 6), "death"),
]


@pytest.mark.parametrize(("facts", "end", "cause"), ENDS)
def test_a_record_is_archived_on_its_day_closed_a_year_later_and_due_for_erasure_after_six(
    facts: Facts, end: date, cause: str
) -> None:
    closed, purged = end.replace(year=end.year + 1), end.replace(year=end.year + 6)
    live, archived = Life("live", None, None, end), Life("archive", cause, end, closed)  # type: ignore[arg-type]
    assert life(facts, (), None) == life(facts, (), end - DAY) == live
    assert life(facts, (), end) == life(facts, (), closed - DAY) == archived
    shut = life(facts, (), closed)
    assert shut == life(facts, (), purged - DAY) == archived._replace(stage="closed", due=purged)
    assert life(facts, (), purged) == archived._replace(stage="purge_due", due=None)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (Facts(birth=BORN, death=date(2011, 1, 2), death_told=date(2026, 3, 4)), date(2026, 3, 4)),  # 2011 for 2021
        (Facts(left=date(2012, 1, 2), left_told=date(2026, 3, 4)), date(2026, 3, 4)),
        (Facts(birth=date(1910, 5, 4), birth_told=date(2026, 3, 4)), date(2026, 3, 4)),
    ],
)
def test_an_end_that_is_told_late_archives_at_once_and_erases_six_years_after_it_was_told(
    facts: Facts, told: date
) -> None:
    now = life(facts, (), told)
    assert (now.stage, now.due) == ("archive", told.replace(year=told.year + 1))
    purged = told.replace(year=told.year + 6)
    assert life(facts, (), purged - DAY) == now._replace(stage="closed", due=purged)
    assert life(facts, (), purged).stage == "purge_due"


def consent(
    until_age: int | None, ended: date | None = None, scope: str = "participation", kind: str = CONSENT
) -> Standing:
    """Return consent of a child to stay until an age, perhaps ended on a day."""
    given_at = datetime(2026, 3, 1, tzinfo=UTC)
    end = None if ended is None else datetime(ended.year, ended.month, ended.day, 12, tzinfo=UTC)
    return Standing(Ruling("c", kind, given_at, ("school-1:1",), scope=scope, until_age=until_age), end)


CONSENTS = [
    ([consent(21)], date(2031, 5, 4)),
    ([consent(25)], date(2035, 5, 4)),
    ([consent(40)], date(2035, 5, 4)),  # reg. 4(2): at most until 25
    ([consent(17)], date(2028, 5, 4)),
    ([consent(21), consent(19)], date(2031, 5, 4)),
    ([consent(21, ended=date(2030, 1, 2))], date(2030, 1, 2)),
    ([consent(21, ended=date(2026, 1, 2))], date(2028, 5, 4)),
    ([consent(21, ended=date(2033, 1, 2))], date(2031, 5, 4)),
    ([consent(None)], date(2028, 5, 4)),
    ([consent(21, scope="sensitive_services")], date(2028, 5, 4)),
    ([consent(21, kind=HARM)], date(2028, 5, 4)),
]


@pytest.mark.parametrize(("consents", "end"), CONSENTS)
def test_consent_to_stay_moves_the_end_by_age_as_far_as_it_reaches_and_held(
    consents: list[Standing], end: date
) -> None:
    assert life(Facts(birth=BORN), consents, None).due == end


def test_consent_to_a_time_that_is_over_keeps_nothing_longer() -> None:
    for born, end in ((date(2005, 3, 2), date(2026, 3, 2)), (date(2005, 3, 1), date(2023, 3, 1))):
        assert life(Facts(birth=born), [consent(21)], None).due == end  # given on 1 March 2026


_days = st.dates(date(2000, 1, 1), date(2040, 1, 1))
_facts = st.builds(
    Facts,
    *(st.none() | _days for _ in range(3)),
    st.sampled_from([None, "yes", "no", "unknown"]),
    *(st.none() | _days for _ in range(4)),
)


@given(_facts, _days)
def test_nothing_changes_before_the_day_on_which_a_change_is_due_and_something_does_on_it(
    facts: Facts, today: date
) -> None:
    now = life(facts, (), today)
    if now.due is None:
        assert life(facts, (), date.max) == now
    else:
        assert life(facts, (), now.due - DAY) == now
        assert life(facts, (), now.due).stage != now.stage


def test_an_anniversary_is_the_same_day_or_the_1st_of_march_and_never_after_the_last_day_of_all() -> None:
    leap = date(2012, 2, 29)
    assert (add_years(leap, 4), add_years(leap, 1)) == (date(2016, 2, 29), date(2013, 3, 1))
    assert add_years(date(9996, 2, 3), 3) == date(9999, 2, 3)
    assert add_years(date(9996, 2, 3), 4) == date.max


def test_an_involvement_that_ended_is_shown_for_a_year_whether_its_end_is_a_day_or_a_moment() -> None:
    assert shown_until(None) is None
    assert shown_until("2024-01-02") == shown_until("2024-01-02T10:11:12Z") == date(2025, 1, 2)


def test_the_next_day_is_the_first_of_all_before_any_day_has_begun_and_then_the_first_to_come() -> None:
    days = [date(2026, 3, 4), None, date(2026, 1, 2), date(2026, 2, 3)]
    assert next_of(days, None) == next_of(days, date(2026, 1, 1)) == date(2026, 1, 2)
    assert next_of(days, date(2026, 1, 2)) == date(2026, 2, 3)
    assert next_of(days, date(2026, 3, 4)) is None
