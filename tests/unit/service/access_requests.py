"""Requests for the decision function: a good one, the ways to spoil it, and random ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from projections.service.decision import DEEDS, Action, Pace, Participant, Person, Request, Session, Stated
from projections.service.purposes import Category, Ground, Purpose, Right

NOW = 1_790_000_000
LATER = NOW + 86_400

Change = Callable[[Request], Request]

GOOD = Request(
    action=Action.OVERRIDE,
    user=Participant(
        Person(
            category="social_care",
            active=True,
            blocked=False,
            accredited_until=LATER,
            employer_confirmed=True,
            trained_until=LATER,
            vetted_until=LATER,
            agreed_until=LATER,
            rights=frozenset({Right.OVERRIDE_SHIELD}),
        ),
        Session("AAL3", NOW - 10, bound=True),
    ),
    now=NOW,
    purpose="safeguarding",
    reason=Stated.GIVEN,
    ground="immediate_risk",
)


def good_for(action: str) -> Request:
    """Return the good request for this action: deeds are those of a management team, with every right."""
    if action not in DEEDS:
        return replace(GOOD, action=action)
    return person_with(category="management_team", rights=frozenset(Right))(replace(GOOD, action=action))


def person_with(**changed: Any) -> Change:
    def change(request: Request) -> Request:
        person = request.user.person
        return (
            request
            if person is None
            else replace(request, user=replace(request.user, person=replace(person, **changed)))
        )

    return change


def session_with(**changed: Any) -> Change:
    return lambda request: replace(
        request, user=replace(request.user, session=replace(request.user.session, **changed))
    )


def request_with(**changed: Any) -> Change:
    return lambda request: replace(request, **changed)


# Attribute -> (its good values, its bad values), each value as a change of a request; for an override all must be good.
CHOICES: dict[str, tuple[list[Change], list[Change]]] = {
    "bound": ([], [session_with(bound=False)]),
    "acr": ([], [session_with(acr=acr) for acr in ("AAL2", "AAL1", "", "aal3", None)]),
    "authenticated": ([], [session_with(authenticated_at=at) for at in (None, NOW - 301, NOW - 50_000, NOW + 1)]),
    "known": ([], [lambda request: replace(request, user=replace(request.user, person=None))]),
    "active": ([], [person_with(active=False)]),
    "blocked": ([], [person_with(blocked=True)]),
    "category": ([person_with(category="police")], [person_with(category=c) for c in (None, "", "border_force")]),
    "accredited": ([], [person_with(accredited_until=at) for at in (None, NOW, NOW - 1)]),
    "confirmed": ([], [person_with(employer_confirmed=False)]),
    "trained": ([], [person_with(trained_until=at) for at in (None, NOW, NOW - 1)]),
    "vetted": ([], [person_with(vetted_until=at) for at in (None, NOW, NOW - 1)]),
    "agreed": ([], [person_with(agreed_until=at) for at in (None, NOW, NOW - 1)]),
    "right": ([], [person_with(rights=frozenset(r)) for r in ((), ("mediate",), ("override",))]),
    "purpose": (
        [request_with(purpose="welfare")],
        [request_with(purpose=p) for p in (None, "", "immigration", "enforcement", "record_accuracy")],
    ),
    "reason": ([], [request_with(reason=r) for r in (Stated.MISSING, Stated.TOO_SHORT, Stated.REPEATED)]),
    "pace": ([request_with(pace=Pace.STEP_UP)], [request_with(pace=Pace.BLOCKED)]),
    "ground": ([request_with(ground="court_order")], [request_with(ground=g) for g in (None, "", "curiosity")]),
}

# Attributes of the person and the session whose bad values refuse every action.
WRONG_PERSON = (
    "bound",
    "acr",
    "known",
    "active",
    "blocked",
    "category",
    "accredited",
    "confirmed",
    "trained",
    "vetted",
    "agreed",
)


def draw_nearly_good(rng: random.Random) -> Request:
    """Return the good request with at most three attributes changed, for any action and now and then mediated."""
    request = good_for(rng.choice([*Action, "delete"]))
    for name in rng.sample(list(CHOICES), rng.choice((0, 0, 0, 1, 1, 2, 3))):
        good, bad = CHOICES[name]
        request = rng.choice(good + bad)(request)
    if rng.random() < 0.3:
        other = draw(rng) if rng.random() < 0.3 else GOOD
        person = other.user.person
        if person is not None and rng.random() < 0.7:
            person = replace(person, rights=frozenset({Right.MEDIATE}))
        request = replace(request, mediator=Participant(person, other.user.session))
    return request


def draw(rng: random.Random) -> Request:
    """Return a request whose every attribute is drawn by itself."""
    return Request(
        action=rng.choice([*Action, "", "delete", "export"]),
        user=_participant(rng),
        now=NOW,
        purpose=rng.choice([*Purpose, None, "", "marketing"]),
        reason=rng.choice([*Stated]),
        pace=rng.choice([*Pace]),
        mediator=_participant(rng) if rng.random() < 0.4 else None,
        ground=rng.choice([*Ground, None, "other"]),
    )


def _participant(rng: random.Random) -> Participant:
    times = (None, NOW - 1, NOW, NOW + 1, LATER)
    person = Person(
        category=rng.choice([*Category, None, "bailiff"]),
        active=rng.random() < 0.9,
        blocked=rng.random() < 0.1,
        accredited_until=rng.choice(times),
        employer_confirmed=rng.random() < 0.9,
        trained_until=rng.choice(times),
        vetted_until=rng.choice(times),
        agreed_until=rng.choice(times),
        rights=frozenset(right for right in Right if rng.random() < 0.5),
    )
    session = Session(
        rng.choice(["AAL3", "AAL3", "AAL2", None]),
        rng.choice([None, NOW, NOW - 300, NOW - 301, NOW - 12 * 3600, NOW - 12 * 3600 - 1, NOW + 1]),
        bound=rng.random() < 0.9,
    )
    return Participant(person if rng.random() < 0.95 else None, session)
