"""Hypothesis strategies for records and events, shared by all test packages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any

from hypothesis import strategies as st

from schemas.events import (
    MergedInto,
    Nothing,
    RecordMerged,
    RecordObserved,
    RecordWithdrawn,
    record_event_id,
)
from schemas.records import (
    Address,
    Carer,
    CurrentAddress,
    Education,
    Identifier,
    Involvement,
    LastKnownAddress,
    LeftEngland,
    NameClaim,
    NoKnownAddress,
    PersonRecord,
    PrimaryCare,
    WithheldAddress,
)

words = st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x17F), min_size=1, max_size=12)
dates = st.dates(date(1995, 1, 1), date(2026, 1, 1))
instants = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
names = st.builds(
    NameClaim,
    kind=st.sampled_from(["legal", "preferred", "former", "alias", "temporary"]),
    family=st.none() | words,
    given=st.none() | words,
)
addresses = st.builds(
    Address,
    lines=st.lists(words, max_size=3).map(tuple),
    town=st.none() | words,
    postcode=st.sampled_from([None, "ZZ99 3CZ", "ZZ1 1AA", "XX10 9ZZ"]),
)
whereabouts = st.one_of(
    st.builds(CurrentAddress, address=addresses),
    st.builds(LastKnownAddress, address=addresses),
    st.just(NoKnownAddress()),
    st.just(WithheldAddress()),
    st.builds(LeftEngland, intends_return=st.sampled_from(["yes", "no", "unknown"])),
)
person_records = st.builds(
    PersonRecord,
    names=st.lists(names, max_size=3).map(tuple),
    birth_date=st.none() | dates,
    sex=st.sampled_from([None, "female", "male", "not_specified"]),
    identifiers=st.lists(
        st.builds(
            Identifier, scheme=st.sampled_from(["nhs", "upn"]), value=st.from_regex(r"[0-9]{10}", fullmatch=True)
        ),
        max_size=2,
    ).map(tuple),
    whereabouts=st.none() | whereabouts,
    carers=st.lists(st.builds(Carer, name=names), max_size=2).map(tuple),
    education=st.lists(st.builds(Education, institution=words), max_size=2).map(tuple),
    primary_care=st.none() | st.builds(PrimaryCare, practice=words),
    involvements=st.lists(
        st.builds(Involvement, service=words, practitioner=st.none() | words, sensitive=st.booleans()), max_size=2
    ).map(tuple),
)
record_keys = st.builds("{}:{}".format, st.sampled_from(["school-1", "health-1", "yot-1"]), st.integers(1, 30))


@st.composite
def record_events(
    draw: st.DrawFn, keys: st.SearchStrategy[str] = record_keys
) -> RecordObserved | RecordWithdrawn | RecordMerged:
    """Draw one event about one of a few records. As in ingest, the fingerprint is a function of the content."""
    key, version = draw(keys), draw(st.integers(0, 5))
    kind = draw(st.sampled_from(["record.observed", "record.observed", "record.withdrawn", "record.merged"]))
    content: PersonRecord | MergedInto | Nothing = Nothing()
    if kind == "record.observed":
        content = draw(person_records)
    elif kind == "record.merged":
        content = MergedInto(survivor=draw(record_keys))
    fingerprint = blake2b(content.model_dump_json().encode(), digest_size=8).hexdigest()
    common: dict[str, Any] = {
        "subject": key,
        "feed": "feed-1",
        "source_version": version,
        "fingerprint": fingerprint,
        "ingested_at": draw(instants),
    }
    common["event_id"] = record_event_id(key, kind, version, fingerprint)
    if isinstance(content, PersonRecord):
        return RecordObserved(**common, data=content)
    if isinstance(content, MergedInto):
        return RecordMerged(**common, data=content)
    return RecordWithdrawn(**common)
