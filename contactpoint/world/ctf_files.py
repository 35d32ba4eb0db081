"""Schools' files: one Common Transfer File for each school and extract (format: `facts/source-formats.md` §1.1).

Two thirds of the schools write version 25 with structured addresses, the others version 21 with `Gender` and address
lines. Names of the simulated world hold no mark-up, so nothing has to be escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contactpoint.world import mistakes as wrong
from contactpoint.world.claims import Claims, Home, Parent, add_parents, claims
from contactpoint.world.identifiers import pupil_numbers
from contactpoint.world.life import (
    FIRST_PRIMARY,
    FIRST_PRIMARY_ESTAB,
    SCHOOLS_IN_AN_AUTHORITY,
    days,
    last_births,
    school_age,
    school_estab,
    school_lea,
    school_name,
)
from contactpoint.world.mistakes import misdial
from contactpoint.world.places import telephone
from contactpoint.world.population import Int64, Population
from contactpoint.world.registers import Register, present, pupil_number_parts
from contactpoint.world.settings import WorldSettings
from contactpoint.world.truth import FeedTally, Ledger, Truth

_SEX = ("F", "M", "U")
_LEARNER_NUMBER_AGE = 14
_RELATIONSHIPS = {"mother": "MOT", "father": "FAT", "carer": "FOS"}
_BROKEN = (
    "<Pupil><Surname>Broken</Surname><Forename>Element</Surname><DOB>2014-03-01</DOB></Pupil>\n",
    "<Pupil><Surname>Without</Surname><Forename>End</Forename><DOB>2014-03-02</DOB>\n",
)


@dataclass(frozen=True, slots=True)
class PupilNumbers:
    """Every child's unique pupil number and the temporary one that some schools began with."""

    permanent: NDArray[np.object_]
    temporary: NDArray[np.object_]

    @classmethod
    def of(cls, population: Population) -> PupilNumbers:
        """Allocate the numbers."""
        school, year, serial = pupil_number_parts(population)
        lea = 700 + (school // SCHOOLS_IN_AN_AUTHORITY).astype(np.int64)
        estab = FIRST_PRIMARY_ESTAB + school % SCHOOLS_IN_AN_AUTHORITY - FIRST_PRIMARY
        # Serial numbers that do not fit a school and year go on in establishments that have no other use.
        return cls(
            pupil_numbers(lea, estab + 100 * (serial // 1000), year, serial % 1000),
            pupil_numbers(lea, estab + 5000 + 100 * (serial // 2300), year, serial % 2300, temporary=True),
        )


@dataclass(frozen=True, slots=True)
class Pupil:
    """How a school names one pupil's record: the number or reference it gives, the earlier number, the record's id."""

    upn: str
    reference: str
    former: str
    source_id: str
    is_temporary: bool = False


def school_source(school: int) -> str:
    """Return the source of a school's records."""
    return f"school-{school_lea(school)}{school_estab(school)}"


def pupil(numbers: PupilNumbers, made: Claims, row: int, register: Register, extract: int) -> Pupil:
    """Return how the school names the pupil: by UPN, else by its reference, else only by name and date of birth."""
    child, kind, chance = int(made.child[row]), int(register.mistakes.number[made.rows[row]]), made.chance[row]
    right, former, number = str(numbers.permanent[child]), "", int(register.number[made.rows[row]])
    corrected_at, since = int(register.mistakes.corrected_at[made.rows[row]]), int(register.since[made.rows[row]])
    is_nursery = register.unit[made.rows[row]] % SCHOOLS_IN_AN_AUTHORITY < FIRST_PRIMARY
    if is_nursery or kind == wrong.NUMBER_MISSING:
        dateless = register.mistakes.birth[made.rows[row]] == wrong.BIRTH_MISSING  # then a name alone is no identity
        reference = f"A{number:08d}" if chance % 4 or dateless else ""
        return Pupil("", reference, "", reference or _digest(made, row))
    if kind == wrong.NUMBER_DEFAULT:
        temporary = str(numbers.temporary[child])
        if extract < max(corrected_at, since + 1):
            return Pupil(temporary, "", "", temporary, is_temporary=True)
        former = temporary
    elif kind in (wrong.NUMBER_TYPO, wrong.NUMBER_OF_SIBLING):
        right = right[0] + misdial(right[1:], chance // 11)
    return Pupil(right, "", former, right)


def learners(settings: WorldSettings) -> tuple[float, ...]:
    """Return, for each extract, the last day of birth of the pupils who have a unique learner number by then."""
    return last_births(settings, _LEARNER_NUMBER_AGE)


def learner_number(population: Population, made: Claims, row: int, born_by: float) -> str:
    """Return the unique learner number of a pupil who was born early enough to have one, else an empty text."""
    child = int(made.child[row])
    return str(population.children.uln[child]) if population.children.birth[child] <= born_by else ""


def _digest(made: Claims, row: int) -> str:
    """Return the id that the connector gives a pupil who has none (see `connectors/ctf.py`)."""
    parts = "\x1f".join((made.family[row], made.given[row], _birth(made, row)))
    return "~" + blake2b(parts.casefold().encode(), digest_size=10).hexdigest()


def _birth(made: Claims, row: int) -> str:
    birth = made.birth[row]
    return f"{birth[0]:04d}-{birth[1]:02d}-{birth[2]:02d}" if birth else ""


class SchoolWriter:
    """Writes one school's files."""

    def __init__(
        self, population: Population, register: Register, numbers: PupilNumbers, school: int, tally: FeedTally
    ) -> None:
        self._population = population
        self._register = register
        self._numbers = numbers
        self._school = school
        self._tally = tally
        self._ledger = Ledger(tally)
        self._everyone = register.rows_of(school)
        self._temporary: set[str] = set()

    def write(self, folder: Path, truth: Truth) -> None:
        """Write the school's files, one an extract, and the truth about its records."""
        code = f"{school_lea(self._school)}{school_estab(self._school)}"
        for extract, day in enumerate(self._population.settings.dates):
            rows = self._everyone[present(self._register, self._everyone, extract)]
            if len(rows):
                name = f"{code}_CTF_{code[:3]}LLLL_{extract + 1:03d}.xml"
                _write_file(folder / name, self._school, day, self._elements(rows, extract))
                self._tally.files += 1
        self._ledger.close(truth, self._population)

    def _elements(self, rows: Int64, extract: int) -> list[str]:
        population, source = self._population, school_source(self._school)
        made = claims(population, self._register, rows, extract)
        add_parents(population, made)
        elements = []
        for row, content in enumerate(_pupils(population, made, self._school, extract)):
            named = pupil(self._numbers, made, row, self._register, extract)
            if named.is_temporary:
                self._temporary.add(named.source_id)
            elif named.former in self._temporary:
                self._temporary.remove(named.former)
                self._ledger.merged(f"{source}:{named.former}")
            key, permitted = f"{source}:{named.source_id}", _element(named, replace(content, not_permitted=""))
            self._ledger.observed(key, int(made.child[row]), permitted)
            elements.append(_element(named, content))
        return elements


@dataclass(frozen=True, slots=True)
class _Content:
    """The parts of a pupil's XML that do not depend on how the pupil is numbered."""

    person: str
    basic: str
    not_permitted: str
    rest: str


def _element(named: Pupil, content: _Content) -> str:
    """Return one pupil as XML."""
    reference = f"<ApplicationReference>{named.reference}</ApplicationReference>" if named.reference else ""
    number = f"<UPN>{named.upn}</UPN>" if named.upn else ""
    former = f"<FormerUPN>{named.former}</FormerUPN>" if named.former else ""
    return (
        f"<Pupil>{reference}{number}{content.person}<BasicDetails>{former}{content.basic}</BasicDetails>"
        f"{content.not_permitted}{content.rest}</Pupil>\n"
    )


def _pupils(population: Population, made: Claims, school: int, extract: int) -> Iterator[_Content]:
    """Yield what the school writes of each pupil."""
    modern = school % 3 != 0
    sex_tag = "Sex" if modern else "Gender"
    age = school_age(population.children.birth[made.child], int(days(population.settings)[extract])).tolist()
    history = (
        f"<SchoolHistory><School><LEA>{school_lea(school)}</LEA><Estab>{school_estab(school)}</Estab>"
        f"<SchoolName>{school_name(school)}</SchoolName></School></SchoolHistory>"
    )
    variants, born_by = population.names.variants, learners(population.settings)[extract]
    for row in range(len(made)):
        given, birth = made.given[row], _birth(made, row)
        others = variants.get(given) if made.chance[row] // 4096 % 6 == 0 else None
        learner = learner_number(population, made, row, born_by)
        uln = f"<UniqueLearnerNumber>{learner}</UniqueLearnerNumber>" if learner else ""
        person = (
            f"{uln}<Surname>{made.family[row]}</Surname><Forename>{given}</Forename>"
            f"{f'<DOB>{birth}</DOB>' if birth else ''}<{sex_tag}>{_SEX[made.sex[row]]}</{sex_tag}>"
        )
        preferred = f"<PreferredForename>{others[0]}</PreferredForename>" if others else ""
        former = f"<FormerSurname>{made.former_family[row]}</FormerSurname>" if made.former_family[row] else ""
        middle = f"<MiddleNames>{made.middle[row]}</MiddleNames>" if made.middle[row] else ""
        care = "<LookedAfter><InCare>true</InCare></LookedAfter>" if made.placed[row] else ""
        yield _Content(
            person,
            f"{preferred}{former}{middle}",
            f"{care}<FSMhistory><FSMreviewDate>{2024 + age[row] % 3}-01-15</FSMreviewDate></FSMhistory>",
            f"{_address(made.homes[row], modern=modern)}{_contacts(made.parents[row])}{history}",
        )


def _address(home: Home, *, modern: bool) -> str:
    """Return an address with its parts, or as lines."""
    if modern and home.house:
        saon = f"<SAON>{home.flat}</SAON>" if home.flat else ""
        town = f"<Town>{home.town}</Town>" if home.town else ""
        body = f"<BS7666Address>{saon}<PAON>{home.house}</PAON><Street>{home.street}</Street>{town}</BS7666Address>"
    else:
        lines = [line for line in (home.flat, f"{home.house} {home.street}".strip(), home.town) if line]
        body = "".join(f"<AddressLine{place}>{line}</AddressLine{place}>" for place, line in enumerate(lines, start=1))
        body = f"<AddressLines>{body}</AddressLines>"
    postcode = f"<PostCode>{home.postcode}</PostCode>" if home.postcode else ""
    return f"<Address>{body}{postcode}</Address>"


def _contacts(parents: tuple[Parent, ...]) -> str:
    contacts = "".join(
        f"<Contact><Order>{order}</Order><Surname>{one.family}</Surname><Forename>{one.given}</Forename>"
        f"<Relationship>{_RELATIONSHIPS[one.kind]}</Relationship>"
        f"<Responsibility>{'false' if one.kind == 'carer' else 'true'}</Responsibility>"
        f"{'' if one.kind == 'father' else '<Address><AddressAsPupil/></Address>'}"
        f"<Phones><Phone><TelephoneType>M</TelephoneType><PhoneNo>{telephone(one.telephone)}</PhoneNo></Phone></Phones></Contact>"
        for order, one in enumerate(parents, start=1)
    )
    return f"<Contacts>{contacts}</Contacts>"


def _write_file(path: Path, school: int, day: date, elements: list[str]) -> None:
    lea, estab = school_lea(school), school_estab(school)
    version = "25.0" if school % 3 else "21.0"
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<CTfile><Header><DocumentName>Common Transfer File</DocumentName>'
        f"<CTFversion>{version}</CTFversion><DateTime>{day.isoformat()}T16:{school % 60:02d}:00</DateTime>"
        "<DocumentQualifier>full</DocumentQualifier><SupplierID>WORLDMIS</SupplierID>"
        f"<SourceSchool><LEA>{lea}</LEA><Estab>{estab}</Estab><SchoolName>{school_name(school)}</SchoolName></SourceSchool>"
        f"<DestSchool><LEA>{lea}</LEA><Estab>LLLL</Estab></DestSchool></Header><CTFpupilData>\n"
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(head)
        file.writelines(elements)
        file.write("</CTFpupilData></CTfile>\n")


def add_broken_pupils(folder: Path, tally: FeedTally, count: int) -> None:
    """Put pupils whose XML is broken into the feed's first file, each a reject that must not hide its neighbours."""
    if not count or not tally.files:
        return
    first = min(folder.iterdir())
    broken = "".join(_BROKEN[number % len(_BROKEN)] for number in range(count))
    text = first.read_text("utf-8").replace("<CTFpupilData>\n", f"<CTFpupilData>\n{broken}", 1)
    first.write_text(text, "utf-8", newline="")
    tally.items += count
    tally.rejects += count
