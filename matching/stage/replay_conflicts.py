"""Replay, for conflicts: what was published about each, and what differs from those that are open now."""

from __future__ import annotations

from collections.abc import Mapping

from matching.changes import ConflictChange, ConflictState
from matching.stage.conflict_events import PublishedConflict, published_conflicts
from matching.stage.replay import values_of
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
