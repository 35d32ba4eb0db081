"""What the audit trail reads of an event: all about the fact, and of a person's data only which items are there."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.codec import BigInt, EventView


class RecordEventView(EventView, frozen=True):
    """A record event; the values in `data` stay undecoded bytes and are never kept."""

    event_id: str
    subject: str
    feed: str
    source_version: BigInt
    fingerprint: str
    ingested_at: datetime
    data: dict[str, msgspec.Raw]
    source_time: datetime | None = None
    effective_time: datetime | None = None
    causation_id: str | None = None
    correlation_id: str | None = None


class EvidenceView(msgspec.Struct, frozen=True, gc=False):
    """One compared pair: match weight in 1/100 bit, and one level a comparison of the model."""

    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class FormerlyView(msgspec.Struct, frozen=True, gc=False):
    """A child number and the membership it had before the change."""

    child_number: str
    members: tuple[str, ...]


class IdentityData(msgspec.Struct, frozen=True):
    """The state of one child number after a change, and why."""

    version: BigInt
    members: tuple[str, ...]
    model: str
    founder: str | None = None
    before: tuple[FormerlyView, ...] = ()
    successors: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    evidence: tuple[EvidenceView, ...] = ()


class IdentityEventView(EventView, frozen=True):
    """An identity event with its evidence."""

    event_id: str
    subject: str
    decided_at: datetime
    data: IdentityData
    causation_id: str | None = None
    correlation_id: str | None = None


class DecisionHead(EventView, frozen=True):
    """A decision: the trail follows erasures only."""

    data: msgspec.Raw
