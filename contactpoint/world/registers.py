"""Who is in which source: one row for each source record, with when it appears and what the source gets wrong.

Schools hold pupils from 4 (nurseries from 2, without unique pupil numbers), trusts hold nearly every child and, now and
then, one child twice, youth offending teams hold some from 10, and the carriers' lists are built in `travel.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contactpoint.world.life import NO_SCHOOL, Schooling, authority, days, home
from contactpoint.world.mistakes import Carelessness, Mistakes, draw_mistakes
from contactpoint.world.population import NEVER, Int8, Int32, Int64, Population, chosen, generator
from contactpoint.world.settings import WorldSettings

SCHOOL_CARE = Carelessness()
HEALTH_CARE = Carelessness(birth=0.7, numbers=0.6)
YOT_CARE = Carelessness(names=2.0, birth=2.0, places=2.0, numbers=4.0, corrects=0.5)
NONE = -1
_FIRST_LOCAL_NUMBER = 100_000
_YOT_FROM_AGE = 10
_NOTICED = 0.6
_DAYS_IN_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Register:
    """The rows of one kind of source, ordered by `unit` (a school, a trust, a team).

    `number` is the source's own id, `since` the first extract with the record and `until` the first without it (NEVER:
    it stays). `duplicate_of` is the row of the same child's other record in the same unit, `merged_at` the extract at
    which the source merges the row into it, `deleted_at` the one at which the source deletes the row.
    """

    child: Int32
    unit: Int32
    number: Int64
    since: Int8
    until: Int8
    duplicate_of: Int64
    merged_at: Int8
    deleted_at: Int8
    mistakes: Mistakes

    def __len__(self) -> int:
        return len(self.child)

    def rows_of(self, unit: int) -> Int64:
        """Return the rows of one unit."""
        first, last = np.searchsorted(self.unit, (unit, unit + 1))
        return np.arange(first, last, dtype=np.int64)


def stays(units: list[Int32], nobody: int) -> tuple[Int32, Int32, Int8, Int8]:
    """Turn each child's unit at each extract into stays: child, unit, first extract, first extract after it.

    A child who returns to a unit keeps one stay from the first to the last extract there. Ordered by unit, then child.
    """
    size, extracts = len(units[0]), len(units)
    child = np.tile(np.arange(size, dtype=np.int64), extracts)
    unit = np.concatenate(units).astype(np.int64)
    extract = np.repeat(np.arange(extracts, dtype=np.int8), size)
    present = unit != nobody
    child, unit, extract = child[present], unit[present], extract[present]
    pairs, first, inverse = np.unique(unit << 32 | child, return_index=True, return_inverse=True)
    last = np.zeros(len(pairs), np.int8)
    np.maximum.at(last, inverse, extract)
    until = np.where(last + 1 >= extracts, NEVER, last + 1).astype(np.int8)
    return (pairs & 0xFFFF_FFFF).astype(np.int32), (pairs >> 32).astype(np.int32), extract[first], until


def school_register(population: Population) -> Register:
    """Return the pupils of all schools; a pupil who leaves stays in the old school's last file."""
    schooling = Schooling(population)
    child, school, since, until = stays([schooling.at(t) for t in range(population.settings.extracts)], NO_SCHOOL)
    size = len(child)
    return Register(
        child, school, np.arange(size, dtype=np.int64), since, until, *plain(size),
        draw_mistakes(population.settings, "schools", size, SCHOOL_CARE),
    )  # fmt: skip


def pupil_number_parts(population: Population) -> tuple[Int32, Int64, Int64]:
    """Return, for each child, the school that allocated its unique pupil number, the year and the serial number."""
    first = Schooling(population).first()
    year = (population.children.birth / _DAYS_IN_A_YEAR + 1970 + 4.6).astype(np.int64)
    order = np.lexsort((year, first))
    group = np.cumsum(np.diff(first[order].astype(np.int64) << 16 | year[order], prepend=-1) != 0)
    starts = np.flatnonzero(np.diff(group, prepend=0))
    serial = np.empty(len(first), np.int64)
    serial[order] = np.arange(len(first)) - np.repeat(starts, np.diff(starts, append=len(first)))
    return first, year, serial + 1


def served_by(settings: WorldSettings, trust: int) -> int | None:
    """Return the authority whose children a trust serves; None for the specialist hospital, which serves all."""
    return trust if trust < settings.authorities else None


