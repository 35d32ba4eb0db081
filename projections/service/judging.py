"""What becomes of a request once the database has said who asks: it goes on, or these statements refuse it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from projections.service.case import ACTS, LOGGED_IN, Asked, Caller, Case, Refusal, Statement, context_of
from projections.service.decision import POLICY_VERSION, Action, Decision, Outcome, Participant, Person, Request, decide
from projections.service.limits import Limits, Passed, Use, compare, judge_reason
from projections.service.reads import CEILING

LARGEST_ROUND = 16
_HOUR = 3600


class Judged(NamedTuple):
    """What every entry of the request says; and, where it is refused, the statements that do so and the reason.

    It is not `sure` where requests beside it may use up first what its organisation may be shown in an hour.
    """

    context: Jsonb
    refusing: list[Statement]
    refusal: Refusal | None
    sure: bool = True


def judge_round(cases: Sequence[Case], facts: Sequence[dict[str, Any]], now: int, limits: Limits) -> list[Judged]:
    """Return what becomes of the requests of a round: each counts what all beside and before it may be shown."""
    before: Counter[str] = Counter()
    judged = []
    for case, each in zip(cases, facts, strict=True):
        employer = (each["person"] or {}).get("organisation", "")
        beside = (each["beside"] * LARGEST_ROUND + before[employer]) * CEILING
        judged.append(judge(case, each, now, limits, beside))
        before[employer] += 1
    return judged


def judge(case: Case, facts: dict[str, Any], now: int, limits: Limits, beside: int = 0) -> Judged:
    """Return what becomes of a request by the facts that `admit` returned for it.

    `beside` is how many children its organisation may be shown at the same time by other requests.
    """
    context = context_of(case.caller, case.asked, facts)
    if facts["replayed"]:
        return Judged(context, [_refuse(case, context, "proof_replayed")], Refusal(trouble="proof_replayed"))
    decision, passed = _decide(case.caller, case.asked, facts, now, limits)
    if not decision.permitted:
        refusing = [_refuse(case, context, decision.outcome)]
        if decision.outcome is Outcome.LIMIT_EXCEEDED:
            refusing.insert(0, _block(case.caller, facts, passed))
        shared = decision.outcome is Outcome.LIMIT_EXCEEDED and passed.whose != "person"
        return Judged(context, refusing, Refusal(decision, again_in=_HOUR - now % _HOUR if shared else None))
    if facts["trouble"] is not None:
        return Judged(context, [_refuse(case, context, "audit_unavailable")], Refusal(trouble="audit_unavailable"))
    return Judged(context, [], None, facts["use"]["organisation_hour"] + beside < limits.organisation_hour)


def unknown_refused(request: str, code: str) -> Statement:
    """Return what enters an attempt whose token does not hold, so that nobody is known."""
    nobody = {"user": "unknown", "role": "unknown", "organisation": "unknown"}
    context = Jsonb({"who": nobody, "policy": POLICY_VERSION, "request": request})
    return Statement("refuse", (LOGGED_IN, code, context, None, None))


def malformed_refused(caller: Caller, action: Action) -> Statement:
    """Return what enters a request that cannot be read: it has no terms and no child that could be named."""
    context = context_of(caller, Asked(action), {})
    return Statement("refuse", (ACTS.get(action, LOGGED_IN), "malformed", context, None, None))


def _decide(caller: Caller, asked: Asked, facts: dict[str, Any], now: int, limits: Limits) -> tuple[Decision, Passed]:
    use = Use(**{name: facts["use"].get(name, 0) for name in Use.__slots__})
    passed = compare(use, limits)
    request = Request(
        action=asked.action,
        user=Participant(_person(facts["person"]), caller.user.session()),
        now=now,
        purpose=asked.purpose,
        reason=judge_reason(asked.reason, use, limits),
        pace=passed.pace,
        mediator=_mediator(caller, facts),
        ground=asked.ground,
    )
    return decide(request), passed


def _person(facts: dict[str, Any] | None) -> Person | None:
    if facts is None:
        return None
    names = [name for name in Person.__slots__ if name != "rights"]
    return Person(**{name: facts[name] for name in names}, rights=frozenset(facts["rights"]))


def _mediator(caller: Caller, facts: dict[str, Any]) -> Participant | None:
    if caller.mediator is None:
        return None
    return Participant(_person(facts["mediator"]), caller.mediator.session())


def _refuse(case: Case, context: Jsonb, code: str) -> Statement:
    asked = case.asked
    query = Jsonb(asked.query) if asked.query else None
    return Statement("refuse", (ACTS.get(asked.action, LOGGED_IN), str(code), context, asked.child, query))


def _block(caller: Caller, facts: dict[str, Any], passed: Passed) -> Statement:
    names = {
        "person": caller.person.subject,
        "organisation": str((facts["person"] or {}).get("organisation", "unknown")),
        "client": caller.client,
    }
    return Statement("block", (passed.whose, names[passed.whose], passed.limit, caller.request))
