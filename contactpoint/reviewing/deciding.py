"""Decisions by people: what a decision would do, whether the people suffice, and the event that states it.

Everything is checked against the state as it stands; what is published is then true whatever happens meanwhile,
because a decision is about records and not about children.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from contactpoint.explaining.sight import Sight
from matching.linkage.model import LinkageModel
from matching.sql import QUERIES
from matching.stage.explain import explain_link
from schemas.decisions import (
    AnyDecisionEvent,
    CannotLinkDecided,
    DecisionEvent,
    DecisionRetracted,
    ErasureOrdered,
    EvidenceSeen,
    IdentitySevered,
    LinkDecision,
    MustLinkDecided,
    Retraction,
    Severance,
    Shield,
    ShieldSet,
    decision_id,
    kind_of,
)
from schemas.directory_decisions import AuthorityAssumed, ConsentGiven, CorrectionMade, HarmRecorded
from schemas.errors import RejectedError
from schemas.events import Contract
from schemas.in_force import in_force, newest_day
from schemas.reasons import check_reason
from schemas.two_people import Circumstances, check_people

LinkKind = Literal["must_link", "cannot_link"]
Decision = TypeVar("Decision", bound=DecisionEvent)


@dataclass(frozen=True, slots=True)
class Deciders:
    """Who decides, who approves, for whom, why and when."""

    by: str
    reason: str
    decided_at: datetime
    approved_by: str | None = None
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What decisions are checked against: each known record's child (None: not live), and the decisions in force.

    `sight` knows which records are, or may be, those of a shielded child; `today` is the newest day that has begun.
    """

    child_of: dict[str, str | None]
    held: dict[str, DecisionEvent]
    sight: Sight
    today: date = date.min

    def together(self, left: str, right: str) -> bool:
        """Tell whether two records are one child now."""
        return self.child_of.get(left) is not None and self.child_of[left] == self.child_of.get(right)

    def apart(self, left: str, right: str) -> bool:
        """Tell whether two records are two published children now."""
        return None not in {self.child_of.get(left), self.child_of.get(right)} and not self.together(left, right)

    def near_shield(self, records: Iterable[str]) -> bool:
        """Tell whether any of these records is, or may be, that of a shielded child."""
        return not self.sight.shielded.isdisjoint(records)


def read_state(
    connection: Connection[TupleRow],
    decisions: Iterable[DecisionEvent],
    sight: Sight,
    keys: Sequence[str],
    *,
    received: bool = True,
) -> State:
    """Return the state that a decision about these records is checked against.

    Raises RejectedError for a record that was never received (where it has to be), or that needs a right which the
    asker has not.
    """
    child_of = children_of(connection, keys)
    for key in keys:
        if received and key not in child_of:
            raise not_received(key)
    sight.demand_right(keys)
    made = list(decisions)
    return State(child_of, in_force(made), sight, newest_day(made))


def not_received(key: str) -> RejectedError:
    """Return what is said of a record that never came, or that this person may not hear of."""
    return RejectedError("record_unknown", f"no record {key} has been received")


def not_in_force(decision: str) -> RejectedError:
    """Return what is said of a decision that is not in force, or that this person may not hear of."""
    return RejectedError("decision_unknown", f"no decision {decision} is in force")


def children_of(connection: Connection[TupleRow], keys: Sequence[str]) -> dict[str, str | None]:
    """Return the child of each of these records that was ever received; None for one that is not live."""
    with wrap_errors():
        rows = connection.execute(QUERIES["children_of_keys"], {"keys": list(keys)}).fetchall()
    return {key: child for key, child, _ in rows}


def decide_link(
    kind: LinkKind,
    pair: tuple[str, str],
    people: Deciders,
    state: State,
    *,
    expires: date | None = None,
    seen: EvidenceSeen | None = None,
) -> AnyDecisionEvent:
    """Return the decision that two records are, or are never, one child; raise RejectedError if it may not be made."""
    left, right = sorted(pair)
    if left == right:
        raise RejectedError("one_record", "a decision about links names two records")
    if expires is not None and expires < max(people.decided_at.date(), state.today):
        raise RejectedError("expired", f"{expires} has passed: a decision cannot have ended before it is made")
    must = kind == "must_link"
    against = any(_contradicts(event, left, right, must=must) for event in state.held.values())
    circumstances = Circumstances(
        merges_published=must and state.apart(left, right),
        splits_published=not must and state.together(left, right),
        near_shield=state.near_shield(pair),
        against_decision=against,
    )
    data = LinkDecision(records=(left, right), expires=expires, seen=seen)
    event = MustLinkDecided if must else CannotLinkDecided
    return event(**_envelope(f"decision.{kind}", left, people, data, circumstances), data=data)


def decide_severed(former: Sequence[str], current: Sequence[str], people: Deciders) -> IdentitySevered:
    """Return the decision that nothing may connect these former records with the new ones."""
    both = set(former) & set(current)
    if both:
        raise RejectedError("on_both_sides", f"record {min(both)} is named as former and as current")
    data = Severance(former=tuple(sorted(set(former))), current=tuple(sorted(set(current))))
    return IdentitySevered(
        **_envelope("decision.severed", data.former[0], people, data, Circumstances(severs=True)), data=data
    )


