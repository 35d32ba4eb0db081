"""Conflicts as events: from the owner's tuples to events, and what was published of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from matching.changes import ConflictChange, ConflictState, EvidencePair
from matching.stage.decided_event import Evidence, Stated, SubjectView, encode_decided, newest, spelt
from schemas.codec import EncodedEvent
from schemas.conflicts import ConflictKind


class _Conflict(Stated, frozen=True, gc=False):
    kind: ConflictKind
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[str, ...] = ()
    authority: str | msgspec.UnsetType = msgspec.UNSET
    shielded: bool = False
    model: str = ""


class _ConflictView(SubjectView, frozen=True, gc=False):
    data: _Conflict


class PublishedConflict(NamedTuple):
    """The newest that was published about one conflict. Which child it holds is not part of it."""

    version: int
    is_open: bool
    state: ConflictState


def encode_conflict(change: ConflictChange, model_id: str, decided_at: str) -> EncodedEvent:
    """Return the conflict event of a change, decided at `decided_at` (RFC 3339)."""
    return encode_decided(f"conflict.{change.step}", change.conflict_id, decided_at, _data(change, model_id))


def published_conflicts(values: Iterable[bytes | None]) -> dict[str, PublishedConflict]:
    """Return the newest state of each conflict, open or closed, among the values of the topic."""
    return {
        name: PublishedConflict(event.data.version, event.event_type != "conflict.closed", _state(event.data))
        for name, event in newest(values, _ConflictView).items()
    }


def _data(change: ConflictChange, model_id: str) -> _Conflict:
    state = change.state
    return _Conflict(
        kind=state.kind,
        version=change.version,
        records=state.records,
        children=state.children,
        evidence=spelt(state.evidence),
        decisions=state.decisions,
        authority=state.authority or msgspec.UNSET,
        shielded=state.shielded,
        model=model_id,
    )


def _state(data: _Conflict) -> ConflictState:
    return ConflictState(
        data.kind,
        data.records,
        data.children,
        tuple(EvidencePair(each.left, each.right, each.weight, each.levels) for each in data.evidence),
        data.decisions,
        data.authority or "",
        data.shielded,
        "",
    )
