"""Who may do what: the decision function against its rules, and against the same rules in Cedar."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.service.decision import (
    ABOUT_NO_CHILD,
    DEEDS,
    Action,
    Decision,
    Outcome,
    Pace,
    Participant,
    Person,
    Request,
    Session,
    Stated,
    decide,
)
from projections.service.purposes import HOLDERS, Category, Ground, Purpose, Right
from tests.unit.service.access_requests import (
    CHOICES,
    GOOD,
    NOW,
    WRONG_PERSON,
    draw,
    draw_nearly_good,
    good_for,
    person_with,
    session_with,
)
from tests.unit.service.cedar_rules import cedar_permits

FORBIDDEN = (
    "enforce",
    "immigra",
    "border",
    "asylum",
    "market",
    "advert",
    "age_verif",
    "benefit",
    "police_inv",
    "detect",
)


# The codes that tokens, the database and the audit trail hold: a change of one changes what is stored and understood.
CODES = {
    Purpose: "safeguarding welfare access_to_services record_accuracy",
    Category: "social_care education_welfare school further_education early_years health police youth_offending "
    "probation secure_estate careers fire voluntary management_team",
    Right: "mediate override_shield authorise_disclosure disclose manage_releases approve_release",
    Ground: "immediate_risk child_protection_inquiry court_order",
    Action: "search open who_else changes lineage override sources capabilities authorise_disclosure disclose "
    "open_project end_project request_release approve_release make_release",
    Stated: "missing too_short repeated given",
    Pace: "within step_up blocked",
    Outcome: "permitted token_not_bound acr_too_low authentication_too_old step_up_required user_unknown user_inactive "
    "user_blocked category_not_listed employer_not_accredited employer_not_confirmed training_lapsed vetting_lapsed "
    "agreement_lapsed mediation_not_permitted action_unknown purpose_not_permitted reason_not_given limit_exceeded "
    "override_not_permitted ground_not_given deed_not_permitted",
}


@pytest.mark.parametrize("codes", CODES)
def test_the_closed_lists_hold_these_codes_and_no_others(codes: type[StrEnum]) -> None:
    assert [str(code) for code in codes] == CODES[codes].split()


def test_the_good_request_is_permitted_for_every_action() -> None:
    assert {decide(good_for(action)).outcome for action in Action} == {Outcome.PERMITTED}


def test_any_one_rule_that_does_not_hold_refuses() -> None:
    """Every attribute's every bad value alone turns the good request into a refusal."""
    for name, (_, bad) in CHOICES.items():
        for change in bad:
            assert not decide(change(GOOD)).permitted, name


# Each attribute of a request, in the order in which a refusal names its reason.
NAMED_FOR = {
    "bound": Outcome.TOKEN_NOT_BOUND,
    "acr": Outcome.ACR_TOO_LOW,
    "authenticated": Outcome.AUTHENTICATION_TOO_OLD,
    "known": Outcome.USER_UNKNOWN,
    "active": Outcome.USER_INACTIVE,
    "blocked": Outcome.USER_BLOCKED,
    "category": Outcome.CATEGORY_NOT_LISTED,
    "accredited": Outcome.EMPLOYER_NOT_ACCREDITED,
    "confirmed": Outcome.EMPLOYER_NOT_CONFIRMED,
    "trained": Outcome.TRAINING_LAPSED,
    "vetted": Outcome.VETTING_LAPSED,
    "agreed": Outcome.AGREEMENT_LAPSED,
    "purpose": Outcome.PURPOSE_NOT_PERMITTED,
    "reason": Outcome.REASON_NOT_GIVEN,
    "pace": Outcome.LIMIT_EXCEEDED,
    "right": Outcome.OVERRIDE_NOT_PERMITTED,
    "ground": Outcome.GROUND_NOT_GIVEN,
}


