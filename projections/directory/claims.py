"""What the live records of a child say about each field: one statement after another, in the order of their records.

Kept apart from the choice among them (`survivorship`), so that the entry and its explanation see the same statements.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from projections.directory.entry import BirthDate, fold_name
from projections.directory.state import RecordVersion
from projections.directory.survivorship import HEALTH_FIRST, LATEST_FIRST, RULES
from projections.directory.views import Carer, Education, Involvement, Name


class Claim(msgspec.Struct, frozen=True, gc=False):
    """One statement: what kind of statement (as its rule knows it), the value, and the record that makes it."""

    kind: str
    value: Any
    record: RecordVersion


Same = Callable[[Any], Hashable]


def statements(live: Sequence[RecordVersion]) -> dict[str, list[Claim]]:
    """Return what these records say about each field, in the order of the field's rule.

    One pass an order: this runs for every entry, and most fields of most records are empty.
    """
    return _of_latest(LATEST_FIRST.sort(live)) | _of_health(HEALTH_FIRST.sort(live))


def _of_latest(records: Sequence[RecordVersion]) -> dict[str, list[Claim]]:
    names: list[Claim] = []
    whereabouts: list[Claim] = []
    carers: list[Claim] = []
    education: list[Claim] = []
    involvements: list[Claim] = []
    authorities: list[Claim] = []
    for record in records:
        person = record.person
        if person is None:
            continue
        if person.names:
            names += [Claim(name.kind, name, record) for name in person.names]
        if person.whereabouts:
            whereabouts.append(Claim(person.whereabouts.status, person.whereabouts, record))
        if person.carers:
            carers += [
                Claim("responsible" if carer.parental_responsibility else "other", carer, record)
                for carer in person.carers
            ]
        if person.education:
            education += [Claim("ended" if school.end else "open", school, record) for school in person.education]
        if person.involvements:
            involvements += [
                Claim("ended" if service.end else "open", service, record) for service in person.involvements
            ]
        if person.responsible_authority:
            authorities.append(Claim("", person.responsible_authority, record))
    return {
        "names": names,
        "whereabouts": whereabouts,
        "carers": carers,
        "education": education,
        "involvements": involvements,
        "responsible_authority": authorities,
    }


def _of_health(records: Sequence[RecordVersion]) -> dict[str, list[Claim]]:
    sexes: list[Claim] = []
    births: list[Claim] = []
    deaths: list[Claim] = []
    practices: list[Claim] = []
    for record in records:
        person = record.person
        if person is None:
            continue
        if person.sex:
            sexes.append(Claim(person.sex, person.sex, record))
        if person.birth_date:
            basis = person.birth_date_basis
            births.append(Claim(basis, BirthDate(person.birth_date, basis), record))
        if person.death_date:
            deaths.append(Claim("", person.death_date, record))
        if person.primary_care:
            practices.append(Claim("", person.primary_care, record))
    return {"sex": sexes, "birth_date": births, "death_date": deaths, "primary_care": practices}


def best(field: str, claims: Sequence[Claim]) -> Claim | None:
    """Return the statement that the field's rule puts first."""
    if not claims:
        return None
    if len(claims) == 1:
        return claims[0]
    rank = RULES[field].rank
    return min(claims, key=lambda claim: rank(claim.kind))


def ranked(field: str, claims: Sequence[Claim]) -> Sequence[Claim]:
    """Return the statements, best first, without those that say again what a better one says."""
    if len(claims) < 2:
        return claims
    same = SAME[field]
    kept: dict[Hashable, Claim] = {}
    for claim in ordered(field, claims):
        kept.setdefault(same(claim.value), claim)
    return list(kept.values())


def ordered(field: str, claims: Sequence[Claim]) -> Sequence[Claim]:
    """Return the statements, best first; equals stay in the order of their records."""
    if len({claim.kind for claim in claims}) == 1:
        return claims
    rank = RULES[field].rank
    return sorted(claims, key=lambda claim: rank(claim.kind))


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


SAME: Mapping[str, Same] = MappingProxyType(
    {"names": _same_name, "carers": _same_carer, "education": _same_institution, "involvements": _same_involvement}
)
"""For lists: what makes two statements ones about the same thing."""
