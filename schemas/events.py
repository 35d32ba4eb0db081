"""Events: facts in the past tense, frozen, each with an explicit type and version.

Every event is one flat object: the envelope's fields beside `data`. `event_id` is a function of what the event says,
never of when it was written, so that reading a file twice or publishing an outbox twice repeats ids, not facts.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from schemas.records import PersonRecord


class Contract(BaseModel):
    """Base of everything that goes onto a topic: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Envelope(Contract):
    """What every event carries; `subject` is the Kafka key (a record key or a child number)."""

    event_id: str
    subject: str
    causation_id: str | None = None
    correlation_id: str | None = None


class RecordEvent(Envelope):
    """A fact about one source record; versions are ordered by `(source_version, fingerprint)`.

    `source_version` is the source's own ordering (for most sources microseconds since 1970 of its own time stamp).
    `source_time` is when the source wrote it down, `effective_time` when it happened; `ingested_at` is when this
    pipeline received it, stamped once.
    """

    feed: str
    source_version: int
    fingerprint: str
    source_time: AwareDatetime | None = None
    effective_time: AwareDatetime | None = None
    ingested_at: AwareDatetime


class IdentityEvent(Envelope):
    """A fact about one child number, decided by the matching stage at `decided_at`."""

    decided_at: AwareDatetime


class Nothing(Contract):
    """No data: the event's type says it all."""


class MergedInto(Contract):
    """The record key that the source kept when it merged two of its records."""

    survivor: str


class RecordObserved(RecordEvent):
    """A source states this about a person; it replaces what that source record said before."""

    event_type: Literal["record.observed"] = "record.observed"
    schema_version: Literal[2] = 2
    data: PersonRecord


class RecordWithdrawn(RecordEvent):
    """A source no longer holds this record."""

    event_type: Literal["record.withdrawn"] = "record.withdrawn"
    schema_version: Literal[1] = 1
    data: Nothing = Nothing()


class RecordMerged(RecordEvent):
    """A source merged this record (the subject, the loser) into another of its records."""

    event_type: Literal["record.merged"] = "record.merged"
    schema_version: Literal[1] = 1
    data: MergedInto


class Evidence(Contract):
    """One compared pair inside a cluster: match weight in 1/100 bit, and one level a comparison of the model."""

    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class Formerly(Contract):
    """A child number and the membership it had before the change."""

    child_number: str
    members: tuple[str, ...]


class Identity(Contract):
    """The whole state of one child number after a change, with what it came from and why.

    A `held` child may be a shielded one under another number (`conflicts` say which questions are open): nothing of it
    is published until a person has answered.
    """

    version: int
    members: tuple[str, ...]
    founder: str | None = None
    before: tuple[Formerly, ...] = ()
    successors: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    model: str
    evidence: tuple[Evidence, ...] = ()
    held: bool = False
    conflicts: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


class IdentityCreated(IdentityEvent):
    """A child number came into use."""

    event_type: Literal["identity.created"] = "identity.created"
    schema_version: Literal[2] = 2
    data: Identity


class IdentityChanged(IdentityEvent):
    """A child's membership changed and no member went to another child."""

    event_type: Literal["identity.changed"] = "identity.changed"
    schema_version: Literal[2] = 2
    data: Identity


class IdentityMerged(IdentityEvent):
    """This child number was retired: all its members are now with its one successor."""

    event_type: Literal["identity.merged"] = "identity.merged"
    schema_version: Literal[2] = 2
    data: Identity


class IdentitySplit(IdentityEvent):
    """Some or all members of this child number went to other numbers, its successors."""

    event_type: Literal["identity.split"] = "identity.split"
    schema_version: Literal[2] = 2
    data: Identity


class IdentityHeld(IdentityEvent):
    """This child may be a shielded one: its membership is unchanged, and nothing of it is to be seen from now on."""

    event_type: Literal["identity.held"] = "identity.held"
    schema_version: Literal[1] = 1
    data: Identity


class IdentityReleased(IdentityEvent):
    """This child was held and is not any more."""

    event_type: Literal["identity.released"] = "identity.released"
    schema_version: Literal[1] = 1
    data: Identity


class IdentityRetired(IdentityEvent):
    """This child number has no members left and no successor."""

    event_type: Literal["identity.retired"] = "identity.retired"
    schema_version: Literal[2] = 2
    data: Identity


AnyRecordEvent = RecordObserved | RecordWithdrawn | RecordMerged
AnyIdentityEvent = (
    IdentityCreated
    | IdentityChanged
    | IdentityMerged
    | IdentitySplit
    | IdentityHeld
    | IdentityReleased
    | IdentityRetired
)


def event_id(*parts: str | int) -> str:
    """Return the id (32 hex digits) of the event that these parts describe: equal parts, equal id."""
    joined = "\x1f".join(map(str, parts))
    return blake2b(joined.encode(), digest_size=16).hexdigest()


def record_event_id(subject: str, event_type: str, source_version: int, fingerprint: str) -> str:
    """Return the id of a record event: one per record key, type and source version."""
    return event_id(subject, event_type, source_version, fingerprint)
