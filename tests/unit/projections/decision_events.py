"""Decisions for the tests of the directory: makers, and a strategy that draws logs with all kinds of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from schemas.catalogue import AnyEvent
from schemas.decisions import (
    Clock,
    ClockAdvanced,
    DecisionRetracted,
    ErasedRecord,
    Erasure,
    ErasureOrdered,
    IdentitySevered,
    Retraction,
    Severance,
    Shield,
    ShieldSet,
)
from schemas.directory_decisions import (
    Assumption,
    AuthorityAssumed,
    Consent,
    ConsentGiven,
    ConsentWithdrawn,
    Harm,
    HarmRecorded,
    Withdrawal,
)
from tests.unit.projections.histories import KEYS, long_key

START = datetime(2026, 3, 1, tzinfo=UTC)
Event = AnyEvent


def _envelope(name: str, about: str, day: int) -> dict[str, Any]:
    when = START + timedelta(days=day)
    return {"event_id": name, "subject": about, "decided_at": when, "by": "user-1", "reason": "request"}


def shield(*records: str, name: str = "shield-1", day: int = 0) -> ShieldSet:
    """Return the decision that the child of these records is shielded."""
    return ShieldSet(**_envelope(name, records[0], day), data=Shield(records=records))


def severed(former: Sequence[str], current: Sequence[str], name: str = "severed-1") -> IdentitySevered:
    """Return the decision that parts a former identity from the new one."""
    return IdentitySevered(
        **_envelope(name, former[0], 0), data=Severance(former=tuple(former), current=tuple(current))
    )


def retracted(decision: str, name: str | None = None, day: int = 5) -> DecisionRetracted:
    """Return the retraction of a decision."""
    return DecisionRetracted(**_envelope(name or f"undo-{decision}", decision, day), data=Retraction(decision=decision))


def consent(*records: str, name: str = "consent-1", day: int = 0) -> ConsentGiven:
    """Return consent to show the sensitive services that these records state."""
    said = Consent(records=records, scope="sensitive_services", given_by="child")
    return ConsentGiven(**_envelope(name, records[0], day), data=said)


def participation(*records: str, until_age: int = 25, name: str = "stay-1", day: int = 0) -> ConsentGiven:
    """Return a care leaver's consent to stay in the directory until this birthday."""
    said = Consent(records=records, scope="participation", given_by="child", until_age=until_age, basis="care_leaver")
    return ConsentGiven(**_envelope(name, records[0], day), data=said)


def withdrawn(name_of_consent: str, name: str | None = None, day: int = 3) -> ConsentWithdrawn:
    """Return the withdrawal of consent."""
    named = name or f"end-{name_of_consent}"
    return ConsentWithdrawn(**_envelope(named, name_of_consent, day), data=Withdrawal(consent=name_of_consent))


def harm(*records: str, name: str = "harm-1") -> HarmRecorded:
    """Return that a provider suspects significant harm."""
    return HarmRecorded(**_envelope(name, records[0], 0), data=Harm(records=records))


def assumed(*records: str, to: str, previous: str | None = None, name: str, day: int = 0) -> AuthorityAssumed:
    """Return that an authority took the child over from another one, from that day on."""
    since = (START + timedelta(days=day)).date()
    said = Assumption(records=records, responsible=to, previous=previous, since=since)
    return AuthorityAssumed(**_envelope(name, records[0], day), data=said)


def erased(
    *records: tuple[str, int],
    name: str = "erasure-1",
    day: int = 9,
    at: datetime | None = None,
    children: Sequence[str] = (),
) -> ErasureOrdered:
    """Return the erasure of these records up to these source versions, and of these child numbers."""
    listed = tuple(ErasedRecord(key=key, source_version=version) for key, version in records)
    said = _envelope(name, records[0][0], day) | ({"decided_at": at} if at else {})
    return ErasureOrdered(**said, data=Erasure(records=listed, child_numbers=tuple(children)))


def clock(today: date) -> ClockAdvanced:
    """Return that a day has begun."""
    return ClockAdvanced(**_envelope(f"clock-{today}", "clock", 0), data=Clock(today=today))


_some = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True)


@st.composite
def decisions(draw: st.DrawFn) -> list[AnyEvent]:
    """Draw a few decisions of every kind, and retractions and withdrawals of some of them."""
    made = [draw(_a_decision(f"d{number}")) for number in range(draw(st.integers(0, 6)))]
    named = [event.event_id for event in made]
    targets = draw(st.lists(st.sampled_from(named), max_size=3, unique=True)) if named else []
    ends = [event for target in targets for event in draw(st.sampled_from(_endings(target)))]
    days = draw(st.lists(st.dates(date(2026, 1, 1), date(2050, 1, 1)), max_size=3))
    gone = draw(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 4)), max_size=2))
    when = draw(st.integers(0, 9))
    erasures = [erased(record, name=f"e{number}", day=(when + 3 * number) % 10) for number, record in enumerate(gone)]
    return [*made, *ends, *map(clock, days), *erasures]


@st.composite
def _a_decision(draw: st.DrawFn, name: str) -> AnyEvent:
    records, day, sides = draw(_some), draw(st.integers(0, 9)), draw(st.integers(1, len(KEYS) - 1))
    choices: list[AnyEvent] = [
        shield(*records, name=name, day=day),
        severed(KEYS[:sides], KEYS[sides:], name=name),
        consent(*records, name=name, day=day),
        participation(*records, name=name, day=day),
        harm(*records, name=name),
        assumed(*records, to="A", previous=None, name=name, day=day),
        assumed(*records, to="B", previous="A", name=name, day=day),
    ]
    return draw(st.sampled_from(choices))


def _endings(target: str) -> list[list[AnyEvent]]:
    """Return ways in which a decision ends: it is retracted, withdrawn, or the withdrawal is retracted again."""
    end = withdrawn(target)
    return [[retracted(target)], [end], [end, retracted(end.event_id)]]


def long_decisions(seed: int, records: int) -> list[AnyEvent]:
    """Return decisions about the records of a long history, some of them ended, days that pass, and erasures."""
    random = Random(seed)
    made: list[AnyEvent] = []
    for number in range(records // 4):
        name, day = f"d{number}", random.randrange(9)
        first, second = (long_key(seed, random.randrange(records)) for _ in range(2))
        choices: list[AnyEvent] = [
            shield(first, second, name=name, day=day),
            severed([first], [second], name=name),
            consent(first, name=name, day=day),
            participation(first, name=name, day=day),
            harm(first, name=name),
            assumed(first, to=random.choice("AB"), previous=random.choice([None, "A"]), name=name, day=day),
        ]
        made.append(random.choice(choices))
        if random.random() < 0.4:
            made.extend(random.choice(_endings(name)))
    made += [clock(date(2026 + number, 5, 4)) for number in range(4)]
    return [
        *made,
        *(
            erased((long_key(seed, 3 * number), 2), name=f"e{number}", day=number % 10)
            for number in range(records // 20)
        ),
    ]
