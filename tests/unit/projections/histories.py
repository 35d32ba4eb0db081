"""Histories for the tests of projections: record events, and identity events that keep matching's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import strategies as st

from connectors.kafka import ReadMessage
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.events import (
    AnyIdentityEvent,
    AnyRecordEvent,
    Evidence,
    Formerly,
    Identity,
    IdentityChanged,
    IdentityCreated,
    IdentityMerged,
    IdentityRetired,
    IdentitySplit,
    RecordObserved,
    RecordWithdrawn,
    event_id,
    record_event_id,
)
from schemas.identity import child_number
from schemas.records import Involvement, NameClaim, PersonRecord
from schemas.topics import CONFLICTS, DECISIONS, IDENTITIES
from tests.strategies import record_events

KINDS = {"school-1": "schools", "health-1": "health", "yot-1": "yot"}
KEYS = tuple(f"{source}:{number}" for source in KINDS for number in range(1, 4))
CHILDREN = tuple(child_number(f"founder:{number}") for number in range(4))
Membership = Mapping[str, frozenset[str]]


def kind_of(record_key: str) -> str:
    """Return the kind of source that a record key of these tests belongs to."""
    return KINDS[record_key.partition(":")[0]]


def topic_of(event: AnyEvent) -> str:
    """Return the topic that carries the event."""
    kind = event.event_type
    if kind.startswith("identity."):
        return IDENTITIES
    if kind.startswith("conflict."):
        return CONFLICTS
    return f"source.{kind_of(event.subject)}" if kind.startswith("record.") else DECISIONS


def messages_of(events: Sequence[AnyEvent]) -> list[ReadMessage]:
    """Return the events as messages, each with its place in the one partition of its topic."""
    following: dict[str, int] = {}
    messages = []
    for event in events:
        topic = topic_of(event)
        offset = following.get(topic, 0)
        following[topic] = offset + 1
        encoded = encode(event)
        messages.append(ReadMessage(topic, 0, offset, encoded.key, encoded.value))
    return messages


def identity_events(before: Membership, after: Membership, version: int) -> list[AnyIdentityEvent]:
    """Return the events by which matching tells of this change in batch `version`."""
    homes = {key: child for child, keys in after.items() for key in keys}
    events = []
    for child in sorted({*before, *after}):
        old, new = before.get(child, frozenset()), after.get(child, frozenset())
        if old != new:
            successors = tuple(sorted({homes[key] for key in old - new if key in homes}))
            events.append(_identity_event(child, old, new, successors, version))
    return events


def _identity_event(
    child: str, old: frozenset[str], new: frozenset[str], successors: tuple[str, ...], version: int
) -> AnyIdentityEvent:
    kind: Any = IdentityChanged
    if not old:
        kind = IdentityCreated
    elif not new and not successors:
        kind = IdentityRetired
    elif not new and len(successors) == 1:
        kind = IdentityMerged
    elif successors:
        kind = IdentitySplit
    members = tuple(sorted(new))
    name = kind.model_fields["event_type"].default
    event: AnyIdentityEvent = kind(
        event_id=event_id(child, name, version),
        subject=child,
        decided_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=version),
        data=Identity(
            version=version,
            members=members,
            founder=members[0] if members else None,
            before=(Formerly(child_number=child, members=tuple(sorted(old))),) if old else (),
            successors=successors,
            causes=(f"cause-{version}",),
            model="model-1",
            evidence=tuple(
                Evidence(left=left, right=right, weight=1200, levels=(3, 0, 2)) for left, right in pairwise(members)
            ),
        ),
    )
    return event


@st.composite
def histories(draw: st.DrawFn) -> list[AnyRecordEvent | AnyIdentityEvent]:
    """Draw a log: events about a few records, and the steps by which they were dealt out among a few children."""
    events: list[AnyRecordEvent | AnyIdentityEvent] = draw(st.lists(record_events(st.sampled_from(KEYS)), max_size=14))
    membership: Membership = {}
    for version in range(1, draw(st.integers(1, 4)) + 1):
        homes = draw(st.lists(st.sampled_from([None, *CHILDREN]), min_size=len(KEYS), max_size=len(KEYS)))
        dealt = {
            child: frozenset(key for key, home in zip(KEYS, homes, strict=True) if home == child) for child in CHILDREN
        }
        events.extend(identity_events(membership, dealt, version))
        membership = dealt
    return events


@st.composite
def deliveries(draw: st.DrawFn, events: Sequence[AnyEvent]) -> list[list[AnyEvent]]:
    """Draw one way to deliver the events: any order, some of them again, cut into any batches."""
    repeated = [*events, *draw(st.lists(st.sampled_from(events), max_size=6))] if events else []
    order = draw(st.permutations(repeated))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def long_key(seed: int, number: int) -> str:
    """Return the key of a record of a long history."""
    return f"{Random(f'{seed}-{number}').choice(list(KINDS))}:{number}"


def long_history(seed: int, records: int) -> list[AnyRecordEvent | AnyIdentityEvent]:
    """Return a long log from a seed: records come, change and go, and move between children in groups of nine."""
    random = Random(seed)
    events: list[AnyRecordEvent | AnyIdentityEvent] = []
    groups: dict[int, Membership] = {}
    for number in range(records):
        key = long_key(seed, number)
        events.extend(_life_of(key, random))
        group = random.randrange(1 + number // 9)
        before = groups.get(group, {})
        after = _moved(before, key, group, random)
        groups[group] = after
        events.extend(identity_events(before, after, number + 1))
        if random.random() < 0.1:
            events.append(random.choice(events))
    return events


def _life_of(key: str, random: Random) -> list[AnyRecordEvent]:
    """Return the versions of one record, in any order."""
    events: list[AnyRecordEvent] = []
    for version in range(1, random.randint(1, 3) + 1):
        kind = "record.withdrawn" if version == 3 else "record.observed"
        common: dict[str, Any] = {
            "event_id": record_event_id(key, kind, version, "ff"),
            "subject": key,
            "feed": "feed-1",
            "source_version": version,
            "fingerprint": "ff",
            "source_time": datetime(2026, 1, random.randint(1, 28), tzinfo=UTC),
            "ingested_at": datetime(2026, 6, 1, tzinfo=UTC),
        }
        if kind == "record.withdrawn":
            events.append(RecordWithdrawn(**common))
            continue
        name = NameClaim(family=f"Family{random.randrange(50)}", given=f"Given{random.randrange(50)}")
        service = Involvement(service="school nursing", sensitive=key.startswith("yot"))
        born = date(2026 - random.randrange(30), 1, 1 + random.randrange(28))
        person = PersonRecord(
            names=(name,), birth_date=born, sex=random.choice(["female", "male"]), involvements=(service,)
        )
        events.append(RecordObserved(**common, data=person))
    random.shuffle(events)
    return events


def _moved(before: Membership, key: str, group: int, random: Random) -> Membership:
    """Deal the records of a group, with a new one, out among its three child numbers."""
    homes = [child_number(f"founder:{group}-{number}") for number in range(3)]
    keys = {*(each for members in before.values() for each in members), key}
    dealt: dict[str, set[str]] = {home: set() for home in homes}
    stay = {each: home for home, members in before.items() for each in members}
    for each in sorted(keys):
        home = stay.get(each) if random.random() < 0.8 else None
        dealt[home or random.choice(homes)].add(each)
    return {home: frozenset(members) for home, members in dealt.items()}
