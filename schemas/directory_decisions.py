"""Decisions that only the directory follows: consent, significant harm, and the responsible authority.

They are events of the topic `decisions` like those of `schemas.decisions`, are retracted in the same way, and hold no
clinical reason and no document: what is recorded is that somebody stated it, when, for which records and in what scope.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.decisions import DecisionEvent, Key
from schemas.events import Contract
from schemas.records import Carer, Code, Education, NameClaim, PrimaryCare, Whereabouts

Records = Annotated[tuple[Key, ...], Field(min_length=1, max_length=200)]


class Consent(Contract):
    """To what a child (or, where it cannot judge, its parent) consents, for the child that any of `records` belongs to.

    `sensitive_services`: that a sensitive service is shown to exist. `participation`: that the record stays after the
    18th birthday until the birthday of `until_age`, for a care leaver or for somebody with learning difficulties.
    """

    records: Records
    scope: Literal["sensitive_services", "participation"]
    given_by: Literal["child", "parent"]
    until_age: Annotated[int, Field(ge=19, le=25)] | None = None
    basis: Literal["care_leaver", "learning_difficulties"] | None = None

    @model_validator(mode="after")
    def _participation_needs_an_age_and_a_basis(self) -> Self:
        participation = self.scope == "participation"
        if participation != (self.until_age is not None) or participation != (self.basis is not None):
            message = "participation needs until_age and basis, other consent has neither"
            raise ValueError(message)
        return self


class ConsentGiven(DecisionEvent):
    """Consent was given; it holds until it is withdrawn (from then on) or retracted (as if never given)."""

    event_type: Literal["consent.given"] = "consent.given"
    schema_version: Literal[1] = 1
    data: Consent


class Withdrawal(Contract):
    """The event id of the consent that is withdrawn."""

    consent: str


class ConsentWithdrawn(DecisionEvent):
    """Consent ended at `decided_at`."""

    event_type: Literal["consent.withdrawn"] = "consent.withdrawn"
    schema_version: Literal[1] = 1
    data: Withdrawal


class Harm(Contract):
    """The records of the child about whom a provider has reasonable cause to suspect significant harm."""

    records: Records


class HarmRecorded(DecisionEvent):
    """A provider suspects significant harm (reg. 11(3)(b)): that a sensitive service works with the child is shown."""

    event_type: Literal["harm.recorded"] = "harm.recorded"
    schema_version: Literal[1] = 1
    data: Harm


class Assumption(Contract):
    """Which authority is responsible from `since` on, and from which one it took over (None: it was allocated)."""

    records: Records
    responsible: Code
    previous: Code | None = None
    since: date


class AuthorityAssumed(DecisionEvent):
    """An authority took a child over: one event of two parties, `by` for the new and `approved_by` for the previous."""

    event_type: Literal["authority.assumed"] = "authority.assumed"
    schema_version: Literal[1] = 1
    data: Assumption


class CorrectedItems(Contract):
    """The items of a child that were wrong, as they are right; an item that is not named stays with its sources.

    `alive`: the child has not died, whatever date of death a source states.
    """

    names: Annotated[tuple[NameClaim, ...], Field(min_length=1, max_length=20)] | None = None
    birth_date: date | None = None
    sex: Literal["female", "male", "not_specified"] | None = None
    whereabouts: Whereabouts | None = None
    carers: Annotated[tuple[Carer, ...], Field(min_length=1, max_length=12)] | None = None
    education: Annotated[tuple[Education, ...], Field(min_length=1, max_length=20)] | None = None
    primary_care: PrimaryCare | None = None
    death_date: date | None = None
    alive: Literal[True] | None = None

    @model_validator(mode="after")
    def _something_is_corrected(self) -> Self:
        if not self.model_fields_set:
            message = "name at least one item"
            raise ValueError(message)
        if self.alive and self.death_date:
            message = "say a date of death or that the child is alive"
            raise ValueError(message)
        return self


class Correction(Contract):
    """What the responsible authority found to be right about the child that any of `records` belongs to."""

    records: Records
    says: CorrectedItems


class CorrectionMade(DecisionEvent):
    """These items are shown instead of what any source says, now and after every later delivery, until retracted."""

    event_type: Literal["correction.made"] = "correction.made"
    schema_version: Literal[2] = 2
    data: Correction


AnyDirectoryDecision = CorrectionMade | ConsentGiven | ConsentWithdrawn | HarmRecorded | AuthorityAssumed
