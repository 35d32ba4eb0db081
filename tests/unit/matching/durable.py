"""The durable form of a resident owner in memory, and a run in which it stands in for the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from matching.changes import ConflictState, Delta, RecordRow, SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.edges import read_edges
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner

Event = SourceChange | Decision


def cut(log: Sequence[Event], sizes: Sequence[int]) -> list[list[Event]]:
    """Return a log in batches of these sizes, over and over."""
    batches: list[list[Event]] = []
    start = 0
    while start < len(log):
        size = sizes[len(batches) % len(sizes)]
        batches.append(list(log[start : start + size]))
        start += size
    return batches


def run_resident(
    world: LinkageModel, batches: Iterable[Sequence[Event]], restart: Callable[[], bool]
) -> tuple[ResidentOwner, DurableRows]:
    """Apply batches, the state thrown away and taken back from the rows after those where `restart` says so."""
    owner, rows = ResidentOwner(world), DurableRows()
    for number, batch in enumerate(batches, 1):
        changes = [each for each in batch if isinstance(each, SourceChange)]
        rows.commit(owner.apply(changes, number, [each for each in batch if isinstance(each, Decision)]))
        if restart():
            owner = ResidentOwner(world)
            owner.load(rows.rows.values(), rows.decisions, rows.conflicts.items())
    return owner, rows


class DurableRows:
    """What a database would hold after the deltas it was given."""

    def __init__(self) -> None:
        self.rows: dict[int, RecordRow] = {}
        self.decisions: list[Decision] = []
        self.conflicts: dict[str, ConflictState] = {}
        self.held: set[str] = set()
        self.identities: dict[str, tuple[str, ...]] = {}

    def commit(self, delta: Delta) -> None:
        """Write a delta as the committer would."""
        assert not {row.rid for row in delta.inserted} & self.rows.keys()
        self.rows.update((row.rid, row) for row in delta.inserted)
        assert {row.rid for row in delta.rewritten} <= self.rows.keys()
        self.rows.update((row.rid, row) for row in delta.rewritten)
        for label in delta.relabelled:
            self.rows[label.rid] = self.rows[label.rid]._replace(
                version=label.version,
                fingerprint=label.fingerprint,
                ingested_at=label.ingested_at,
                child_number=label.child_number,
            )
        self.identities.update((change.child_number, change.members) for change in delta.identities)
        for change in delta.identities:
            (self.held.add if change.held else self.held.discard)(change.child_number)
        self.decisions += delta.decisions
        for conflict in delta.conflicts:
            assert (conflict.step == "opened") == (conflict.conflict_id not in self.conflicts)
            self.conflicts[conflict.conflict_id] = conflict.state
            if conflict.step == "closed":
                del self.conflicts[conflict.conflict_id]

    @property
    def edges(self) -> dict[tuple[str, str], int]:
        """The weights of the edges that still hold, by pair of record keys."""
        held = {}
        for row in self.rows.values():
            for edge in read_edges(row.edges) if row.live else ():
                other = self.rows[int(edge["rid"])]
                if other.content_version == edge["content_version"]:
                    first, second = sorted((row.key, other.key))
                    assert (first, second) not in held
                    held[first, second] = int(edge["weight"])
        return held

    @property
    def memberships(self) -> dict[str, tuple[str, ...]]:
        """The memberships that the rows state."""
        members: dict[str, list[str]] = {}
        for row in self.rows.values():
            if row.child_number is not None:
                members.setdefault(row.child_number, []).append(row.key)
        return {number: tuple(sorted(keys)) for number, keys in members.items()}
