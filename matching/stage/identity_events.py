"""Identity changes as events: from the owner's tuples to events, without a model object each."""

from __future__ import annotations

import msgspec

from matching.changes import IdentityChange
from matching.stage.decided_event import Evidence, Stated, encode_decided, spelt
from schemas.codec import EncodedEvent


class _Formerly(msgspec.Struct, frozen=True, gc=False):
    child_number: str
    members: tuple[str, ...]


class _Identity(Stated, frozen=True, gc=False):
    members: tuple[str, ...]
    founder: str
    before: tuple[_Formerly, ...]
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    model: str
    evidence: tuple[Evidence, ...]
    held: bool = False
    conflicts: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


def encode_identity(change: IdentityChange, model_id: str, decided_at: str) -> EncodedEvent:
    """Return the identity event of a change, decided at `decided_at` (RFC 3339)."""
    data = _data(change, model_id)
    return encode_decided(f"identity.{change.kind}", change.child_number, decided_at, data, change.causes)


def _data(change: IdentityChange, model_id: str) -> _Identity:
    return _Identity(
        version=change.version,
        members=change.members,
        founder=change.founder,
        before=tuple([_Formerly(*former) for former in change.before]),
        successors=change.successors,
        causes=change.causes,
        model=model_id,
        evidence=spelt(change.evidence),
        held=change.held,
        conflicts=change.conflicts,
        decisions=change.decisions,
    )
