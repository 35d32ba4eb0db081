"""What is true of a child at an extract: surname, home, school and trust, after whatever has happened by then.

Every function takes child numbers and, for each, the extract to look at, and returns a column. A school is a number:
authority x 256 + the school's number there; nurseries begin at 0, primary schools at 64, secondary ones at 160.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from contactpoint.world.places import ADDRESSES_IN_AN_AUTHORITY, authority_code
from contactpoint.world.population import Int32, Int64, Population, chosen, generator, when
from contactpoint.world.settings import WorldSettings

NO_SCHOOL = -1
SCHOOLS_IN_AN_AUTHORITY = 256
FIRST_PRIMARY, FIRST_PRIMARY_ESTAB = 64, 2000
_NURSERY, _PRIMARY, _SECONDARY = 0, FIRST_PRIMARY, 160
_FIRST_ESTAB = {_NURSERY: 1000, _PRIMARY: FIRST_PRIMARY_ESTAB, _SECONDARY: 4000}
_KINDS = {_NURSERY: "Nursery School", _PRIMARY: "Primary School", _SECONDARY: "Academy"}
_PUPILS = {_NURSERY: 120, _PRIMARY: 330, _SECONDARY: 950}
_YEARS_OF_18 = {_NURSERY: 2 * 0.35, _PRIMARY: 7.0, _SECONDARY: 7.0}
_HOUSES_IN_A_NEIGHBOURHOOD = 400
_OWN_CHOICE = 0.2
_SEPTEMBER = 9
FIRST_DAY = date(1970, 1, 1)

Views = NDArray[np.int16]


def days(settings: WorldSettings) -> Int32:
    """Return the days of the extracts, counted since 1970."""
    return np.array(settings.dates, "datetime64[D]").astype(np.int32)


def surname(population: Population, child: Int32, view: Views) -> Int32:
    """Return surname codes: a half sibling keeps its own name when the family's changes."""
    homes, family = population.households, population.children.household[child]
    shared = np.where(view >= homes.renamed_at[family], homes.new_surname[family], homes.surname[family])
    own = population.children.own_surname[child]
    return np.where(own >= 0, own, shared)


def is_renamed(population: Population, child: Int32, view: Views) -> NDArray[np.bool_]:
    """Return whose surname has changed by then."""
    renamed_at = population.households.renamed_at[population.children.household[child]]
    return (view >= renamed_at) & (population.children.own_surname[child] < 0)


def is_placed(population: Population, child: Int32, view: Views) -> NDArray[np.bool_]:
    """Return who lives with foster carers."""
    return np.asarray(view >= population.children.placed_at[child])


def home(population: Population, child: Int32, view: Views) -> Int64:
    """Return addresses: the placement's, else the family's before or after its move."""
    homes, family = population.households, population.children.household[child]
    at_home = np.where(view >= homes.moved_at[family], homes.new_home[family], homes.home[family])
    return np.where(is_placed(population, child, view), population.children.placement[child], at_home)


def authority(address: Int64) -> Int64:
    """Return the authority of addresses."""
    return np.asarray(address // ADDRESSES_IN_AN_AUTHORITY, np.int64)


def academic_year(day: int) -> int:
    """Return the year in which the school year of a day began."""
    today = FIRST_DAY + timedelta(days=day)
    return today.year if today.month >= _SEPTEMBER else today.year - 1


def school_age(birth: Int32, day: int) -> Int32:
    """Return the age in whole years on the 31 August before the school year of a day."""
    return np.asarray(np.floor((_reference(day) - birth) / 365.25), np.int32)


def _reference(day: int) -> int:
    return (date(academic_year(day), 8, 31) - FIRST_DAY).days


def last_births(settings: WorldSettings, age: int) -> tuple[float, ...]:
    """Return, for each extract, the last day of birth of those who have this school age."""
    return tuple(_reference(int(day)) - age * 365.25 for day in days(settings))


class Schooling:
    """Which school each child attends at each extract."""

    def __init__(self, population: Population) -> None:
        settings, size = population.settings, len(population.children)
        self._population = population
        self._dates = days(settings)
        per_authority = settings.children / settings.authorities / 18
        self.counts = {
            kind: int(np.clip(round(per_authority * _YEARS_OF_18[kind] / _PUPILS[kind]), 1, 63)) for kind in _PUPILS
        }
        self._preference = generator(settings, "school").integers(0, 1 << 15, size)
        self._own_choice = chosen(settings, "own choice", size, _OWN_CHOICE)
        self._changed_at = when(settings, "school changed", size, settings.life.schools_changed)
        self._in_school = chosen(settings, "in school", size, settings.coverage.schools)
        self._in_nursery = chosen(settings, "in nursery", size, settings.coverage.nurseries)

    def at(self, extract: int) -> Int32:
        """Return every child's school, or NO_SCHOOL."""
        population = self._population
        child = np.arange(len(population.children), dtype=np.int32)
        address = home(population, child, np.full(len(child), extract, np.int16))
        age = school_age(population.children.birth, int(self._dates[extract]))
        phase = np.select([age < 4, age < 11, age < 18], [_NURSERY, _PRIMARY, _SECONDARY], _SECONDARY)
        attends = np.where(age < 4, (age >= 2) & self._in_nursery, (age < 18) & self._in_school)
        number = self._local(phase, address, extract)
        school = authority(address) * SCHOOLS_IN_AN_AUTHORITY + phase + number
        return np.asarray(np.where(attends, school, NO_SCHOOL), np.int32)

    def first(self) -> Int32:
        """Return the primary school of the first home, which gave the child its unique pupil number."""
        child = np.arange(len(self._population.children), dtype=np.int32)
        address = home(self._population, child, np.full(len(child), -1, np.int16))
        phase = np.full(len(child), _PRIMARY)
        number = self._local(phase, address, -1)
        return np.asarray(authority(address) * SCHOOLS_IN_AN_AUTHORITY + phase + number, np.int32)

    def _local(self, phase: NDArray[np.int64], address: Int64, extract: int) -> NDArray[np.int64]:
        """Return the nearest school of the phase, or the family's own choice; a change goes to the next one."""
        neighbourhood = address % ADDRESSES_IN_AN_AUTHORITY // _HOUSES_IN_A_NEIGHBOURHOOD
        choice = np.where(self._own_choice, self._preference, neighbourhood) + (extract >= self._changed_at)
        schools = np.select([phase == kind for kind in self.counts], list(self.counts.values()))
        return np.asarray(choice % schools, np.int64)


@lru_cache(maxsize=65536)
def school_lea(school: int) -> int:
    """Return the school's authority code."""
    return authority_code(school // SCHOOLS_IN_AN_AUTHORITY)


@lru_cache(maxsize=65536)
def school_estab(school: int) -> int:
    """Return the school's four-digit establishment number."""
    kind, number = _kind(school)
    return _FIRST_ESTAB[kind] + number


@lru_cache(maxsize=65536)
def school_name(school: int) -> str:
    """Return a name for the school."""
    kind, number = _kind(school)
    saints = ("Brook", "Orchard", "Hill", "Meadow", "River", "Forest", "Castle", "Park", "Lakeside", "Mill")
    return f"{saints[(number + school // SCHOOLS_IN_AN_AUTHORITY) % 10]} {_KINDS[kind]} {number + 1}"


def _kind(school: int) -> tuple[int, int]:
    local = school % SCHOOLS_IN_AN_AUTHORITY
    kind = max(start for start in _PUPILS if start <= local)
    return kind, local - kind
