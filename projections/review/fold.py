"""The review queue's fold: events in, changes out, without I/O.

A row of the queue is a function of the newest event of its conflict, of when it was last opened, and of the decisions
about its records; of nothing else, so order, repeats and batches do not matter. Ages are not here: they depend on the
day on which somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from projections.review.views import ConflictView, DecisionView, EvidenceView

OPENED, CLOSED = "conflict.opened", "conflict.closed"
LINK_DECISIONS = frozenset({"decision.must_link", "decision.cannot_link", "decision.severed"})
_RANK = {OPENED: 0, "conflict.changed": 1, CLOSED: 2}


class ConflictVersion(NamedTuple):
    """The newest that is known of one conflict, and its newest opening (0 and None while none was read)."""

    conflict_id: str
    version: int
    event_type: str
    event_id: str
    decided_at: datetime
    causation_id: str | None
    kind: str
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[EvidenceView, ...]
    decisions: tuple[str, ...]
    authority: str | None
    shielded: bool
    model: str
    opened_version: int
    opened_at: datetime | None

    @property
    def stamp(self) -> tuple[int, int, str]:
        """What orders the events of one conflict: the owner's batch, then opened, changed, closed."""
        return self.version, _RANK.get(self.event_type, 0), self.event_id


class LinkDecision(NamedTuple):
    """A decision about links: the records on either side, who, when and why."""

    event_id: str
    event_type: str
    decided_at: datetime
    by_user: str
    approved_by: str | None
    reason: str
    one_side: tuple[str, ...]
    other_side: tuple[str, ...]


class QueueRow(NamedTuple):
    """One row of the queue. `answers` are the decisions about its records by the time it closed, oldest first.

    `resolution`: decided, evidence_gone, or None while it is open.
    """

    conflict_id: str
    kind: str
    state: str
    version: int
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    authority: str | None
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[EvidenceView, ...]
    decisions: tuple[str, ...]
    model: str
    resolution: str | None
    answers: tuple[str, ...]


@dataclass(slots=True)
class Batch:
    """What some events say: the newest of each conflict, and each decision once."""

    conflicts: dict[str, ConflictVersion] = field(default_factory=dict)
    decisions: dict[str, LinkDecision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write. A conflict is in one of the two queues: `ordinary` and `shielded` leave the other one."""

    conflicts: list[ConflictVersion]
    decisions: list[LinkDecision]
    ordinary: list[QueueRow]
    shielded: list[QueueRow]


class ReviewState(Protocol):
    """What the fold asks of the state."""

    def conflicts(self, ids: Iterable[str]) -> Mapping[str, ConflictVersion]:
        """Return what is known of these conflicts."""
        ...

    def conflicts_about(self, records: Iterable[str]) -> Mapping[str, ConflictVersion]:
        """Return the conflicts about any of these records."""
        ...

    def decisions_about(self, records: Iterable[str]) -> Sequence[LinkDecision]:
        """Return the decisions that name any of these records."""
        ...


def add_conflict(batch: Batch, view: ConflictView) -> None:
    """Take a conflict event up."""
    data = view.data
    opened = view.event_type == OPENED
    found = ConflictVersion(
        view.subject,
        data.version,
        view.event_type,
        view.event_id,
        view.decided_at,
        view.causation_id,
        data.kind,
        data.records,
        data.children,
        data.evidence,
        data.decisions,
        data.authority,
        data.shielded,
        data.model,
        data.version if opened else 0,
        view.decided_at if opened else None,
    )
    known = batch.conflicts.get(view.subject)
    batch.conflicts[view.subject] = found if known is None else newest(known, found)


def add_decision(batch: Batch, view: DecisionView) -> None:
    """Take a decision about links up."""
    data = view.data
    sides = (
        (data.former, data.current) if view.event_type == "decision.severed" else (data.records[:1], data.records[1:])
    )
    decision = LinkDecision(
        view.event_id, view.event_type, view.decided_at, view.by, view.approved_by, view.reason, *sides
    )
    batch.decisions.setdefault(view.event_id, decision)


def newest(one: ConflictVersion, other: ConflictVersion) -> ConflictVersion:
    """Return what two states of one conflict say together: the newer content, and the newer opening."""
    later = max(one, other, key=lambda each: each.stamp)
    opened = max(one, other, key=lambda each: (each.opened_version, each.opened_at is not None))
    return later._replace(opened_version=opened.opened_version, opened_at=opened.opened_at)


def changes(batch: Batch, state: ReviewState) -> Changes:
    """Return what the batch changes in this state."""
    known = state.conflicts(batch.conflicts) if batch.conflicts else {}
    conflicts = {
        name: newest(found, known[name]) if name in known else found for name, found in batch.conflicts.items()
    }
    changed = [conflict for name, conflict in conflicts.items() if known.get(name) != conflict]
    named = {key for each in batch.decisions.values() for key in (*each.one_side, *each.other_side)}
    touched = {**(state.conflicts_about(named) if named else {}), **conflicts}
    about = {key for conflict in touched.values() for key in conflict.records}
    decisions = {each.event_id: each for each in state.decisions_about(about)} if about else {}
    rows = [(conflict.shielded, queue_row(conflict, {**decisions, **batch.decisions}.values())) for conflict in
            touched.values()]  # fmt: skip
    return Changes(
        changed,
        list(batch.decisions.values()),
        [row for shielded, row in rows if not shielded],
        [row for shielded, row in rows if shielded],
    )


def queue_row(conflict: ConflictVersion, decisions: Iterable[LinkDecision]) -> QueueRow:
    """Return a conflict's row of the queue."""
    closed = conflict.event_type == CLOSED
    answers = _answers(conflict, decisions) if closed else []
    return QueueRow(
        conflict.conflict_id,
        conflict.kind,
        "closed" if closed else "open",
        conflict.version,
        conflict.opened_at or conflict.decided_at,
        conflict.decided_at,
        conflict.decided_at if closed else None,
        conflict.authority,
        conflict.records,
        conflict.children,
        conflict.evidence,
        conflict.decisions,
        conflict.model,
        ("decided" if answers else "evidence_gone") if closed else None,
        tuple(each.event_id for each in answers),
    )


def _answers(conflict: ConflictVersion, decisions: Iterable[LinkDecision]) -> list[LinkDecision]:
    """Return the decisions by which people answered: between the records of the conflict, after it was opened."""
    records, opened = set(conflict.records), conflict.opened_at or conflict.decided_at
    found = [
        each
        for each in decisions
        if opened <= each.decided_at <= conflict.decided_at
        and not records.isdisjoint(each.one_side)
        and not records.isdisjoint(each.other_side)
    ]
    return sorted(found, key=lambda each: (each.decided_at, each.event_id))
