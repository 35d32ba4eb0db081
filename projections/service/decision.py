"""Who may do what: one pure function from facts to a decision. It denies unless every rule holds.

The order of the rules is the order in which a refusal names its reason: the session, the person, the request. All times
are whole seconds since 1970, UTC; something that holds until T holds before T and not at T.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from projections.service.purposes import HOLDERS, PURPOSES_OF, Category, Ground, Purpose, Right

POLICY_VERSION = "2026-11-28"
ACR_REQUIRED = "AAL3"
SESSION_SECONDS = 12 * 3600  # SP 800-63B: at AAL3 a person authenticates again after 12 hours
STEP_UP_SECONDS = 300


class Action(StrEnum):
    """What can be asked: of the directory, which only reads, and of the approvals service, by which things leave it."""

    SEARCH = "search"
    OPEN = "open"
    WHO_ELSE = "who_else"
    CHANGES = "changes"
    LINEAGE = "lineage"
    OVERRIDE = "override"
    SOURCES = "sources"
    CAPABILITIES = "capabilities"
    AUTHORISE_DISCLOSURE = "authorise_disclosure"
    DISCLOSE = "disclose"
    OPEN_PROJECT = "open_project"
    END_PROJECT = "end_project"
    REQUEST_RELEASE = "request_release"
    APPROVE_RELEASE = "approve_release"
    MAKE_RELEASE = "make_release"


# Actions that tell nothing of any child: a purpose is not asked for.
ABOUT_NO_CHILD = frozenset({Action.SOURCES, Action.CAPABILITIES})

# What lets something leave the directory, and the right that it needs. Why is said by a gateway or a project's purpose.
DEEDS: Mapping[str, Right] = {
    Action.AUTHORISE_DISCLOSURE: Right.AUTHORISE_DISCLOSURE,
    Action.DISCLOSE: Right.DISCLOSE,
    Action.OPEN_PROJECT: Right.MANAGE_RELEASES,
    Action.END_PROJECT: Right.MANAGE_RELEASES,
    Action.REQUEST_RELEASE: Right.MANAGE_RELEASES,
    Action.APPROVE_RELEASE: Right.APPROVE_RELEASE,
    Action.MAKE_RELEASE: Right.MANAGE_RELEASES,
}


class Stated(StrEnum):
    """What the words given as a reason are worth."""

    MISSING = "missing"
    TOO_SHORT = "too_short"
    REPEATED = "repeated"  # the same words for one child after another
    GIVEN = "given"


class Pace(StrEnum):
    """How a person's use compares with the limits."""

    WITHIN = "within"
    STEP_UP = "step_up"
    BLOCKED = "blocked"


class Outcome(StrEnum):
    """Why a request is permitted or refused."""

    PERMITTED = "permitted"
    TOKEN_NOT_BOUND = "token_not_bound"  # noqa: S105 - a code, not a password
    ACR_TOO_LOW = "acr_too_low"
    AUTHENTICATION_TOO_OLD = "authentication_too_old"
    STEP_UP_REQUIRED = "step_up_required"
    USER_UNKNOWN = "user_unknown"
    USER_INACTIVE = "user_inactive"
    USER_BLOCKED = "user_blocked"
    CATEGORY_NOT_LISTED = "category_not_listed"
    EMPLOYER_NOT_ACCREDITED = "employer_not_accredited"
    EMPLOYER_NOT_CONFIRMED = "employer_not_confirmed"
    TRAINING_LAPSED = "training_lapsed"
    VETTING_LAPSED = "vetting_lapsed"
    AGREEMENT_LAPSED = "agreement_lapsed"
    MEDIATION_NOT_PERMITTED = "mediation_not_permitted"
    ACTION_UNKNOWN = "action_unknown"
    PURPOSE_NOT_PERMITTED = "purpose_not_permitted"
    REASON_NOT_GIVEN = "reason_not_given"
    LIMIT_EXCEEDED = "limit_exceeded"
    OVERRIDE_NOT_PERMITTED = "override_not_permitted"
    GROUND_NOT_GIVEN = "ground_not_given"
    DEED_NOT_PERMITTED = "deed_not_permitted"


_CATEGORIES, _PURPOSES, _ACTIONS, _GROUNDS = map(frozenset, (Category, Purpose, Action, Ground))

# Refusals that authenticating again can mend (RFC 9470), with the age in seconds that is then asked for.
CHALLENGES: dict[Outcome, int] = {
    Outcome.ACR_TOO_LOW: SESSION_SECONDS,
    Outcome.AUTHENTICATION_TOO_OLD: SESSION_SECONDS,
    Outcome.STEP_UP_REQUIRED: STEP_UP_SECONDS,
}


@dataclass(frozen=True, slots=True)
class Person:
    """What the primary database says about a user at this moment; a time is None when the thing never was."""

    category: str | None
    active: bool
    blocked: bool
    accredited_until: int | None  # the employer
    employer_confirmed: bool  # employer and its name are still those of the vetting
    trained_until: int | None
    vetted_until: int | None  # three years after the enhanced check
    agreed_until: int | None
    rights: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Session:
    """How a person authenticated; `authenticated_at` is None when the token does not say."""

    acr: str | None
    authenticated_at: int | None
    bound: bool  # the token belongs to the key or certificate that this request was made with


