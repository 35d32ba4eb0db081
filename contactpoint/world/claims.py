"""What records say at an extract: the truth as far as the source knows it, with the source's mistakes, as strings.

All formats are written from these columns, so what differs between sources is their mistakes, their delay and their
format, and nothing else. Columns of codes are turned into strings for all rows at once; only the few wrong values are
touched one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contactpoint.world import life
from contactpoint.world import mistakes as wrong
from contactpoint.world.mistakes import Mistakes, misdate, misdial, mispost, misspell
from contactpoint.world.names import FEMALE, MALE
from contactpoint.world.places import flat, house, postcode, street, town
from contactpoint.world.population import NEVER, Int8, Int32, Int64, Population
from contactpoint.world.registers import Register

NO_FIXED_ABODE = "ZZ99 3VZ"
NOT_KNOWN = "N/K"
UNKNOWN_SEX = 2
_NAMELESS_DAYS = 42
_TELLS_FORMER_NAME = 0.6
_TELLS_BIRTH_ORDER = 0.7
_WRONG_BIRTH_ORDER = 0.005
_SEPARATED = 0.5
_FATHER_NOT_NAMED = 3  # of ten

BirthDate = tuple[int, int, int] | None


class Home(NamedTuple):
    """An address as parts; empty parts are not known."""

    flat: str = ""
    house: str = ""
    street: str = ""
    town: str = ""
    postcode: str = ""


class Parent(NamedTuple):
    """A parent or foster carer; `kind` is mother, father or carer."""

    kind: str
    given: str
    family: str
    telephone: int


@dataclass(slots=True)
class Claims:
    """The columns of some rows at one extract, aligned with `rows`. `nameless` marks babies without a forename."""

    rows: Int64
    child: Int32
    given: list[str]
    family: list[str]
    middle: list[str]
    former_family: list[str]
    birth: list[BirthDate]
    sex: list[int]
    homes: list[Home]
    number_kind: list[int]
    chance: list[int]
    nameless: list[bool]
    birth_order: list[int]
    placed: list[bool]
    parents: list[tuple[Parent, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.given)


def claims(population: Population, register: Register, rows: Int64, extract: int) -> Claims:
    """Return what these rows of a register say at an extract."""
    child, slips = register.child[rows], register.mistakes.take(rows)
    view = views(register, rows, extract)
    active = extract < slips.corrected_at
    made = _truth(population, child, view, slips, rows, extract)
    _name_mistakes(population, made, slips, active)
    _other_mistakes(made, slips, active, youngest_adult(population))
    return made


def views(register: Register, rows: Int64, extract: int) -> NDArray[np.int16]:
    """Return the extract up to which each source knows what happened: it may be behind, and it stops at `until`."""
    since = register.since[rows].astype(np.int16)
    told = np.minimum(extract, register.until[rows].astype(np.int16) - 1) - register.mistakes.lag[rows].astype(np.int16)
    return np.asarray(np.maximum(since, told), np.int16)


def may_have_changed(population: Population, register: Register, rows: Int64, extract: int) -> NDArray[np.bool_]:
    """Return which rows can say something else than at the extract before; the others certainly do not."""
    child = register.child[rows]
    family = population.children.household[child]
    homes = population.households
    happens = (homes.moved_at[family] != NEVER) | (homes.renamed_at[family] != NEVER)
    happens |= population.children.placed_at[child] != NEVER
    new = register.since[rows] >= extract - 1
    return np.asarray(happens | new | (register.mistakes.corrected_at[rows] == extract), bool)


def _truth(population: Population, child: Int32, view: life.Views, slips: Mistakes, rows: Int64,
           extract: int) -> Claims:  # fmt: skip
    children, homes = population.children, population.households
    family = children.household[child]
    former = life.is_renamed(population, child, view) & (slips.chance % 10 < _TELLS_FORMER_NAME * 10)
    middle = children.middle[child]
    placed = life.is_placed(population, child, view)
    address = life.home(population, child, view)
    other = homes.other_home[family]
    separated = (other >= 0) & ~placed & (slips.chance // 16 % 10 < _SEPARATED * 10)
    return Claims(
        rows=rows,
        child=child,
        given=population.names.forenames[children.forename[child]].tolist(),
        family=population.surnames[life.surname(population, child, view)].tolist(),
        middle=np.where(middle >= 0, population.names.forenames[middle], "").tolist(),
        former_family=np.where(former, population.surnames[homes.surname[family]], "").tolist(),
        birth=[_civil(day) for day in children.birth[child].tolist()],
        sex=children.sex[child].tolist(),
        homes=[_home(one) for one in np.where(separated, other, address).tolist()],
        number_kind=np.where(slips.corrected_at <= extract, wrong.RIGHT, slips.number).tolist(),
        chance=slips.chance.tolist(),
        nameless=[False] * len(child),
        birth_order=children.birth_order[child].tolist(),
        placed=placed.tolist(),
    )


@lru_cache(maxsize=16384)
def _civil(day: int) -> BirthDate:
    moment = life.FIRST_DAY + timedelta(days=day)
    return moment.year, moment.month, moment.day


@lru_cache(maxsize=65536)
def _home(address: int) -> Home:
    return Home(flat(address), house(address), street(address), town(address), postcode(address))


def _wrong_rows(kinds: Int8, active: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the rows that have an active mistake, with its kind."""
    for row in np.flatnonzero((kinds != wrong.RIGHT) & active).tolist():
        yield row, int(kinds[row])


