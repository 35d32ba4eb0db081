"""Who may do what: the decision function against its rules, and against the same rules in Cedar."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.service.decision import (
    ABOUT_NO_CHILD,
    Action,
    Outcome,
    Pace,
    Participant,
    Session,
    Stated,
    decide,
)
from projections.service.purposes import Category, Ground, Purpose, Right
from tests.unit.service.access_requests import CHOICES, GOOD, NOW, WRONG_PERSON, draw, draw_nearly_good, person_with
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


def test_the_good_request_is_permitted_for_every_action() -> None:
    assert {decide(replace(GOOD, action=action)).outcome for action in Action} == {Outcome.PERMITTED}


def test_any_one_rule_that_does_not_hold_refuses() -> None:
    """Every attribute's every bad value alone turns the good request into a refusal."""
    for name, (_, bad) in CHOICES.items():
        for change in bad:
            assert not decide(change(GOOD)).permitted, name


def test_every_combination_of_attributes_gets_a_decision_and_only_the_all_good_ones_pass() -> None:
    for flags in itertools.product((True, False), repeat=len(CHOICES)):
        request = GOOD
        for name, good in zip(CHOICES, flags, strict=True):
            if not good:
                request = CHOICES[name][1][0](request)
        assert decide(request).permitted == all(flags)


@given(st.randoms(use_true_random=False))
def test_the_decision_is_total_and_a_refusal_has_a_reason(rng: random.Random) -> None:
    decision = decide(draw(rng))
    assert decision.permitted == (decision.outcome is Outcome.PERMITTED)
    assert decision.max_age in {None, 300, 12 * 3600}


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
        request = draw_nearly_good(rng) if rng.random() < 0.5 else replace(GOOD, action=rng.choice([*Action]))
        wrong = rng.choice(CHOICES[rng.choice(WRONG_PERSON)][1])
        permitted += decide(wrong(request)).permitted
    assert permitted == 0


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


def test_actions_about_no_child_need_no_purpose() -> None:
    bare = replace(GOOD, purpose=None, reason=Stated.MISSING)
    assert {action for action in Action if decide(replace(bare, action=action)).permitted} == ABOUT_NO_CHILD


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
