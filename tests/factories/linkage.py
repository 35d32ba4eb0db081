"""A hand-made linkage model, and made-up children as source events, for tests and benchmarks of the matching stage."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from matching.features import FIELDS
from matching.linkage.comparisons import untrained_comparison
from matching.linkage.model import BlockingRule, Field, LinkageModel, SourcePolicy, TwinRule
from schemas.events import MergedInto, RecordMerged, RecordObserved, RecordWithdrawn, record_event_id
from schemas.records import Address, Carer, CurrentAddress, Identifier, NameClaim, PersonRecord
from schemas.topics import SourceKind, source_topic

SourceEvent = RecordObserved | RecordWithdrawn | RecordMerged

SOURCES: tuple[tuple[SourceKind, str], ...] = (
    ("schools", "school"),
    ("health", "health"),
    ("yot", "yot"),
    ("eborders", "eborders"),
)
TOPIC_OF = {prefix: source_topic(kind) for kind, prefix in SOURCES}

_START = datetime(2026, 1, 1, tzinfo=UTC)
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnrst" for vowel in "aeio"]


def hand_made_model() -> LinkageModel:
    """Return a model with plausible m and u, good enough for made-up children and trained on nothing."""
    return LinkageModel(
        description="hand-made, for tests",
        created_on="2026-11-23",
        fields=tuple(Field(name, kind) for name, kind in FIELDS.items()),
        comparisons=(
            untrained_comparison("given", "given_name", ("given", "surname")),
            untrained_comparison("surname", "surname", ("surname", "given")),
            untrained_comparison("birth_date", "date", ("birth_date",)),
            untrained_comparison("sex", "sex", ("sex",)),
            untrained_comparison("postcode", "postcode", ("postcode",)),
            untrained_comparison("carer", "short_string", ("carer",)),
            untrained_comparison("nhs", "identifier", ("nhs",)),
            untrained_comparison("upn", "identifier", ("upn",)),
        ),
        blocking_rules=(
            BlockingRule("nhs", ("nhs",)),
            BlockingRule("upn", ("upn",)),
            BlockingRule("surname and birth date", ("surname", "birth_date")),
            BlockingRule("given and birth date", ("given", "birth_date")),
            BlockingRule("birth date and postcode", ("birth_date", "postcode")),
            BlockingRule("names and postcode", ("soundex(surname)", "first3(given)", "postcode")),
            BlockingRule("names and year", ("surname", "given", "year(birth_date)")),
            BlockingRule("carer and given", ("carer", "first3(given)")),
        ),
        probability_two_random_records_match=0.02,
        link_threshold=300,
        review_floor=-200,
        source_policies=(SourcePolicy("*", "soft"),),
        twins=TwinRule("birth_date", "surname", "given", ("postcode",), ("nhs", "upn")),
        shield_rules=(
            BlockingRule("shield: birth date", ("birth_date",)),
            BlockingRule("shield: names", ("sorted(given, surname)",)),
        ),
    )


@dataclass(frozen=True, slots=True)
class Child:
    """The truth about one made-up child."""

    number: int
    given: str
    surname: str
    birth_date: date
    sex: str
    postcode: str
    street: str
    carer: str

    @property
    def nhs(self) -> str:
        """A number from the range that is reserved for tests."""
        return f"999{self.number:07d}"

    @property
    def upn(self) -> str:
        """A number of a UPN's length; its check letter is not one."""
        return f"A801{self.number:09d}"


def children(seed: int, count: int) -> Iterator[Child]:
    """Yield children in families: siblings share surname, carer and address, some are twins."""
    rng = random.Random(seed)
    names = _names(rng, 1200)
    number = 0
    while number < count:
        surname, carer = _skewed(rng, names), _skewed(rng, names)
        district, unit = (
            f"{rng.choice('BCDEGHLMNS')}{rng.randrange(1, 60)}",
            rng.choice("ABDEFG") + rng.choice("ABDEFG"),
        )
        postcode = f"{district} {rng.randrange(1, 9)}{unit}"
        street = f"{rng.randrange(1, 200)} {_skewed(rng, names)} ROAD"
        born = date(2006, 1, 1) + timedelta(days=rng.randrange(6500))
        for _ in range(min(rng.choice((1, 1, 1, 2, 2, 3)), count - number)):
            yield Child(
                number, _skewed(rng, names), surname, born, rng.choice(("male", "female")), postcode, street, carer
            )
            number += 1
            if rng.random() > 0.04:  # otherwise the next one is a twin
                born += timedelta(days=rng.randrange(330, 1500))