def test_a_refusal_names_the_first_rule_that_does_not_hold() -> None:
    """Everything but one thing from each place in the order on is wrong, and mended one by one."""
    left = list(NAMED_FOR)
    while left:
        request = GOOD
        for name in (name for name in left if name != "known" or left[0] == "known"):
            request = CHOICES[name][1][0](request)
        assert decide(request).outcome is NAMED_FOR[left.pop(0)]
    for name, outcome in NAMED_FOR.items():
        assert decide(CHOICES[name][1][0](GOOD)).outcome is outcome


def test_only_what_a_new_authentication_can_mend_asks_for_one_and_says_how_new() -> None:
    ages = {outcome: Decision(outcome).max_age for outcome in Outcome}
    asked = {outcome: age for outcome, age in ages.items() if age is not None}
    assert asked == {
        Outcome.ACR_TOO_LOW: 43_200,
        Outcome.AUTHENTICATION_TOO_OLD: 43_200,
        Outcome.STEP_UP_REQUIRED: 300,
    }


def test_what_a_request_does_not_say_counts_against_it() -> None:
    bare = Request(Action.SEARCH, GOOD.user, NOW)
    assert decide(bare).outcome is Outcome.PURPOSE_NOT_PERMITTED
    assert decide(replace(bare, purpose="welfare")).outcome is Outcome.REASON_NOT_GIVEN
    assert decide(replace(bare, purpose="welfare", reason=Stated.GIVEN)).permitted
    no_ground = replace(bare, action=Action.OVERRIDE, purpose="welfare", reason=Stated.GIVEN)
    assert decide(no_ground).outcome is Outcome.GROUND_NOT_GIVEN
    person = GOOD.user.person
    assert person is not None
    no_right = replace(person, rights=Person("health", True, False, 0, True, 0, 0, 0).rights)
    assert decide(replace(GOOD, user=replace(GOOD.user, person=no_right))).outcome is Outcome.OVERRIDE_NOT_PERMITTED


def test_an_authentication_counts_from_its_own_second_and_none_from_the_future_counts() -> None:
    assert decide(session_with(authenticated_at=NOW)(GOOD)).permitted
    assert decide(session_with(authenticated_at=NOW + 1)(GOOD)).outcome is Outcome.AUTHENTICATION_TOO_OLD
    assert decide(session_with(authenticated_at=NOW + 1)(GOOD)).max_age == 43_200
    assert decide(session_with(authenticated_at=None)(GOOD)).outcome is Outcome.AUTHENTICATION_TOO_OLD


def test_each_category_has_its_purposes_and_three_may_override() -> None:
    safety, everyday = {"safeguarding", "welfare"}, {"safeguarding", "welfare", "access_to_services"}
    enforcing = {"police", "youth_offending", "probation", "secure_estate"}
    for category in Category:
        asking = replace(person_with(category=category)(GOOD), action=Action.OPEN)
        allowed = {purpose for purpose in Purpose if decide(replace(asking, purpose=purpose)).permitted}
        expected = {*Purpose} if category == "management_team" else safety if category in enforcing else everyday
        assert allowed == expected
        overrides = decide(replace(asking, action=Action.OVERRIDE))
        assert overrides.permitted == (category in {"social_care", "police", "management_team"})
        assert overrides.outcome in {Outcome.PERMITTED, Outcome.OVERRIDE_NOT_PERMITTED}


@given(st.randoms(use_true_random=False))
def test_the_decision_is_total_and_a_refusal_has_a_reason(rng: random.Random) -> None:
    decision = decide(draw(rng))
    assert decision.permitted == (decision.outcome is Outcome.PERMITTED)
    assert decision.max_age in {None, 300, 12 * 3600}


@pytest.mark.parametrize("field", ["accredited_until", "trained_until", "vetted_until", "agreed_until"])
def test_what_expires_at_t_holds_a_second_before_and_not_at_t(field: str) -> None:
    request = person_with(**{field: NOW})(GOOD)
    assert decide(replace(request, now=NOW - 1)).permitted
    assert not decide(replace(request, now=NOW)).permitted