@dataclass(frozen=True, slots=True)
class Participant:
    """One person in a request; the person is None when the directory does not know the subject."""

    person: Person | None
    session: Session


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a decision rests on.

    `user` is the person who asks; in mediated access `mediator` is the one who asks on the user's behalf, authenticated
    to the same level.
    """

    action: str
    user: Participant
    now: int
    purpose: str | None = None
    reason: Stated = Stated.MISSING
    pace: Pace = Pace.WITHIN
    mediator: Participant | None = None
    ground: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer; `max_age` is set where authenticating again (at most so many seconds ago) would change it."""

    outcome: Outcome

    @property
    def permitted(self) -> bool:
        """Tell whether the request may go on."""
        return self.outcome is Outcome.PERMITTED

    @property
    def max_age(self) -> int | None:
        """Return how old an authentication may be that this refusal asks for."""
        return CHALLENGES.get(self.outcome)


def decide(request: Request) -> Decision:
    """Return the decision: the first rule that does not hold, or that the request is permitted."""
    return Decision(next(_refusals(request), Outcome.PERMITTED))


def _refusals(request: Request) -> Iterator[Outcome]:
    for participant in (request.user, request.mediator):
        if participant is not None:
            yield from _session(participant.session, request.now)
            yield from _person(participant.person, request.now)
    if request.mediator is not None and not _may_mediate(request):
        yield Outcome.MEDIATION_NOT_PERMITTED
    yield from _asked(request)
    yield from _pace(request)
    if request.action == Action.OVERRIDE:
        yield from _override(request)
    if request.action in DEEDS:
        yield from _deed(request, DEEDS[request.action])


def _session(session: Session, now: int) -> Iterator[Outcome]:
    if not session.bound:
        yield Outcome.TOKEN_NOT_BOUND
    if session.acr != ACR_REQUIRED:
        yield Outcome.ACR_TOO_LOW
    if not _fresh(session, now, SESSION_SECONDS):
        yield Outcome.AUTHENTICATION_TOO_OLD


def _person(person: Person | None, now: int) -> Iterator[Outcome]:
    if person is None:
        yield Outcome.USER_UNKNOWN
        return
    held = (
        (person.active, Outcome.USER_INACTIVE),
        (not person.blocked, Outcome.USER_BLOCKED),
        (person.category in _CATEGORIES, Outcome.CATEGORY_NOT_LISTED),
        (_current(person.accredited_until, now), Outcome.EMPLOYER_NOT_ACCREDITED),
        (person.employer_confirmed, Outcome.EMPLOYER_NOT_CONFIRMED),
        (_current(person.trained_until, now), Outcome.TRAINING_LAPSED),
        (_current(person.vetted_until, now), Outcome.VETTING_LAPSED),
        (_current(person.agreed_until, now), Outcome.AGREEMENT_LAPSED),
    )
    yield from (outcome for holds, outcome in held if not holds)


def _may_mediate(request: Request) -> bool:
    mediator = request.mediator
    granted = mediator is not None and mediator.person is not None and Right.MEDIATE in mediator.person.rights
    in_person = request.action == Action.OVERRIDE or request.action in DEEDS
    return granted and not in_person


def _asked(request: Request) -> Iterator[Outcome]:
    if request.action not in _ACTIONS:
        yield Outcome.ACTION_UNKNOWN
    if request.action in ABOUT_NO_CHILD or request.action in DEEDS:
        return
    person = request.user.person
    if person is None or person.category not in _CATEGORIES:
        yield Outcome.PURPOSE_NOT_PERMITTED
        return
    allowed = PURPOSES_OF[Category(person.category)]
    if request.purpose not in _PURPOSES or Purpose(request.purpose) not in allowed:
        yield Outcome.PURPOSE_NOT_PERMITTED
    if request.reason is not Stated.GIVEN:
        yield Outcome.REASON_NOT_GIVEN


def _pace(request: Request) -> Iterator[Outcome]:
    if request.pace is Pace.WITHIN:
        return
    if request.pace is not Pace.STEP_UP:
        yield Outcome.LIMIT_EXCEEDED
    asking = request.mediator or request.user
    if not _fresh(asking.session, request.now, STEP_UP_SECONDS):
        yield Outcome.STEP_UP_REQUIRED


def _override(request: Request) -> Iterator[Outcome]:
    if not _holds(request.user.person, Right.OVERRIDE_SHIELD):
        yield Outcome.OVERRIDE_NOT_PERMITTED
    if request.ground not in _GROUNDS:
        yield Outcome.GROUND_NOT_GIVEN
    if not _fresh(request.user.session, request.now, STEP_UP_SECONDS):
        yield Outcome.STEP_UP_REQUIRED


def _deed(request: Request, right: Right) -> Iterator[Outcome]:
    if not _holds(request.user.person, right):
        yield Outcome.DEED_NOT_PERMITTED
    if not _fresh(request.user.session, request.now, STEP_UP_SECONDS):
        yield Outcome.STEP_UP_REQUIRED


def _holds(person: Person | None, right: Right) -> bool:
    """Tell whether a person was given a right by name, and is of those who may hold it."""
    return person is not None and right in person.rights and person.category in HOLDERS[right]


def _current(until: int | None, now: int) -> bool:
    return until is not None and now < until


def _fresh(session: Session, now: int, seconds: int) -> bool:
    """Tell whether the person authenticated at most so many seconds ago, and not in the future."""
    return session.authenticated_at is not None and 0 <= now - session.authenticated_at <= seconds
