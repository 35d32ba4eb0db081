"""Identity changes as events: from the owner's tuples to the bytes of `identities`, without a model object each.

The structs spell the current versions of the contracts in `schemas.events`; a test decodes what they write.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from matching.changes import IdentityChange
from schemas.catalogue import CURRENT_VERSIONS
from schemas.codec import EventView, encode_view
from schemas.events import identity_event_id


class _Evidence(msgspec.Struct, frozen=True, gc=False):
    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class _Formerly(msgspec.Struct, frozen=True, gc=False):
    child_number: str
    members: tuple[str, ...]


class _Identity(msgspec.Struct, frozen=True, gc=False):
    version: int
    members: tuple[str, ...]
    founder: str
    before: tuple[_Formerly, ...]
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    model: str
    evidence: tuple[_Evidence, ...]
    held: bool = False
    conflicts: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


class _IdentityEvent(EventView, frozen=True, gc=False, kw_only=True):
    event_id: str
    subject: str
    causation_id: str | msgspec.UnsetType
    decided_at: str
    data: _Identity


def encode_identities(changes: Iterable[IdentityChange], model_id: str, decided_at: str) -> list[bytes]:
    """Return the value of one identity event for each change, all decided at `decided_at` (RFC 3339)."""
    return [encode_view(_event(change, model_id, decided_at)) for change in changes]


def _event(change: IdentityChange, model_id: str, decided_at: str) -> _IdentityEvent:
    event_type = f"identity.{change.kind}"
    return _IdentityEvent(
        event_id=identity_event_id(change.child_number, event_type, change.version),
        subject=change.child_number,
        causation_id=change.causes[0] if change.causes else msgspec.UNSET,
        decided_at=decided_at,
        event_type=event_type,
        schema_version=CURRENT_VERSIONS[event_type],
        data=_Identity(
            version=change.version,
            members=change.members,
            founder=change.founder,
            before=tuple([_Formerly(*former) for former in change.before]),
            successors=change.successors,
            causes=change.causes,
            model=model_id,
            evidence=tuple([_Evidence(*pair) for pair in change.evidence]),
            held=change.held,
            conflicts=change.conflicts,
            decisions=change.decisions,
        ),
    )
