"""The published shape of a directory entry, and how it is made from the live records of one child.

Every item names its source: `source` is an index into `sources`, where the record key, the source event's id and the
source's own time stand. A record with a sensitive involvement appears there without its key and time, because they
would name the provider; the event id stays, as a handle that only the audit trail can resolve.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from projections.directory.state import EntryRow, RecordVersion
from projections.directory.survivorship import HEALTH_FIRST, LATEST_FIRST, RULES
from projections.directory.views import Carer, Education, Involvement, Name, PrimaryCare, Whereabouts

SENSITIVE_SERVICE = "a sensitive service"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder()
Value = TypeVar("Value")
Claims = Sequence[tuple[str, Value, RecordVersion]]
"""Statements for one field: what kind of statement (as its rule knows it), the value, and the record that makes it."""


class Source(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where an item comes from; `time` is the source's own, so the item's age can be shown."""

    event: str
    record: str | None = None
    time: datetime | None = None


class Sourced(msgspec.Struct, frozen=True, gc=False):
    """One item and the index of its source."""

    value: Any
    source: int


class BirthDate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A date of birth and what it rests on."""

    date: date
    basis: str


class Holder(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who is the lead professional or holds the common assessment; nothing but `sensitive` for a sensitive service."""

    service: str
    organisation: str | None = None
    practitioner: str | None = None
    sensitive: bool = False


class Entry(msgspec.Struct, omit_defaults=True, gc=False):
    """One child as the directory shows it: permitted items, each with its source."""

    child_number: str
    sources: list[Source]
    names: list[Sourced] = []
    sex: Sourced | None = None
    birth_date: Sourced | None = None
    whereabouts: Sourced | None = None
    carers: list[Sourced] = []
    education: list[Sourced] = []
    primary_care: Sourced | None = None
    involvements: list[Sourced] = []
    lead_professional: list[Sourced] = []
    assessment: list[Sourced] = []


def entry_row(child_number: str, records: Iterable[RecordVersion]) -> EntryRow | None:
    """Return the entry of a child whose live records these are, or None when there are none."""
    live = [record for record in records if record.person is not None]
    if not live:
        return None
    entry = build_entry(child_number, live)
    name: Name | None = entry.names[0].value if entry.names else None
    where: Whereabouts | None = entry.whereabouts.value if entry.whereabouts else None
    address = where.address if where else None
    return EntryRow(
        child_number,
        fold_name(name.family) if name and name.family else None,
        fold_name(name.given) if name and name.given else None,
        entry.birth_date.value.date if entry.birth_date else None,
        address.postcode if address else None,
        _encoder.encode(entry).decode(),
    )


def build_entry(child_number: str, live: Sequence[RecordVersion]) -> Entry:
    """Fold the live records of one child into its entry."""
    latest, health = _claims_of_latest(LATEST_FIRST.sort(live)), _claims_of_health(HEALTH_FIRST.sort(live))
    sources = _Sources()
    entry = Entry(child_number, sources.listed)
    entry.names = sources.items(_ranked("names", latest.names, _same_name))
    entry.sex = sources.item(_best("sex", health.sexes))
    entry.birth_date = sources.item(_best("birth_date", health.birth_dates))
    where = _best("whereabouts", latest.whereabouts)
    entry.whereabouts = sources.item(where)
    carers = _ranked("carers", latest.carers, _same_carer)
    if where is not None and where[0].status == "withheld":
        # The carers' contact details would give away the address that a source withholds.
        carers = [(msgspec.structs.replace(carer, contact=None), record) for carer, record in carers]
    entry.carers = sources.items(carers)
    entry.education = sources.items(_ranked("education", latest.education, _same_institution))
    entry.primary_care = sources.item(_best("primary_care", health.practices))
    involved = _ranked("involvements", latest.involvements, _same_involvement)
    if involved:
        _add_involvements(entry, sources, involved)
    return entry


def _add_involvements(entry: Entry, sources: _Sources, involved: Sequence[tuple[Involvement, RecordVersion]]) -> None:
    leading = [(_holder(service), record) for service, record in involved if service.lead_professional]
    holding = [(_holder(service), record) for service, record in involved if service.holds_assessment]
    entry.involvements = sources.items([(_shown(service), record) for service, record in involved])
    entry.lead_professional = sources.items(leading)
    entry.assessment = sources.items(holding)


class _LatestClaims(NamedTuple):
    """The statements for the fields whose rules put the latest record first, in the order of their records."""

    names: list[tuple[str, Name, RecordVersion]]
    whereabouts: list[tuple[str, Whereabouts, RecordVersion]]
    carers: list[tuple[str, Carer, RecordVersion]]
    education: list[tuple[str, Education, RecordVersion]]
    involvements: list[tuple[str, Involvement, RecordVersion]]


class _HealthClaims(NamedTuple):
    """The statements for the fields whose rules put health services first, in the order of their records."""

    sexes: list[tuple[str, str, RecordVersion]]
    birth_dates: list[tuple[str, BirthDate, RecordVersion]]
    practices: list[tuple[str, PrimaryCare, RecordVersion]]


