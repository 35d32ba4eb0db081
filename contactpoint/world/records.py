"""What each kind of source says, in the form of the record contract: the input of event streams made without files.

The same claims as in the files, without their format: numbers that fail their check digit, placeholders and dates that
do not exist are absent, as ingest leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.identifiers import is_nhs_number, is_temporary_upn, is_upn
from contactpoint.world.claims import (
    NO_FIXED_ABODE,
    NOT_KNOWN,
    Claims,
    Home,
    Parent,
    nhs_number,
    told_birth_order,
)
from contactpoint.world.ctf_files import PupilNumbers, learner_number, learners, pupil, school_source
from contactpoint.world.hl7_files import facility, trust_source
from contactpoint.world.life import SCHOOLS_IN_AN_AUTHORITY, school_estab, school_lea, school_name
from contactpoint.world.mistakes import RIGHT, spaced
from contactpoint.world.places import authority_code, authority_name, telephone
from contactpoint.world.population import Population
from contactpoint.world.registers import Register, health_register, school_register, served_by, yot_register
from contactpoint.world.travel import (
    Travel,
    flight_day,
    flight_source,
    passenger_id,
    plan_travel,
    transliterate,
)
from contactpoint.world.yot_files import client_id, given_pupil_number, yot_source
from schemas.topics import SourceKind

_SEXES = ("female", "male", "not_specified")
_RELATIONSHIPS = {"mother": "Mother", "father": "Father", "carer": "Carer"}

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """Which record something is said about (`replaces` is its earlier key, if any), in which feed, and what."""

    key: str
    feed: str
    person: Item
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Speaker:
    """One kind of source: its register, and what it says in one row of claims at an extract."""

    kind: SourceKind
    register: Register
    state: Callable[[Claims, int, int], Statement]

    @property
    def knows_parents(self) -> bool:
        """Whether this kind of source writes down parents and carers."""
        return self.kind in ("schools", "health")


def speakers(population: Population, numbers: PupilNumbers) -> tuple[Speaker, ...]:
    """Return the four kinds of source."""
    schools, health, teams = school_register(population), health_register(population), yot_register(population)
    travel = plan_travel(population)
    return (
        Speaker("schools", schools, _Schools(population, numbers, schools, learners(population.settings)).state),
        Speaker("health", health, _Trusts(population, health).state),
        Speaker("yot", teams, _Teams(population, numbers, teams).state),
        Speaker("eborders", travel.register, _Carriers(travel).state),
    )


@dataclass(frozen=True, slots=True)
class _Schools:
    population: Population
    numbers: PupilNumbers
    register: Register
    learners: tuple[float, ...]

    def state(self, made: Claims, row: int, extract: int) -> Statement:
        """State what a school says of a pupil."""
        school = int(self.register.unit[made.rows[row]])
        named, source = pupil(self.numbers, made, row, self.register, extract), school_source(school)
        made.number_kind[row] = int(self.register.mistakes.number[made.rows[row]])  # a school's stays as it is
        person = _person(made, row)
        learner = learner_number(self.population, made, row, self.learners[extract])
        numbers = ("upn", named.upn), ("former_upn", named.former), ("uln", learner)
        person["identifiers"] = _identifiers(made, row, *numbers)
        person |= _whereabouts(made.homes[row])
        person["carers"] = [_carer(one, responsible=one.kind != "carer") for one in made.parents[row]]
        code = f"{school_lea(school)}{school_estab(school)}"
        person["education"] = [{"institution": school_name(school), "institution_code": code}]
        replaces = f"{source}:{named.former}" if named.former else ""
        person["responsible_authority"] = str(authority_code(school // SCHOOLS_IN_AN_AUTHORITY))
        feed = f"schools-{person['responsible_authority']}"
        return Statement(f"{source}:{named.source_id}", feed, person, replaces)


@dataclass(frozen=True, slots=True)
class _Trusts:
    population: Population
    register: Register

    def state(self, made: Claims, row: int, extract: int) -> Statement:
        """State what a trust says of a patient."""
        del extract
        trust = int(self.register.unit[made.rows[row]])
        number, status = nhs_number(self.population, made, row)
        person = _person(made, row)
        if made.nameless[row]:
            person["names"][0]["kind"] = "temporary"
        order = told_birth_order(made, row)
        if order:
            person["birth_order"] = order
        verification = "verified" if status == "01" else "unverified"
        person["identifiers"] = [
            {**one, "verification": verification} for one in _identifiers(made, row, ("nhs", number))
        ]
        person |= _whereabouts(made.homes[row])
        person["carers"] = [_carer(one, responsible=None) for one in made.parents[row]]
        authority = served_by(self.population.settings, trust)
        if authority is not None:
            person["responsible_authority"] = str(authority_code(authority))
        key = f"{trust_source(trust)}:{self.register.number[made.rows[row]]}"
        return Statement(key, f"health-{facility(trust).lower()}", person)


@dataclass(frozen=True, slots=True)
class _Teams:
    population: Population
    numbers: PupilNumbers
    register: Register

    def state(self, made: Claims, row: int, extract: int) -> Statement:
        """State what a youth offending team says of a child."""
        del extract
        team = int(self.register.unit[made.rows[row]])
        number = nhs_number(self.population, made, row)[0] if made.chance[row] % 3 == 0 else ""
        person = _person(made, row)
        upn = given_pupil_number(self.population, self.numbers, made, row)
        person["identifiers"] = _identifiers(made, row, ("nhs", number), ("upn", upn))
        person |= _whereabouts(made.homes[row])
        service = f"Youth offending team of {authority_name(team)}"
        person["involvements"] = [
            {"service": service, "sensitive": True, "lead_professional": False, "holds_assessment": False}
        ]
        person["responsible_authority"] = str(authority_code(team))
        key = f"{yot_source(team)}:{client_id(int(self.register.number[made.rows[row]]))}"
        return Statement(key, f"yot-{authority_code(team)}", person)


@dataclass(frozen=True, slots=True)
class _Carriers:
    travel: Travel

    def state(self, made: Claims, row: int, extract: int) -> Statement:
        """State what a carrier says of a passenger."""
        del extract
        register = self.travel.register
        flight, number = int(register.unit[made.rows[row]]), int(register.number[made.rows[row]])
        person = _person(made, row)
        name = {item: transliterate(person["names"][0].get(item, "")) for item in ("family", "given", "middle")}
        person["names"] = [{"kind": "legal"} | {item: text for item, text in name.items() if text}]
        key = f"{flight_source(flight)}:{passenger_id(flight, flight_day(self.travel, flight), number)}"
        return Statement(key, "eborders", person)


def _person(made: Claims, row: int) -> Item:
    """Return names, birth date and sex, which every source has, and the contract's empty items."""
    name = {"kind": "legal", "family": made.family[row], "given": made.given[row]}
    if made.middle[row]:
        name["middle"] = made.middle[row]
    names = [name]
    if made.former_family[row]:
        names.append({"kind": "former", "family": made.former_family[row], "given": made.given[row]})
    person: Item = {
        "names": names, "birth_date_basis": "stated", "sex": _SEXES[made.sex[row]], "identifiers": [], "carers": [],
        "education": [], "involvements": [],
    }  # fmt: skip
    birth = made.birth[row]
    if birth and birth[1] <= 12:
        person["birth_date"] = f"{birth[0]:04d}-{birth[1]:02d}-{birth[2]:02d}"
    return person


