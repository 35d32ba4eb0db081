"""The review queue in memory: the twin of the tables, for tests of the fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from projections.review.fold import Changes, ConflictVersion, LinkDecision, QueueRow


class InMemoryReview:
    """Holds what the tables hold."""

    def __init__(self) -> None:
        self.known: dict[str, ConflictVersion] = {}
        self.decisions: dict[str, LinkDecision] = {}
        self.ordinary: dict[str, QueueRow] = {}
        self.shielded: dict[str, QueueRow] = {}

    def conflicts(self, ids: Iterable[str]) -> Mapping[str, ConflictVersion]:
        """Return what is known of these conflicts."""
        return {name: self.known[name] for name in ids if name in self.known}

    def conflicts_about(self, records: Iterable[str]) -> Mapping[str, ConflictVersion]:
        """Return the conflicts about any of these records."""
        wanted = set(records)
        return {name: each for name, each in self.known.items() if not wanted.isdisjoint(each.records)}

    def decisions_about(self, records: Iterable[str]) -> Sequence[LinkDecision]:
        """Return the decisions that name any of these records."""
        wanted = set(records)
        return [d for d in self.decisions.values() if not wanted.isdisjoint((*d.one_side, *d.other_side))]

    def save(self, changes: Changes) -> None:
        """Take the changes up; a decision that is known stays as it is."""
        self.known.update((each.conflict_id, each) for each in changes.conflicts)
        for decision in changes.decisions:
            self.decisions.setdefault(decision.event_id, decision)
        for here, there, rows in (
            (self.ordinary, self.shielded, changes.ordinary),
            (self.shielded, self.ordinary, changes.shielded),
        ):
            for row in rows:
                here[row.conflict_id] = row
                there.pop(row.conflict_id, None)