def test_a_session_lasts_twelve_hours_and_an_override_asks_for_five_minutes() -> None:
    def at(age: int, action: Action) -> Outcome:
        session = Session("AAL3", NOW - age, bound=True)
        return decide(replace(GOOD, action=action, user=replace(GOOD.user, session=session))).outcome

    assert at(12 * 3600, Action.OPEN) is Outcome.PERMITTED
    assert at(12 * 3600 + 1, Action.OPEN) is Outcome.AUTHENTICATION_TOO_OLD
    assert at(300, Action.OVERRIDE) is Outcome.PERMITTED
    assert at(301, Action.OVERRIDE) is Outcome.STEP_UP_REQUIRED


def test_each_right_may_be_held_by_these_categories() -> None:
    letting_out = {Right.AUTHORISE_DISCLOSURE, Right.DISCLOSE, Right.MANAGE_RELEASES, Right.APPROVE_RELEASE}
    assert HOLDERS[Right.MEDIATE] == {*Category}
    assert HOLDERS[Right.OVERRIDE_SHIELD] == {"social_care", "police", "management_team"}
    assert {right for right in Right if HOLDERS[right] == {"management_team"}} == letting_out


@pytest.mark.parametrize("deed", DEEDS)
def test_what_lets_something_leave_needs_its_own_right_in_person_and_a_login_of_five_minutes(deed: str) -> None:
    good = good_for(deed)
    assert decide(session_with(authenticated_at=NOW - 300)(good)).permitted
    assert decide(session_with(authenticated_at=NOW - 301)(good)).outcome is Outcome.STEP_UP_REQUIRED
    assert decide(session_with(acr="AAL2")(good)).outcome is Outcome.ACR_TOO_LOW
    others = frozenset({*Right} - {DEEDS[deed]})
    assert decide(person_with(rights=others)(good)).outcome is Outcome.DEED_NOT_PERMITTED
    for category in {*Category} - {Category.MANAGEMENT_TEAM}:
        assert decide(person_with(category=category)(good)).outcome is Outcome.DEED_NOT_PERMITTED
    assert decide(replace(good, mediator=good.user)).outcome is Outcome.MEDIATION_NOT_PERMITTED
    assert decide(replace(good, user=replace(good.user, person=None))).outcome is Outcome.USER_UNKNOWN


def test_unusual_use_asks_for_a_new_authentication_and_then_for_none() -> None:
    stale = replace(GOOD.user, session=Session("AAL3", NOW - 301, bound=True))
    assert decide(replace(GOOD, pace=Pace.STEP_UP)).permitted
    assert decide(replace(GOOD, pace=Pace.STEP_UP, user=stale)).outcome is Outcome.STEP_UP_REQUIRED
    assert decide(replace(GOOD, pace=Pace.BLOCKED)).outcome is Outcome.LIMIT_EXCEEDED


def test_both_people_of_a_mediated_request_must_be_eligible() -> None:
    assert GOOD.user.person is not None
    helper = replace(GOOD.user.person, rights=frozenset({Right.MEDIATE}))
    mediator = Participant(helper, GOOD.user.session)
    assert decide(replace(GOOD, action=Action.OPEN, mediator=mediator)).permitted
    assert decide(replace(GOOD, action=Action.OVERRIDE, mediator=mediator)).outcome is Outcome.MEDIATION_NOT_PERMITTED
    lapsed = replace(mediator, person=replace(helper, trained_until=None))
    assert decide(replace(GOOD, mediator=lapsed)).outcome is Outcome.TRAINING_LAPSED
    weak = replace(mediator, session=Session("AAL2", NOW, bound=True))
    assert decide(replace(GOOD, mediator=weak)).outcome is Outcome.ACR_TOO_LOW


