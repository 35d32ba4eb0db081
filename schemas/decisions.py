"""Decisions: what people and operators state about records and children. Events of the topic `decisions`.

The decisions in force are a set, so their order does not matter: each decision that was made, unless a retraction names
its event id or it has expired by the newest clock event. Nothing here holds free text, a name or a clinical reason: who
is a user id, why is a code.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.events import Contract, Envelope, event_id
from schemas.records import Code

Key = Annotated[str, Field(min_length=3, max_length=300)]
Pair = tuple[Key, Key]


class DecisionEvent(Envelope):
    """A fact that `by` stated at `decided_at` for the closed code `reason`; `event_id` is the decision's own id.

    `approved_by` is the second person, where two are needed; `authority` the one they act for. `subject` is what it is
    about: the first record key it names, or the id of the decision that it takes back.
    """

    decided_at: AwareDatetime
    by: Code
    approved_by: Code | None = None
    authority: Code | None = None
    reason: Code


class EvidenceSeen(Contract):
    """What the person saw when deciding: the model, the pair's weight (1/100 bit) and its levels."""

    model: str
    weight: int
    levels: tuple[int, ...] = ()


class LinkDecision(Contract):
    """Two records (sorted), whether they are one child, until when that holds, and what the person saw."""

    records: Pair
    expires: date | None = None
    seen: EvidenceSeen | None = None


class MustLinkDecided(DecisionEvent):
    """These two records are one child, whatever they weigh."""

    event_type: Literal["decision.must_link"] = "decision.must_link"
    schema_version: Literal[1] = 1
    data: LinkDecision


class CannotLinkDecided(DecisionEvent):
    """These two records are never one child."""

    event_type: Literal["decision.cannot_link"] = "decision.cannot_link"
    schema_version: Literal[1] = 1
    data: LinkDecision


class Severance(Contract):
    """The records of a child's former identity and those of the new one; neither list may be empty."""

    former: tuple[Key, ...] = Field(min_length=1, max_length=200)
    current: tuple[Key, ...] = Field(min_length=1, max_length=200)


class IdentitySevered(DecisionEvent):
    """A child has a new identity (adoption): no user, export or lineage may connect it with the former one."""

    event_type: Literal["decision.severed"] = "decision.severed"
    schema_version: Literal[1] = 1
    data: Severance


class Retraction(Contract):
    """The event id of the decision that no longer holds."""

    decision: str


class DecisionRetracted(DecisionEvent):
    """A decision of any kind no longer holds; it can be made again, as another decision."""

    event_type: Literal["decision.retracted"] = "decision.retracted"
    schema_version: Literal[1] = 1
    data: Retraction


class Shield(Contract):
    """The records of the shielded child as known when it was decided, and when the shield is to be looked at again."""

    records: tuple[Key, ...] = Field(min_length=1, max_length=200)
    review_on: date | None = None


class ShieldSet(DecisionEvent):
    """The child that any of these records belongs to is shielded, under whatever number, until this is retracted."""

    event_type: Literal["shield.set"] = "shield.set"
    schema_version: Literal[1] = 1
    data: Shield


class ErasedRecord(Contract):
    """One record, and the highest source version of it that is erased."""

    key: Key
    source_version: int


class Erasure(Contract):
    """The records of a child whose data keys are destroyed.

    `child_numbers` are all that the child ever had: what the trail of access says under them is destroyed, too.
    `decisions` are those that state something of the child and of nobody else (corrections, requests of the child or a
    parent): their keys are destroyed.
    """

    records: tuple[ErasedRecord, ...] = Field(min_length=1, max_length=200)
    child_numbers: tuple[Key, ...] = Field(default=(), max_length=200)
    decisions: tuple[str, ...] = Field(default=(), max_length=1000)


class ErasureOrdered(DecisionEvent):
    """What these records stated up to these versions is as if it had never been said, also when it is sent again."""

    event_type: Literal["erasure.ordered"] = "erasure.ordered"
    schema_version: Literal[2] = 2
    data: Erasure


class Activation(Contract):
    """A model file's id and the SHA-256 of its bytes."""

    model: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelActivated(DecisionEvent):
    """From here on this model decides; everything that it touches is linked again under the same decisions."""

    event_type: Literal["model.activated"] = "model.activated"
    schema_version: Literal[1] = 1
    data: Activation


class Clock(Contract):
    """The day that has begun."""

    today: date


class ClockAdvanced(DecisionEvent):
    """A day has begun: what depends on dates follows the newest of these events and never a machine's clock."""

    event_type: Literal["clock.advanced"] = "clock.advanced"
    schema_version: Literal[1] = 1
    data: Clock


AnyDecisionEvent = (
    MustLinkDecided
    | CannotLinkDecided
    | IdentitySevered
    | DecisionRetracted
    | ShieldSet
    | ErasureOrdered
    | ModelActivated
    | ClockAdvanced
)


def kind_of(event: DecisionEvent) -> str:
    """Return a decision's event type, such as `decision.must_link`."""
    return str(type(event).model_fields["event_type"].default)


def decision_id(event_type: str, by: str, decided_at: datetime, data: Contract) -> str:
    """Return the id of a decision: the same when it is published again, another when it is made again."""
    return event_id(event_type, by, decided_at.isoformat(), data.model_dump_json())
