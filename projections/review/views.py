"""What the review queue reads of an event."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.codec import BigInt, EventView


class EvidenceView(msgspec.Struct, frozen=True, gc=False):
    """One compared pair: match weight in 1/100 bit, and one level a comparison of the model."""

    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class ConflictData(msgspec.Struct, frozen=True):
    """The whole state of one conflict."""

    kind: str
    version: BigInt
    records: tuple[str, ...]
    children: tuple[str, ...]
    model: str
    evidence: tuple[EvidenceView, ...] = ()
    decisions: tuple[str, ...] = ()
    authority: str | None = None
    shielded: bool = False


class ConflictView(EventView, frozen=True):
    """A conflict event."""

    event_id: str
    subject: str
    decided_at: datetime
    data: ConflictData
    causation_id: str | None = None


class DecisionData(msgspec.Struct, frozen=True):
    """The records that a decision about links names; other decisions name none."""

    records: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    current: tuple[str, ...] = ()


class DecisionHeader(EventView, frozen=True):
    """Enough of a decision event to tell whether it is about links."""


class DecisionView(EventView, frozen=True):
    """A decision about links: who, why and about which records."""

    event_id: str
    decided_at: datetime
    by: str
    reason: str
    data: DecisionData
    approved_by: str | None = None