def test_the_user_is_judged_before_the_mediator_and_the_mediator_by_name_and_right() -> None:
    assert GOOD.user.person is not None
    opening = replace(GOOD, action=Action.OPEN)
    mediator = Participant(replace(GOOD.user.person, rights=frozenset({Right.MEDIATE})), GOOD.user.session)
    unknown = replace(mediator, person=None)
    no_right = replace(mediator, person=GOOD.user.person)
    assert decide(replace(opening, mediator=unknown)).outcome is Outcome.USER_UNKNOWN
    assert decide(replace(opening, mediator=no_right)).outcome is Outcome.MEDIATION_NOT_PERMITTED
    lapsed = person_with(trained_until=None)(replace(opening, mediator=unknown))
    assert decide(lapsed).outcome is Outcome.TRAINING_LAPSED
    nothing_said = replace(opening, mediator=no_right, purpose=None)
    assert decide(nothing_said).outcome is Outcome.MEDIATION_NOT_PERMITTED


def test_unusual_use_asks_the_one_who_asks_to_authenticate_again() -> None:
    assert GOOD.user.person is not None
    right = replace(GOOD.user.person, rights=frozenset({Right.MEDIATE}))
    old, new = Session("AAL3", NOW - 301, bound=True), Session("AAL3", NOW, bound=True)
    slow = replace(GOOD, action=Action.OPEN, pace=Pace.STEP_UP)
    for of_user, of_mediator, permitted in ((old, new, True), (new, old, False)):
        user, mediator = replace(GOOD.user, session=of_user), Participant(right, of_mediator)
        decision = decide(replace(slow, user=user, mediator=mediator))
        assert decision.permitted == permitted
        assert permitted or decision.outcome is Outcome.STEP_UP_REQUIRED


def test_an_action_that_nobody_listed_is_refused_whatever_is_said() -> None:
    for action in ("delete", "", "export"):
        assert decide(replace(GOOD, action=action)).outcome is Outcome.ACTION_UNKNOWN


def test_actions_about_no_child_and_deeds_need_no_purpose() -> None:
    bare = {action: replace(good_for(action), purpose=None, reason=Stated.MISSING) for action in Action}
    assert {action for action in Action if decide(bare[action]).permitted} == ABOUT_NO_CHILD | DEEDS.keys()


def test_bodies_that_enforce_the_law_may_look_for_safety_and_welfare_only() -> None:
    assert GOOD.user.person is not None
    person = replace(GOOD.user.person, category="police")
    allowed = {
        purpose
        for purpose in Purpose
        if decide(replace(GOOD, purpose=purpose, user=replace(GOOD.user, person=person))).permitted
    }
    assert allowed == {Purpose.SAFEGUARDING, Purpose.WELFARE}


def test_no_purpose_ground_or_category_serves_enforcement_immigration_marketing_or_age_verification() -> None:
    for word in [*Purpose, *Ground, *Category, *Action]:
        assert not any(part in word for part in FORBIDDEN), word
    assert set(Purpose) == {"safeguarding", "welfare", "access_to_services", "record_accuracy"}


def test_every_combination_of_attributes_gets_a_decision_and_only_the_all_good_ones_pass() -> None:
    for flags in itertools.product((True, False), repeat=len(CHOICES)):
        request = GOOD
        for name, good in zip(CHOICES, flags, strict=True):
            if not good:
                request = CHOICES[name][1][0](request)
        assert decide(request).permitted == all(flags)


def test_cedar_agrees_on_ten_thousand_random_requests() -> None:
    rng = random.Random(5)
    requests = [draw(rng) if rng.random() < 0.3 else draw_nearly_good(rng) for _ in range(10_000)]
    ours = [decide(request).permitted for request in requests]
    assert cedar_permits(requests) == ours
    assert 1_000 < sum(ours) < 9_000  # both answers were tried


def test_a_hundred_thousand_requests_by_wrong_people_are_all_refused() -> None:
    rng = random.Random(11)
    permitted = 0
    for _ in range(100_000):
        request = draw_nearly_good(rng) if rng.random() < 0.5 else good_for(rng.choice([*Action]))
        wrong = rng.choice(CHOICES[rng.choice(WRONG_PERSON)][1])
        permitted += decide(wrong(request)).permitted
    assert permitted == 0
