"""The topic manifest: names, keys, partitions and retention, as data from which the topics are created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SourceKind = Literal["schools", "yot", "health", "eborders"]

SOURCE_KINDS: tuple[SourceKind, ...] = ("schools", "yot", "health", "eborders")
DECISIONS = "decisions"
IDENTITIES = "identities"
CONFLICTS = "conflicts"
ACCESS = "access"
DEAD_LETTERS = "dead-letters"
MATCHING_CONTROL = "matching-control"

_FOR_EVER = "-1"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic: what its key is, and how the broker is to keep it."""

    name: str
    key: str
    partitions: int
    config: tuple[tuple[str, str], ...]


def source_topic(kind: SourceKind) -> str:
    """Return the topic that carries record events of this kind of source."""
    return f"source.{kind}"


SOURCE_TOPICS: tuple[str, ...] = tuple(source_topic(kind) for kind in SOURCE_KINDS)
MATCHING_TOPICS = (*SOURCE_TOPICS, DECISIONS)
"""All that matching folds."""

_KEEP = (("retention.ms", _FOR_EVER), ("retention.bytes", _FOR_EVER), ("cleanup.policy", "delete"))
_COMPACT = (("cleanup.policy", "compact"),)

# Partition counts of keyed topics never change: a record's versions must stay in one partition, in order.
TOPICS: tuple[TopicSpec, ...] = (
    *(TopicSpec(name, "record key", 4, _KEEP) for name in SOURCE_TOPICS),
    TopicSpec(DECISIONS, "what the decision is about", 1, _KEEP),
    TopicSpec(IDENTITIES, "child number", 4, _KEEP),
    TopicSpec(CONFLICTS, "conflict id", 1, _KEEP),
    TopicSpec(ACCESS, "the child's audit key, or the user", 4, _KEEP),
    TopicSpec(DEAD_LETTERS, "original key", 1, _KEEP),
    TopicSpec(MATCHING_CONTROL, "command name", 1, _COMPACT),
)


def min_insync_replicas(replication_factor: int) -> int:
    """Return how many replicas must hold a write before it is acknowledged: all but one, at least one."""
    return max(1, replication_factor - 1)
