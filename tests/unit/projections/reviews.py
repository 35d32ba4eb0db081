"""Conflicts and decisions as matching and people would publish them, for tests of the review queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from schemas.catalogue import AnyEvent
from schemas.conflicts import Conflict, ConflictChanged, ConflictClosed, ConflictOpened
from schemas.decisions import CannotLinkDecided, LinkDecision, MustLinkDecided, decision_id
from schemas.events import Evidence, event_id

START = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = tuple(f"school-1:{number}" for number in range(6))
KINDS = ("possible_link", "bridge", "shared_identifier", "shield_in_doubt")
AUTHORITIES = ("E08000001", "E08000002", None)
TYPES: dict[str, Any] = {"opened": ConflictOpened, "changed": ConflictChanged, "closed": ConflictClosed}


def conflict(what: str, version: int, pair: tuple[str, str], **values: Any) -> AnyEvent:
    """Return the event that opens, changes or closes the conflict about two records in batch `version`."""
    subject = event_id("conflict", *pair)
    data = Conflict(
        kind=values.pop("kind", "possible_link"),
        version=version,
        records=pair,
        children=("1P363AQQSXXVB", "EWEYSMXTVSGKC"),
        evidence=(Evidence(left=pair[0], right=pair[1], weight=values.pop("weight", 640), levels=(3, 0, 2)),),
        model="0123456789abcdef",
        **values,
    )
    event: AnyEvent = TYPES[what](
        event_id=event_id(subject, what, version),
        subject=subject,
        decided_at=START + timedelta(hours=version),
        data=data,
    )
    return event


def decision(pair: tuple[str, str], hour: float, *, must: bool = True) -> AnyEvent:
    """Return a person's decision about two records."""
    made, data = START + timedelta(hours=hour), LinkDecision(records=pair)
    kind = MustLinkDecided if must else CannotLinkDecided
    return kind(
        event_id=decision_id(kind.__name__, "ann", made, data), subject=pair[0], decided_at=made, by="ann",
        reason="typing_error" if must else "twins", data=data,
    )  # fmt: skip


def review_history(seed: int, count: int, records: Sequence[str] = RECORDS) -> list[AnyEvent]:
    """Return about `count` events in the order of batches: conflicts that open, change, close and open again."""
    random = Random(seed)
    state: dict[tuple[str, str], bool] = {}
    events: list[AnyEvent] = []
    for version in range(1, count + 1):
        first, second = sorted(random.sample(records, 2))
        pair = (first, second)
        if random.random() < 0.3:
            events.append(decision(pair, version + 0.5, must=random.random() < 0.5))
            continue
        what = "opened" if not state.get(pair) else random.choice(["changed", "closed"])
        state[pair] = what != "closed"
        values = {"kind": random.choice(KINDS), "shielded": random.random() < 0.3, "weight": random.randint(0, 900)}
        events.append(conflict(what, version, pair, authority=random.choice(AUTHORITIES), **values))
    return events