def decide_shield(records: Sequence[str], people: Deciders, review_on: date | None = None) -> ShieldSet:
    """Return the decision that the child of these records is shielded: one person suffices, it must not wait."""
    data = Shield(records=tuple(sorted(set(records))), review_on=review_on)
    return ShieldSet(**_envelope("shield.set", data.records[0], people, data, Circumstances()), data=data)


def decide_retraction(decision: str, people: Deciders, state: State) -> DecisionRetracted:
    """Return the event that takes a decision back; raise RejectedError when it is not in force."""
    event = state.held.get(decision)
    if event is None:
        raise not_in_force(decision)
    if isinstance(event, ErasureOrdered):
        raise RejectedError("erasure_is_final", "an erasure cannot be taken back: what it erased is gone")
    data = Retraction(decision=decision)
    return DecisionRetracted(
        **_envelope("decision.retracted", decision, people, data, _of_retraction(event, state)), data=data
    )


def later_decisions(decision: str, state: State) -> list[str]:
    """Return the ids of decisions in force about the same records that were made after this one."""
    event = state.held[decision]
    about = set(records_of(event))
    return [
        each.event_id
        for each in state.held.values()
        if each.decided_at > event.decided_at and not about.isdisjoint(records_of(each))
    ]


def records_of(event: DecisionEvent) -> tuple[str, ...]:
    """Return the record keys that a decision names."""
    match event:
        case (
            MustLinkDecided()
            | CannotLinkDecided()
            | ShieldSet()
            | ConsentGiven()
            | HarmRecorded()
            | AuthorityAssumed()
            | CorrectionMade()
        ):
            return event.data.records
        case IdentitySevered():
            return (*event.data.former, *event.data.current)
        case _:
            return ()


def handovers(decisions: Iterable[DecisionEvent], records: Iterable[str]) -> list[AuthorityAssumed]:
    """Return, oldest first, the handovers in force of the child with these records; none of before it was erased."""
    held, named = in_force(decisions).values(), set(records)
    erased = {
        each.key: event.decided_at for event in held if isinstance(event, ErasureOrdered) for each in event.data.records
    }
    return [
        event
        for event in held
        if isinstance(event, AuthorityAssumed)
        and any(key in named and (key not in erased or event.decided_at > erased[key]) for key in event.data.records)
    ]


def evidence_seen(connection: Connection[TupleRow], model: LinkageModel, left: str, right: str) -> EvidenceSeen | None:
    """Return what `explain` shows of two records, to be kept with the decision; None when one is not live."""
    try:
        pair = explain_link(connection, model, (left, right)).explanation
    except RejectedError:
        return None
    return EvidenceSeen(model=pair.model_id, weight=pair.total, levels=tuple(row.level_code for row in pair.rows))


def _of_retraction(event: DecisionEvent, state: State) -> Circumstances:
    records = records_of(event)
    near = state.near_shield(records)
    match event:
        case MustLinkDecided():
            return Circumstances(splits_published=state.together(*event.data.records), near_shield=near)
        case CannotLinkDecided():
            return Circumstances(merges_published=state.apart(*event.data.records), near_shield=near)
        case ShieldSet():
            return Circumstances(lifts_shield=True)
        case IdentitySevered():
            return Circumstances(severs=True)
        case _:
            return Circumstances(changes_model=kind_of(event) == "model.activated")


def _contradicts(event: DecisionEvent, left: str, right: str, *, must: bool) -> bool:
    match event:
        case MustLinkDecided():
            return not must and set(event.data.records) == {left, right}
        case CannotLinkDecided():
            return must and set(event.data.records) == {left, right}
        case IdentitySevered():
            sides = set(event.data.former), set(event.data.current)
            return must and any(left in one and right in other for one, other in (sides, sides[::-1]))
        case _:
            return False


def _envelope(kind: str, subject: str, people: Deciders, data: Any, circumstances: Circumstances) -> dict[str, Any]:
    """Return the common part of a decision, once reason and people are found to be right."""
    check_reason(kind, people.reason)
    check_people(people.by, people.approved_by, circumstances)
    return {
        "event_id": decision_id(kind, people.by, people.decided_at, data),
        "subject": subject,
        "decided_at": people.decided_at,
        "by": people.by,
        "approved_by": people.approved_by,
        "authority": people.authority,
        "reason": people.reason,
    }


def decide_about_child(
    kind: type[Decision], data: Contract, people: Deciders, subject: str, *, near_shield: bool
) -> Decision:
    """Return a decision about a child's entry, which changes no membership; raise RejectedError where it may not be."""
    event_type = str(kind.model_fields["event_type"].default)
    envelope = _envelope(event_type, subject, people, data, Circumstances(near_shield=near_shield))
    return kind.model_validate({**envelope, "data": data})