def _claims_of_latest(records: Iterable[RecordVersion]) -> _LatestClaims:
    """Collect in one pass: this runs for every entry, and most fields of most records are empty."""
    said = _LatestClaims([], [], [], [], [])
    for record in records:
        person = record.person
        if person is None:
            continue
        for name in person.names:
            said.names.append((name.kind, name, record))
        if person.whereabouts:
            said.whereabouts.append((person.whereabouts.status, person.whereabouts, record))
        for carer in person.carers:
            said.carers.append(("responsible" if carer.parental_responsibility else "other", carer, record))
        for school in person.education:
            said.education.append(("ended" if school.end else "open", school, record))
        for service in person.involvements:
            said.involvements.append(("ended" if service.end else "open", service, record))
    return said


def _claims_of_health(records: Iterable[RecordVersion]) -> _HealthClaims:
    said = _HealthClaims([], [], [])
    for record in records:
        person = record.person
        if person is None:
            continue
        if person.sex:
            said.sexes.append((person.sex, person.sex, record))
        if person.birth_date:
            basis = person.birth_date_basis
            said.birth_dates.append((basis, BirthDate(person.birth_date, basis), record))
        if person.primary_care:
            said.practices.append(("", person.primary_care, record))
    return said


class _Sources:
    """Numbers the record versions that an entry shows, in the order of their first use."""

    __slots__ = ("_numbers", "listed")

    def __init__(self) -> None:
        self.listed: list[Source] = []
        self._numbers: dict[str, int] = {}

    def item(self, found: tuple[Any, RecordVersion] | None) -> Sourced | None:
        return Sourced(found[0], self._number(found[1])) if found else None

    def items(self, found: Iterable[tuple[Any, RecordVersion]]) -> list[Sourced]:
        return [Sourced(value, self._number(record)) for value, record in found]

    def _number(self, record: RecordVersion) -> int:
        number = self._numbers.get(record.record_key)
        if number is None:
            number = self._numbers[record.record_key] = len(self.listed)
            self.listed.append(_source(record))
        return number


def _source(record: RecordVersion) -> Source:
    if record.hides_source:
        return Source(record.event_id)
    time = None if record.recorded_at is None else _EPOCH + timedelta(microseconds=record.recorded_at)
    return Source(record.event_id, record.record_key, time)


def _best(field: str, claims: Claims[Value]) -> tuple[Value, RecordVersion] | None:
    """Return the statement that the field's rule puts first; the statements come in the order of their records."""
    if not claims:
        return None
    if len(claims) > 1:
        rank = RULES[field].rank
        claims = [min(claims, key=lambda claim: rank(claim[0]))]
    return claims[0][1:]


def _ranked(
    field: str, claims: Claims[Value], same: Callable[[Value], Hashable]
) -> Sequence[tuple[Value, RecordVersion]]:
    """Return the statements for one field, best first, without those that say again what a better one says."""
    if len(claims) < 2:
        return [claim[1:] for claim in claims]
    if any(claim[0] != claims[0][0] for claim in claims):
        rank = RULES[field].rank
        claims = sorted(claims, key=lambda claim: rank(claim[0]))  # stable: equals stay in the order of their records
    kept: dict[Hashable, tuple[Value, RecordVersion]] = {}
    for _, value, record in claims:
        kept.setdefault(same(value), (value, record))
    return list(kept.values())


def _same_name(name: Name) -> Hashable:
    return fold_name(name.family or ""), fold_name(name.given or ""), fold_name(name.middle or "")


def _same_carer(carer: Carer) -> Hashable:
    return fold_name(carer.name.family or ""), fold_name(carer.name.given or "")


def _same_institution(school: Education) -> Hashable:
    return school.institution_code or fold_name(school.institution)


def _same_involvement(service: Involvement) -> Hashable:
    if service.sensitive:
        return service.start, service.end, service.lead_professional, service.holds_assessment
    return fold_name(service.service), fold_name(service.organisation or ""), fold_name(service.practitioner or "")


def _shown(service: Involvement) -> Involvement:
    """Return an involvement as readers see it: the two indicators are shown apart."""
    if service.sensitive:
        return Involvement(SENSITIVE_SERVICE, start=service.start, end=service.end, sensitive=True)
    if service.lead_professional or service.holds_assessment:
        return msgspec.structs.replace(service, lead_professional=False, holds_assessment=False)
    return service


def _holder(service: Involvement) -> Holder:
    if service.sensitive:
        return Holder(SENSITIVE_SERVICE, sensitive=True)
    return Holder(service.service, service.organisation, service.practitioner)


def without_sensitive_detail(service: Involvement) -> Involvement:
    """Return the involvement with everything that could name a sensitive provider taken away."""
    if not service.sensitive:
        return service
    return Involvement(
        SENSITIVE_SERVICE,
        start=service.start,
        end=service.end,
        sensitive=True,
        lead_professional=service.lead_professional,
        holds_assessment=service.holds_assessment,
    )


@lru_cache(maxsize=1 << 16)
def fold_name(text: str) -> str:
    """Return the name as it is searched and compared here: no case, no accents, letters and digits only."""
    folded = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(filter(str.isalnum, folded)).casefold()
