"""Misuse: what the rules find in a month with known misuse, what they let pass, and that they never judge a child."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.world.access_month import Month, access_month
from projections.access.misuse.facts import Access, Facts, Family, Finding, Involvement, Rule, Thresholds, User
from projections.access.misuse.review import Review, review

MONDAY = datetime(2026, 11, 2, 10, tzinfo=UTC)
NURSE = User("u1", "o1", "nurse", "Ann", "Moss", "1 Elm Road")
PEER = User("u2", "o1", "nurse", "Bob", "Reed", "2 Oak Road")
STRANGER = Family("Fry", "9 Ash Road", (("Eve", "Fry"),))
EVER = date(2020, 1, 1)


@cache
def month() -> Month:
    return access_month(4, users=400, children=4_000, each=3)


@cache
def lines() -> tuple[Review, ...]:
    return tuple(review(month().accesses, month().facts))


def facts(family: Family = STRANGER, *involvements: Involvement, **limits: Any) -> Facts:
    known = {"u1": NURSE, "u2": PEER}
    children = {f"c{number}": STRANGER for number in range(60)} | {"c0": family}
    return Facts(known, children, {"c0": involvements}, replace(Thresholds(quiet_share=0.0), **limits))


def access(leaf: int = 0, minutes: float = 0, **changes: Any) -> Access:
    common: dict[str, Any] = {"user": "u1", "action": "opened", "child": "c0"}
    return Access(leaf=leaf, time=MONDAY + timedelta(minutes=minutes), **{**common, **changes})


def rules(known: Facts, *accesses: Access) -> list[str]:
    return [line.rule for line in review(accesses, known)]


def test_nine_in_ten_planted_misuses_are_found_at_alerts_below_one_percent() -> None:
    whole = access_month(4)
    assert len(whole.accesses) >= 100_000
    assert len(whole.planted) >= 50
    flagged = {leaf for line in review(whole.accesses, whole.facts) for leaf in line.leaves}
    found = [plot for plot in whole.planted if flagged & set(plot.leaves)]
    assert len(found) >= 0.9 * len(whole.planted)
    assert len(flagged) <= 0.01 * len(whole.accesses)


def test_every_rule_is_planted_and_every_rule_finds_something() -> None:
    assert {plot.kind for plot in month().planted} == set(get_args(Rule)) == {line.rule for line in lines()}


def test_findings_are_about_users_and_say_nothing_of_a_child() -> None:
    assert {each.name for each in fields(Review)} == {"finding", "user", "rule", "leaves", "at", "suspend"}
    assert {each.name for each in fields(Finding)} == {"rule", "user", "leaves", "at"}
    known, children = set(month().facts.users), set(month().facts.families)
    assert all(line.user in known and line.finding not in children for line in lines())


def test_the_review_list_ranks_nobody_it_is_in_the_order_of_time() -> None:
    assert [line.at for line in lines()] == sorted(line.at for line in lines())


def test_the_list_does_not_depend_on_what_children_are_called() -> None:
    renamed = [replace(each, child=each.child and f"x{each.child}") for each in month().accesses]
    known = month().facts
    other = Facts(
        known.users,
        {f"x{child}": family for child, family in known.families.items()},
        {f"x{child}": found for child, found in known.involvements.items()},
    )
    assert tuple(review(renamed, other)) == lines()


@given(st.sampled_from(["opened", "searched", "listed_involved"]), st.integers(0, 23), st.integers(1, 80))
def test_what_the_user_s_own_involvement_explains_passes_at_once(action: str, hour: int, many: int) -> None:
    known = facts(Family("Moss", NURSE.home, (("Ann", "Moss"),)), Involvement("o1", EVER, user="u1"))
    assert not rules(known, *(access(leaf, 60 * hour, action=action) for leaf in range(many)))


@pytest.mark.parametrize(
    ("family", "rule"),
    [
        (Family("Fry", "3 Fir Road", (("Ann", "Moss"),)), "own_child"),
        (Family("Fry", "1 Elm Road"), "same_address"),
        (Family("Moss", "3 Fir Road"), "same_surname"),
        (Family("Fry", "2 Oak Road"), "colleagues_child"),
        (Family("Fry", "3 Fir Road", (("Bob", "Reed"),)), "colleagues_child"),
    ],
)
def test_a_relation_between_user_and_child_is_looked_at(family: Family, rule: str) -> None:
    assert rules(facts(family), access()) == [rule]


@pytest.mark.parametrize("family", [Family("Moss", "3 Fir Road"), Family("Fry", "2 Oak Road")])
def test_work_of_the_organisation_explains_a_namesake_and_a_colleague_s_child_but_not_one_s_own(family: Family) -> None:
    working = Involvement("o1", EVER)
    assert not rules(facts(family, working), access())
    assert rules(facts(Family("Fry", NURSE.home), working), access()) == ["same_address"]


@pytest.mark.parametrize(("days", "found"), [(30, []), (31, ["involvement_ended"])])
def test_access_is_explained_until_the_grace_after_the_work_s_end(days: int, found: list[str]) -> None:
    over = Involvement("o1", EVER, MONDAY.date() - timedelta(days=days))
    assert rules(facts(STRANGER, over), access()) == found


def test_every_override_of_a_shield_is_looked_at_whoever_makes_it() -> None:
    known = facts(STRANGER, Involvement("o1", EVER, user="u1"))
    assert rules(known, access(action="overrode_shield")) == ["shield_override"]


@pytest.mark.parametrize(("many", "found"), [(14, []), (15, ["volume"])])
def test_a_day_with_many_unexplained_children_is_looked_at(many: int, found: list[str]) -> None:
    peers = [access(900 + day, 1440 * day, child="c1", user="u2") for day in range(2)]
    assert rules(facts(), *peers, *(access(at, at, child=f"c{at}") for at in range(many))) == found


def test_a_busy_day_is_none_for_a_user_whose_days_are_all_busy() -> None:
    days = [access(20 * day + at, 1440 * day + at, child=f"c{at}") for day in range(4) for at in range(20)]
    assert not rules(facts(), *days)


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([5, 6, 7, 8, 9], ["sequential_numbers"]),
        ([9, 9, 8, 8, 6, 5, 3], ["sequential_numbers"]),
        ([5, 6, 7, 8], []),
        ([5, 6, 7, 6, 7, 8], []),
        ([5, 50, 500, 5000, 50000], []),
        ([1, 5, 6, 7, 8, 9, 90], ["sequential_numbers"]),
    ],
)
def test_numbers_asked_for_in_a_row_are_noticed(numbers: list[int], found: list[str]) -> None:
    asked = [access(at, at, action="searched", number=number) for at, number in enumerate(numbers)]
    assert rules(facts(), *asked) == found


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ([{"family": "Fry", "postcode": str(at)} for at in range(4)], ["shield_probing"]),
        ([{"family": "Fry", "postcode": str(at)} for at in range(3)], []),
        ([{"family": "Fry"}] * 6, []),
        ([{"family": name} for name in ("Fry", "Frey", "Fray", "Frye")], []),
    ],
)
def test_guessing_at_what_a_shield_hides_is_noticed_without_knowing_who_is_shielded(
    terms: list[dict[str, str]], found: list[str]
) -> None:
    searches = [access(at, at, action="searched", child=None, query=query) for at, query in enumerate(terms)]
    assert rules(facts(), *searches) == found


def test_the_same_words_for_many_children_are_noticed() -> None:
    worded = [access(at, 600 * at, child=f"c{at}", reason=f"checking{' ' * (at % 3)} ") for at in range(8)]
    assert rules(facts(), *worded) == ["repeated_reason"]
    assert not rules(facts(), *worded[:7])
    assert not rules(facts(), *(replace(each, reason=f"case {each.leaf}") for each in worded))


@pytest.mark.parametrize(("texts", "many", "found"), [(2, 9, 1), (2, 8, 0), (4, 11, 1), (4, 10, 0)])
def test_taking_turns_between_a_few_texts_is_no_way_round(texts: int, many: int, found: int) -> None:
    turns = [access(at, 600 * at, child=f"c{at}", reason=f"checking {at % texts}") for at in range(many)]
    alone = [access(99, 600 * many, child="c50", reason="seen at home")]
    lines = review([*turns, *alone], facts())
    assert [(line.rule, len(line.leaves)) for line in lines] == [("repeated_reason", many)] * found


def test_an_hour_at_which_nobody_in_the_role_works_is_noticed() -> None:
    routine = [access(at, 60 * 24 * at, child=f"c{at}", user="u2") for at in range(50)]
    night = access(99, 60 * 24 * 51 + 60 * 15, child="c9")
    found = rules(facts(quiet_share=0.02), *routine, night)
    assert found == ["out_of_hours"]


@pytest.mark.parametrize(("minutes", "opener", "found"), [(5, "u2", 1), (11, "u2", 0), (5, "u1", 0)])
def test_a_search_for_someone_else_to_open_is_noticed(minutes: int, opener: str, found: int) -> None:
    pair = [access(0, action="searched"), access(1, minutes, user=opener)]
    assert rules(facts(), *pair) == ["searched_for_another"] * found


def test_three_rules_against_one_user_suspend_and_so_does_probing_alone() -> None:
    probing = [access(at, at, action="searched", child=None, query={"family": "Fry", "p": str(at)}) for at in range(4)]
    assert [line.suspend for line in review(probing, facts())] == [True]
    known = facts(Family("Moss", "3 Fir Road"), Involvement("o1", EVER, EVER))
    assert [line.suspend for line in review([access()], known)] == [False]