def _identifiers(made: Claims, row: int, *given: tuple[str, str]) -> list[Item]:
    """Return the identifiers whose check digit is right, temporary pupil numbers under their own scheme.

    Only a row with a mistake in its number can have a wrong check digit.
    """
    right, found = made.number_kind[row] == RIGHT, []
    for scheme, value in given:
        if not value or not (right or _is_valid(scheme, value)):
            continue
        named = "temporary_upn" if scheme == "upn" and is_temporary_upn(value) else scheme
        found.append({"scheme": named, "value": value, "verification": "unverified"})
    return found


def _is_valid(scheme: str, value: str) -> bool:
    return scheme == "uln" or (is_nhs_number(value) if scheme == "nhs" else is_upn(value))


def _whereabouts(home: Home) -> Item:
    """Return the item `whereabouts`, or nothing where the address is not known."""
    if home.postcode == NO_FIXED_ABODE:
        return {"whereabouts": {"status": "none_known"}}
    address: Item = {
        "lines": [line for line in (home.flat, f"{home.house} {home.street}".strip()) if line and line != NOT_KNOWN]
    }
    if home.town:
        address["town"] = home.town
    if home.postcode:
        address["postcode"] = spaced(home.postcode)
    known = address["lines"] or len(address) > 1
    return {"whereabouts": {"status": "current", "address": address}} if known else {}


def _carer(parent: Parent, *, responsible: bool | None) -> Item:
    carer: Item = {
        "name": {"kind": "legal", "family": parent.family, "given": parent.given},
        "relationship": _RELATIONSHIPS[parent.kind],
        "contact": {"telephone": [telephone(parent.telephone)]},
    }
    return carer if responsible is None else carer | {"parental_responsibility": responsible}
