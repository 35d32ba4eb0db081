"""Replay: the tables are empty, but identities were published before.

The source topics are folded again without publishing, up to where they ended at the start. Then the state is compared
with the newest identity event of each child, and only differences are published: none, unless an outbox was lost with
the tables or the model has changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import psycopg

from connectors.kafka import end_offsets, read_to_end
from matching.changes import FormerChild, IdentityChange, IdentityKind
from matching.decision_reader import read_decision
from matching.linkage.decisions import Decision
from matching.sql import QUERIES
from matching.stage.decided_event import Stated, SubjectView, newest
from matching.stage.messages import ReplayTarget
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings
from schemas.topics import DECISIONS, IDENTITIES, MATCHING_TOPICS

Members = tuple[str, ...]
_NOBODY_HELD: Mapping[str, tuple[str, ...]] = {}


class IdentityData(Stated, frozen=True, gc=False):
    """What a comparison needs of an identity event's data."""

    members: tuple[str, ...]
    founder: str = ""
    held: bool = False


class IdentityView(SubjectView, frozen=True, gc=False):
    """An identity event as far as a replay reads it."""

    data: IdentityData


class Published(NamedTuple):
    """The newest that was published about one child; no members once it was retired."""

    version: int
    members: Members
    founder: str
    held: bool = False


class Child(NamedTuple):
    """One child as the tables have it."""

    founder: str
    members: Members


def read_published(kafka: KafkaSettings) -> dict[str, Published]:
    """Read `identities` from its beginning to its present end; return the newest membership of each child number."""
    return {
        number: Published(event.data.version, event.data.members, event.data.founder, event.data.held)
        for number, event in newest(values_of(kafka, IDENTITIES), IdentityView).items()
    }


def targets(kafka: KafkaSettings) -> ReplayTarget:
    """Return where the topics that matching folds end now."""
    target: ReplayTarget = {}
    for (topic, partition), end in end_offsets(kafka, MATCHING_TOPICS).items():
        target.setdefault(topic, {})[str(partition)] = end
    return target


def reached(target: ReplayTarget | None, positions: Mapping[tuple[str, int], int]) -> bool:
    """Tell whether positions have come to where a replay ends."""
    return all(
        positions.get((topic, int(partition)), 0) >= end
        for topic, partitions in (target or {}).items()
        for partition, end in partitions.items()
    )


def read_children(connection: psycopg.Connection) -> dict[str, Child]:
    """Return every child that the tables hold."""
    rows = connection.execute(QUERIES["children"])
    return {number: Child(founder, tuple(members)) for number, founder, members in rows}


def differences(
    published: Mapping[str, Published],
    children: Mapping[str, Child],
    version: int,
    holds: Mapping[str, tuple[str, ...]] = _NOBODY_HELD,
) -> list[IdentityChange]:
    """Return the changes that lead from what was published to the present children, in order of child number.

    `holds` are the ids of the conflicts that hold a child, by child number.
    """
    now_with = {key: number for number, child in children.items() for key in child.members}
    once_with = {key: number for number, child in published.items() for key in child.members}
    changes = []
    for number in sorted({*published, *children}):
        members = children[number].members if number in children else ()
        before = published[number].members if number in published else ()
        held = number in holds
        if members == before and held == (number in published and published[number].held):
            continue
        successors = sorted({now_with[key] for key in before if key in now_with} - {number})
        origins = sorted({once_with[key] for key in members if key in once_with} | ({number} if before else set()))
        changes.append(
            IdentityChange(
                kind=("held" if held else "released")
                if members == before
                else _kind(before=bool(before), after=bool(members), successors=len(successors)),
                child_number=number,
                version=version,
                founder=(children if number in children else published)[number].founder,
                members=members,
                before=tuple(FormerChild(origin, published[origin].members) for origin in origins),
                successors=tuple(successors),
                causes=(),
                evidence=(),
                held=held,
                conflicts=holds.get(number, ()),
            )
        )
    return changes


def _kind(*, before: bool, after: bool, successors: int) -> IdentityKind:
    if not before:
        return "created"
    if after:
        return "split" if successors else "changed"
    return ("retired", "merged")[successors] if successors < 2 else "split"


def read_sound_decisions(kafka: KafkaSettings, check: Callable[[Decision], None]) -> list[Decision]:
    """Return the decisions on the log that can be read and that `check` does not reject, in order."""
    found: list[Decision] = []
    for value in values_of(kafka, DECISIONS):
        with contextlib.suppress(RejectedError):
            for decision in read_decision(value):
                check(decision)
                found.append(decision)
    return found


def values_of(kafka: KafkaSettings, topic: str) -> Iterator[bytes | None]:
    """Return every value of a topic, from its beginning to its end as of now."""
    return (message.value for message in read_to_end(kafka, [topic]))
