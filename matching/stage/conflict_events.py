"""Conflicts as events: from the owner's tuples to the bytes of the topic `conflicts`.

The structs spell the current versions of the contracts in `schemas.conflicts`; a test decodes what they write.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from matching.changes import ConflictChange
from schemas.catalogue import CURRENT_VERSIONS
from schemas.codec import EventView, encode_view
from schemas.events import event_id


class _Evidence(msgspec.Struct, frozen=True, gc=False):
    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class _Conflict(msgspec.Struct, frozen=True, gc=False):
    kind: str
    version: int
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[_Evidence, ...]
    decisions: tuple[str, ...]
    authority: str | msgspec.UnsetType
    shielded: bool
    model: str


class _ConflictEvent(EventView, frozen=True, gc=False, kw_only=True):
    event_id: str
    subject: str
    decided_at: str
    data: _Conflict


def encode_conflicts(changes: Iterable[ConflictChange], model_id: str, decided_at: str) -> list[bytes]:
    """Return the value of one conflict event for each change, all decided at `decided_at` (RFC 3339)."""
    return [encode_view(_event(change, model_id, decided_at)) for change in changes]


def _event(change: ConflictChange, model_id: str, decided_at: str) -> _ConflictEvent:
    event_type, state = f"conflict.{change.step}", change.state
    return _ConflictEvent(
        event_id=event_id(change.conflict_id, event_type, change.version),
        subject=change.conflict_id,
        decided_at=decided_at,
        event_type=event_type,
        schema_version=CURRENT_VERSIONS[event_type],
        data=_Conflict(
            kind=state.kind,
            version=change.version,
            records=state.records,
            children=state.children,
            evidence=tuple([_Evidence(*pair) for pair in state.evidence]),
            decisions=state.decisions,
            authority=state.authority or msgspec.UNSET,
            shielded=state.shielded,
            model=model_id,
        ),
    )
