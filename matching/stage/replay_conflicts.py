"""Replay, for conflicts: what was published about each, and what differs from those that are open now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from matching.changes import ConflictChange, ConflictState, EvidencePair
from matching.stage.replay import values_of
from schemas.codec import EventView, decode_as
from schemas.conflicts import ConflictKind
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings
from schemas.topics import CONFLICTS


class EvidenceData(msgspec.Struct, frozen=True, gc=False):
    """One compared pair."""

    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class ConflictData(msgspec.Struct, frozen=True, gc=False):
    """What a comparison needs of a conflict event's data: all of it but the model."""

    kind: ConflictKind
    version: int
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[EvidenceData, ...] = ()
    decisions: tuple[str, ...] = ()
    authority: str = ""
    shielded: bool = False


class ConflictView(EventView, frozen=True, gc=False):
    """A conflict event as far as a replay reads it."""

    subject: str
    data: ConflictData


class PublishedConflict(NamedTuple):
    """The newest that was published about one conflict. Which child it holds is not part of it."""

    version: int
    is_open: bool
    state: ConflictState


def read_published_conflicts(kafka: KafkaSettings) -> dict[str, PublishedConflict]:
    """Read `conflicts` from its beginning to its present end; return the newest state of each, open or closed."""
    newest: dict[str, PublishedConflict] = {}
    for value in values_of(kafka, CONFLICTS):
        try:
            event = decode_as(value, ConflictView)
        except RejectedError:
            continue  # not ours, as with identities
        before = newest.get(event.subject)
        if before is None or before.version <= event.data.version:
            newest[event.subject] = PublishedConflict(
                event.data.version, event.event_type != "conflict.closed", _state(event.data)
            )
    return newest


def conflict_differences(
    published: Mapping[str, PublishedConflict], present: Mapping[str, ConflictState], version: int
) -> list[ConflictChange]:
    """Return the changes that lead from what was published to the conflicts that are open now, in order of id."""
    changes = []
    for name in sorted({*published, *present}):
        before, now = published.get(name), present.get(name)
        was_open = before is not None and before.is_open
        if now is None:
            if before is not None and was_open:
                changes.append(ConflictChange("closed", name, version, before.state))
        elif before is None or not was_open:
            changes.append(ConflictChange("opened", name, version, now))
        elif before.state != now._replace(held=""):
            changes.append(ConflictChange("changed", name, version, now))
    return changes


def _state(data: ConflictData) -> ConflictState:
    return ConflictState(
        data.kind,
        data.records,
        data.children,
        tuple(EvidencePair(each.left, each.right, each.weight, each.levels) for each in data.evidence),
        data.decisions,
        data.authority,
        data.shielded,
        "",
    )