def _name_mistakes(population: Population, made: Claims, slips: Mistakes, active: NDArray[np.bool_]) -> None:
    variants = population.names.variants
    for row, kind in _wrong_rows(slips.family, active):
        family = made.family[row]
        if kind == wrong.FAMILY_TYPO:
            made.family[row] = misspell(family, made.chance[row])
        elif kind == wrong.FAMILY_HALF:
            made.family[row] = family.split("-")[made.chance[row] % 2] if family.count("-") == 1 else family
        else:
            made.family[row] = family.replace("-", " ").replace("'", "")
    for row, kind in _wrong_rows(slips.given, active):
        given, chance = made.given[row], made.chance[row]
        if kind == wrong.GIVEN_TYPO:
            made.given[row] = misspell(given, chance // 7)
        elif kind == wrong.GIVEN_VARIANT:
            others = variants.get(given, (given.split("-")[0],))
            made.given[row] = others[chance % len(others)]
        elif kind == wrong.GIVEN_INITIAL:
            made.given[row] = given[:1]
        elif kind == wrong.GIVEN_SWAPPED:
            made.given[row], made.family[row] = made.family[row], given
        else:
            made.given[row], made.middle[row] = made.middle[row] or given, ""


def youngest_adult(population: Population) -> tuple[int, int, int]:
    """Return the latest birth date of an adult: no mistake makes an adult of a child, who would be out of scope."""
    day = population.settings.as_of + timedelta(days=3)
    return day.year - 18, day.month, day.day


def _other_mistakes(made: Claims, slips: Mistakes, active: NDArray[np.bool_], adult: tuple[int, int, int]) -> None:
    for row, kind in _wrong_rows(slips.birth, active):
        right = made.birth[row]
        written = misdate(*right, kind, made.chance[row]) if right else None
        if written is None or written > adult:
            made.birth[row] = written
    for row, kind in _wrong_rows(slips.sex, active):
        made.sex[row] = MALE + FEMALE - made.sex[row] if kind == wrong.SEX_WRONG else UNKNOWN_SEX
    for row, kind in _wrong_rows(slips.address, active):
        made.homes[row] = _wrong_home(made.homes[row], kind, made.chance[row])
    # An unspaced postcode is the same postcode: correcting it would be an update that says nothing new.
    for row, kind in _wrong_rows(slips.postcode, active | (slips.postcode == wrong.POSTCODE_UNSPACED)):
        made.homes[row] = _wrong_postcode(made.homes[row], kind, made.chance[row])


def _wrong_home(right: Home, kind: int, chance: int) -> Home:
    if kind == wrong.ADDRESS_TYPO:
        return Home(right.flat, right.house, misspell(right.street, chance // 3), right.town, right.postcode)
    if kind == wrong.ADDRESS_NOT_KNOWN:
        return Home(street=NOT_KNOWN)
    return Home("", right.house, right.street, "", right.postcode)


def _wrong_postcode(right: Home, kind: int, chance: int) -> Home:
    if kind == wrong.POSTCODE_NO_FIXED_ABODE:
        return Home(street="NO FIXED ABODE", postcode=NO_FIXED_ABODE)
    if not right.postcode:
        return right
    written = {
        wrong.POSTCODE_TYPO: mispost(right.postcode, chance // 5),
        wrong.POSTCODE_MISSING: "",
        wrong.POSTCODE_UNSPACED: right.postcode.replace(" ", "").lower(),
    }[kind]
    return Home(right.flat, right.house, right.street, right.town, written)


def add_parents(population: Population, made: Claims) -> None:
    """Fill in who has parental responsibility or care; the father is left out for three children in ten."""
    homes, children = population.households, population.children
    forenames, surnames = population.names.forenames, population.surnames
    family = np.where(made.placed, children.carer[made.child], children.household[made.child])
    columns = (
        forenames[homes.mother[family]].tolist(), surnames[homes.mother_surname[family]].tolist(),
        forenames[homes.father[family]].tolist(), surnames[homes.father_surname[family]].tolist(),
        homes.telephone[family].tolist(), made.placed, made.chance,
    )  # fmt: skip
    for mother, mother_family, father, father_family, phone, placed, chance in zip(*columns, strict=True):
        first = Parent("carer" if placed else "mother", mother, mother_family, phone)
        alone = placed or chance // 256 % 10 < _FATHER_NOT_NAMED
        made.parents.append((first,) if alone else (first, Parent("father", father, father_family, phone + 1)))


def name_babies(population: Population, made: Claims, register: Register, extract: int) -> None:
    """Give placeholder names to half of the babies who were registered within six weeks of their birth, at first."""
    day = int(life.days(population.settings)[extract])
    age = day - population.children.birth[made.child]
    unnamed = (age < _NAMELESS_DAYS) & (register.since[made.rows] == extract)
    for row in np.flatnonzero(unnamed).tolist():
        chance, order = made.chance[row], made.birth_order[row]
        if chance % 2:
            continue
        sex = ("Girl", "Boy", "")[made.sex[row]]
        named = (f"Twin {order}" if order else "Baby", f"BABY {sex.upper()}".strip(), "Baby")[chance // 2 % 3]
        made.given[row], made.middle[row], made.nameless[row] = named, "", True


def sibling(population: Population, child: int) -> int:
    """Return a neighbour in the same household, or the child itself where there is none."""
    household = population.children.household
    for other in (child + 1, child - 1):
        if 0 <= other < len(household) and household[other] == household[child]:
            return other
    return child


def told_birth_order(made: Claims, row: int) -> int:
    """Return the birth order that a trust writes down: of seven in ten twins, now and then that of the other one."""
    order, chance = made.birth_order[row], made.chance[row] // 2048
    if not order or chance % 10 >= _TELLS_BIRTH_ORDER * 10:
        return 0
    return 3 - min(order, 2) if chance // 10 % 1000 < _WRONG_BIRTH_ORDER * 1000 else order


def nhs_number(population: Population, made: Claims, row: int) -> tuple[str, str]:
    """Return the NHS number that a row gives and its verification status (01 present and verified, 02 not traced).

    A sibling's number comes as verified, as in a real "confusion": the number was traced, for the wrong child.
    """
    child, kind = int(made.child[row]), made.number_kind[row]
    if kind == wrong.NUMBER_MISSING:
        return "", "07"
    if kind == wrong.NUMBER_DEFAULT:
        return "0000000000", "02"
    if kind == wrong.NUMBER_TYPO:
        return misdial(str(population.children.nhs[child]), made.chance[row] // 11), "02"
    owner = sibling(population, child) if kind == wrong.NUMBER_OF_SIBLING else child
    return str(population.children.nhs[owner]), "01"
