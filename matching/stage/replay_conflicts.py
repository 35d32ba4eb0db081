"""What was published of children and conflicts, and what a replay publishes at its end: what differs from those now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matching.changes import ConflictChange, ConflictState, IdentityChange
from matching.linkage.lives import Lives
from matching.stage.conflict_events import PublishedConflict, published_conflicts
from matching.stage.replay import Child, Published, differences, read_published, values_of
from schemas.settings import KafkaSettings
from schemas.topics import CONFLICTS


def read_published_conflicts(kafka: KafkaSettings) -> dict[str, PublishedConflict]:
    """Read `conflicts` from its beginning to its present end; return the newest state of each, open or closed."""
    return published_conflicts(values_of(kafka, CONFLICTS))


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


class PublishedState(NamedTuple):
    """The newest that was published about each child, and about each conflict."""

    children: dict[str, Published]
    conflicts: dict[str, PublishedConflict]

    @property
    def newest(self) -> int:
        """The highest version that was published, 0 if nothing was."""
        return max((each.version for some in self for each in some.values()), default=0)


def read_published_state(kafka: KafkaSettings) -> PublishedState:
    """Read what was published from the beginning to the present end."""
    return PublishedState(read_published(kafka), read_published_conflicts(kafka))


def last_differences(
    published: PublishedState,
    children: Mapping[str, Child],
    conflicts: Mapping[str, ConflictState],
    version: int,
    activation: str,
    lives: Mapping[str, Lives],
) -> tuple[list[IdentityChange], list[ConflictChange]]:
    """Return the changes that lead from what was published to present children and conflicts.

    `activation` is the event that put the model in force, and so the cause; "" if there was none. `lives` are the
    former and new identities by record key.
    """
    holds: dict[str, tuple[str, ...]] = {}
    for name, state in sorted(conflicts.items()):
        if state.held:
            holds[state.held] = (*holds.get(state.held, ()), name)
    changes = differences(published.children, children, version, holds, lives)
    if activation:
        changes = [each._replace(causes=(activation,)) for each in changes]
    return changes, conflict_differences(published.conflicts, conflicts, version)