def observed_events(seed: int, count: int, *, updates: float = 0.03, repeats: float = 0.01) -> Iterator[SourceEvent]:
    """Yield about `count` events of records about children: first versions, some newer versions and some repeats."""
    rng = random.Random(seed)
    population = list(children(seed, max(1, count * 2 // 5)))
    seen: list[SourceEvent] = []
    for index in range(count):
        chance = rng.random()
        if seen and chance < repeats:
            yield rng.choice(seen)
            continue
        if seen and chance < repeats + updates:
            child_index, prefix = _who(rng.choice(seen).subject)
        else:
            child_index, prefix = rng.randrange(len(population)), rng.choice(SOURCES)[1]
        event = observed(population[child_index], prefix, index, rng)
        if len(seen) < 5000:
            seen.append(event)
        yield event


def observed(child: Child, prefix: str, index: int, rng: random.Random) -> RecordObserved:
    """Return what one source says about a child as the index-th event: with that source's gaps and slips."""
    child = _with_slips(child, rng)
    schemes = {"school": ("upn",), "health": ("nhs",), "yot": ("nhs",) if rng.random() < 0.3 else ()}.get(prefix, ())
    identifiers = [Identifier(scheme="upn" if s == "upn" else "nhs", value=getattr(child, s)) for s in schemes]
    if prefix == "school" and rng.random() < 0.25:
        identifiers.append(Identifier(scheme="nhs", value=child.nhs))
    address = Address(lines=(child.street,), town="EXAMPLETON", postcode=child.postcode)
    key = f"{prefix}-1:{child.number}"
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", index, f"{index:032x}"),
        subject=key,
        feed=f"{prefix}-1",
        source_version=index,
        fingerprint=f"{index:032x}",
        ingested_at=_START + timedelta(milliseconds=index),
        data=PersonRecord(
            names=(NameClaim(given=child.given, family=child.surname),),
            birth_date=child.birth_date,
            sex="male" if child.sex == "male" else "female",
            identifiers=tuple(identifiers),
            whereabouts=None if prefix == "eborders" else CurrentAddress(address=address),
            carers=() if prefix == "eborders" else (Carer(name=NameClaim(given=child.carer, family=child.surname)),),
        ),
    )


def withdrawn(key: str, index: int) -> RecordWithdrawn:
    """Return the withdrawal of a record as the index-th event."""
    return RecordWithdrawn(
        event_id=record_event_id(key, "record.withdrawn", index, f"{index:032x}"),
        subject=key,
        feed=key.partition(":")[0],
        source_version=index,
        fingerprint=f"{index:032x}",
        ingested_at=_START + timedelta(milliseconds=index),
    )


def merged(key: str, survivor: str, index: int) -> RecordMerged:
    """Return the merge of a record into another of its source as the index-th event."""
    return RecordMerged(
        event_id=record_event_id(key, "record.merged", index, f"{index:032x}"),
        subject=key,
        feed=key.partition(":")[0],
        source_version=index,
        fingerprint=f"{index:032x}",
        ingested_at=_START + timedelta(milliseconds=index),
        data=MergedInto(survivor=survivor),
    )


def history(seed: int, count: int) -> list[SourceEvent]:
    """Return `count` events with newer versions, repeats, withdrawals, returns and merges among them."""
    rng = random.Random(seed + 1)
    events: list[SourceEvent] = []
    for index, event in enumerate(observed_events(seed, count)):
        chance = rng.random()
        if events and chance < 0.05:
            events.append(withdrawn(rng.choice(events).subject, index))
        elif events and chance < 0.07:
            key = rng.choice(events).subject
            survivor = f"{key.partition(':')[0]}:{rng.randrange(count)}"
            events.append(merged(key, survivor, index) if survivor != key else event)
        else:
            events.append(event)
    return events


def topic_of(event: SourceEvent) -> str:
    """Return the topic that carries this event."""
    return TOPIC_OF[event.subject.partition("-")[0]]


def _who(key: str) -> tuple[int, str]:
    source, _, number = key.partition(":")
    return int(number), source.partition("-")[0]


def _names(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choice(_SYLLABLES) for _ in range(rng.randrange(2, 5))).title() for _ in range(count)]


def _skewed(rng: random.Random, names: list[str]) -> str:
    return names[int(len(names) * rng.random() ** 2.2)]


def _with_slips(child: Child, rng: random.Random) -> Child:
    chance = rng.random()
    if chance < 0.03:
        return replace(child, given=child.given[:-1] + rng.choice("aeiou"))
    if chance < 0.05:
        return replace(child, surname=child.surname[1:].title())
    if chance < 0.07:
        return replace(child, birth_date=child.birth_date.replace(day=1))
    if chance < 0.10:
        return replace(child, postcode="M60 1NW", street="1 NEW ROAD")
    return child
