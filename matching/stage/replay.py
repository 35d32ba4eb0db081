"""Replay: the tables are empty, but identities were published before.

The source topics are folded again without publishing, up to where they ended at the start. Then the state is compared
with the newest identity event of each child, and only differences are published: none, unless an outbox was lost with
the tables or the model has changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import psycopg

from connectors.kafka import end_offsets, read_to_end
from matching.changes import FormerChild, IdentityChange, IdentityKind
from matching.decision_reader import read_decision
from matching.fold_version import FOLD_VERSION
from matching.linkage.decisions import Decision
from matching.linkage.lives import Lives, across, lives_among
from matching.sql import QUERIES
from matching.stage import store
from matching.stage.decided_event import Stated, SubjectView, newest
from matching.stage.messages import ReplayTarget
from schemas.errors import RejectedError
from schemas.identity import child_number, number_basis
from schemas.settings import KafkaSettings
from schemas.topics import DECISIONS, IDENTITIES, MATCHING_TOPICS

Members = tuple[str, ...]
_NOBODY_HELD: Mapping[str, tuple[str, ...]] = {}
_NOBODY_SEVERED: Mapping[str, Lives] = {}


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
    lives: Mapping[str, Lives] = _NOBODY_SEVERED,
) -> list[IdentityChange]:
    """Return the changes that lead from what was published to the present children, in order of child number.

    `holds` are the ids of the conflicts that hold a child, by child number; `lives` the former and new identities by
    record key, between which no change leads.
    """
    now_with = {key: number for number, child in children.items() for key in child.members}
    once_with = {key: number for number, child in published.items() for key in child.members}
    steps = {(once_with[key], now_with[key]) for key in once_with.keys() & now_with.keys()} if lives else set()
    cut = _severed_steps(steps, published, children, lives)
    left = {number: child.members for number, child in published.items()}
    for number, parts in cut.items():
        left[number] = tuple(key for key in left[number] if now_with.get(key) not in parts) or left[number]
    changes = []
    for number in sorted({*published, *children}):
        members = children[number].members if number in children else ()
        before = published[number].members if number in published else ()
        held = number in holds
        if members == before and held == (number in published and published[number].held):
            continue
        successors = sorted({now_with[key] for key in before if key in now_with} - {number} - cut.get(number, set()))
        came_from = {once_with[key] for key in members if key in once_with} | ({number} if before else set())
        origins = sorted(each for each in came_from if number not in cut.get(each, ()))
        changes.append(
            IdentityChange(
                kind=("held" if held else "released")
                if members == before
                else _kind(before=bool(before), after=bool(members), successors=len(successors)),
                child_number=number,
                version=version,
                founder=(children if number in children else published)[number].founder,
                members=members,
                before=tuple(FormerChild(origin, left[origin]) for origin in origins),
                successors=tuple(successors),
                causes=(),
                evidence=(),
                held=held,
                conflicts=holds.get(number, ()),
            )
        )
    return changes


def _severed_steps(
    steps: Iterable[tuple[str, str]],
    published: Mapping[str, Published],
    children: Mapping[str, Child],
    lives: Mapping[str, Lives],
) -> dict[str, set[str]]:
    """Return, by published number, the present ones that it must not lead to, of the steps from one to another."""
    parts: dict[str, dict[str, Lives]] = {}
    for origin, number in steps:
        parts.setdefault(origin, {})[number] = _lives_now(number, children[number], lives)
    return {each: across(_lives_once(each, published[each], lives), there) for each, there in parts.items()}


def _lives_once(number: str, child: Published, lives: Mapping[str, Lives]) -> Lives:
    """Return of which severances a number was the new identity, and which other ones name its records.

    Where severances came or went since, it cannot be told which of them it was made from: it is taken as either.
    """
    named = lives_among(child.members, lives)
    everything = named.former | named.new
    if number == child_number(child.founder):
        return Lives(everything)
    new = number == child_number(number_basis(child.founder, sorted(named.new)))
    return Lives(everything - named.new, named.new) if new else Lives(everything, everything)


def _lives_now(number: str, child: Child, lives: Mapping[str, Lives]) -> Lives:
    named = lives_among(child.members, lives)
    if number == child_number(child.founder):
        return Lives(named.former)
    everybody = frozenset[str]().union(*(each.new for each in lives.values()))
    return Lives(named.former, named.new or everybody)  # named by way of merges: it is not known here by which


def _kind(*, before: bool, after: bool, successors: int) -> IdentityKind:
    if not before:
        return "created"
    if after:
        return "split" if successors else "changed"
    return ("retired", "merged")[successors] if successors < 2 else "split"


def decisions_that_count(
    connection: psycopg.Connection, kafka: KafkaSettings, check: Callable[[Decision], None]
) -> list[Decision]:
    """Return the decisions that say which model is in force: those linked, or, before and amid a replay, the log's."""
    row = connection.execute(QUERIES["is_settled"], {"fold_version": FOLD_VERSION}).fetchone()
    return store.read_decisions(connection) if row and row[0] else read_sound_decisions(kafka, check)


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