def health_register(population: Population) -> Register:
    """Return the patients of all trusts: the authority's, the specialist hospital's, and in-source duplicates."""
    settings = population.settings
    size = len(population.children)
    child = np.arange(size, dtype=np.int32)
    known = chosen(settings, "in health", size, settings.coverage.health)
    special = chosen(settings, "specialist", size, settings.coverage.specialist_trust)
    born = population.children.birth
    local, specialist = [], []
    for extract, day in enumerate(days(settings)):
        here = authority(home(population, child, np.full(size, extract, np.int16)))
        alive = born <= day
        local.append(np.where(known & alive, here, NONE).astype(np.int32))
        specialist.append(np.where(special & alive, settings.authorities, NONE).astype(np.int32))
    parts = [stays(local, NONE), stays(specialist, NONE)]
    columns = zip(*parts, strict=True)
    child, trust, since, until = (np.concatenate(column) for column in columns)
    return _with_duplicates(population, child, trust, since, until)


def _with_duplicates(population: Population, child: Int32, trust: Int32, since: Int8,
                     until: Int8) -> Register:  # fmt: skip
    """Register some patients twice; the trust notices and merges most of those."""
    settings, extracts = population.settings, population.settings.extracts
    size = len(child)
    again = np.flatnonzero(chosen(settings, "registered twice", size, settings.coverage.duplicates_in_health))
    rng = generator(settings, "duplicates")
    original = np.concatenate((np.full(size, NONE, np.int64), again))
    noticed = np.where(rng.random(len(again)) < _NOTICED, rng.integers(1, extracts + 1, len(again)), NEVER)
    merged = np.concatenate((np.full(size, NEVER), noticed))
    child, trust = np.concatenate((child, child[again])), np.concatenate((trust, trust[again]))
    since, until = np.concatenate((since, since[again])), np.concatenate((until, until[again]))
    order = np.argsort(trust, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    original, merged = original[order], merged[order]
    child, trust, since, until = child[order], trust[order], since[order], until[order]
    merged = np.where((merged >= extracts) | (merged <= since), NEVER, merged).astype(np.int8)
    kept = np.ones(len(order), bool)
    kept[place[again]] = False
    deleted = (rng.random(len(order)) < settings.delivery.deleted) & (original < 0) & kept
    deleted_at = rng.integers(1, max(2, extracts), len(order))
    deleted_at = np.where(deleted & (deleted_at > since) & (deleted_at < extracts), deleted_at, NEVER)
    return Register(
        child=child,
        unit=trust,
        number=_local_numbers(settings.seed, trust),
        since=since,
        until=until,
        duplicate_of=np.where(original >= 0, place[original], NONE),
        merged_at=merged,
        deleted_at=deleted_at.astype(np.int8),
        mistakes=draw_mistakes(settings, "health", len(order), HEALTH_CARE),
    )


def _local_numbers(seed: int, unit: Int32) -> Int64:
    """Return ids that count up within each unit, as a hospital's do."""
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    place = np.arange(len(unit)) - np.repeat(starts, np.diff(starts, append=len(unit)))
    return _FIRST_LOCAL_NUMBER + seed % 1000 + place


def yot_register(population: Population) -> Register:
    """Return the children whom each authority's youth offending team works with; a case may be closed and taken out."""
    settings = population.settings
    size = len(population.children)
    last = int(days(settings)[-1])
    old_enough = population.children.birth <= last - _YOT_FROM_AGE * _DAYS_IN_A_YEAR
    inside = np.flatnonzero(chosen(settings, "in yot", size, settings.coverage.yot) & old_enough)
    child = inside.astype(np.int32)
    team = authority(home(population, child, np.zeros(len(child), np.int16))).astype(np.int32)
    order = np.argsort(team, kind="stable")
    child, team = child[order], team[order]
    rng = generator(settings, "yot")
    since = np.where(rng.random(len(child)) < 0.75, 0, rng.integers(0, settings.extracts, len(child)))
    leaves = rng.random(len(child)) < 0.06
    until = np.where(leaves & (since + 1 < settings.extracts), since + 1, NEVER)
    return Register(
        child, team, _local_numbers(settings.seed, team), since.astype(np.int8), until.astype(np.int8),
        *plain(len(child)), draw_mistakes(settings, "yot", len(child), YOT_CARE),
    )  # fmt: skip


def plain(size: int) -> tuple[Int64, Int8, Int8]:
    """Return the columns of records that are never duplicates, never merged and never deleted."""
    return np.full(size, NONE, np.int64), np.full(size, NEVER, np.int8), np.full(size, NEVER, np.int8)


def present(register: Register, rows: Int64, extract: int) -> NDArray[np.bool_]:
    """Return which rows the source lists at an extract."""
    return (register.since[rows] <= extract) & (extract < register.until[rows])
