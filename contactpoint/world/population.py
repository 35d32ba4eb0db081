"""The true children: households, siblings, births, names and numbers, as columns of codes.

Nothing here is a record yet. Columns are small integers (about 70 bytes a child), so that five million children fit in
memory; strings are made where they are written. Every column is drawn from its own generator, seeded by the world's
seed and the column's name, so that a change in one part of the world leaves the others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from contactpoint.world.identifiers import learner_numbers, nhs_numbers
from contactpoint.world.names import FEMALE, MALE, NameTables, load_names
from contactpoint.world.places import ADDRESSES_IN_AN_AUTHORITY
from contactpoint.world.settings import WorldSettings

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

NEVER = 127
_SIZES, _SIZE_SHARES = np.arange(1, 7), np.array([0.42, 0.40, 0.13, 0.035, 0.010, 0.005])
_DAYS_OF_CHILDHOOD = 6570  # a few days short of 18 years, so that nobody comes of age on the last day
_LEAST_GAP, _MEAN_FURTHER_GAP = 330, 620
_HOMES_PER_FAMILY = 4
_NO_NAME = -1


def generator(settings: WorldSettings, column: str) -> np.random.Generator:
    """Return the generator of one column."""
    return np.random.default_rng([settings.seed, crc32(column.encode())])


@dataclass(frozen=True, slots=True)
class Households:
    """Families: parents' names, homes and what happens. `*_at` is the extract from which it holds, or NEVER.

    `surname` is the family's name, `new_surname` the one after a change; `home` the address, `new_home` the one after a
    move, `other_home` that of a parent who lives elsewhere (-1: none).
    """

    community: Int8
    mother: Int32
    mother_surname: Int32
    father: Int32
    father_surname: Int32
    surname: Int32
    new_surname: Int32
    renamed_at: Int8
    home: Int64
    new_home: Int64
    moved_at: Int8
    other_home: Int64
    telephone: Int32


@dataclass(frozen=True, slots=True)
class Children:
    """Children, ordered by household, the eldest first. `birth` counts days since 1970; `middle` -1 means none.

    `birth_order` is 0 for a single birth and 1, 2, 3 within a multiple one; `placed_at` is the extract from which the
    child lives with foster carers at `placement`, whose household is `carer`.
    """

    household: Int32
    sex: Int8
    birth: Int32
    birth_order: Int8
    forename: Int32
    middle: Int32
    own_surname: Int32
    nhs: Int64
    uln: Int64
    placed_at: Int8
    placement: Int64
    carer: Int32

    def __len__(self) -> int:
        return len(self.household)


@dataclass(frozen=True, slots=True)
class Population:
    """All households and children, and the strings that their codes mean (`surnames` holds double-barrelled ones)."""

    settings: WorldSettings
    names: NameTables
    surnames: NDArray[np.object_]
    households: Households
    children: Children


def populate(settings: WorldSettings) -> Population:
    """Draw the population of a world."""
    names = load_names()
    household = _assign_households(settings)
    families = int(household[-1]) + 1
    surnames, households = _households(settings, names, families)
    children = _children(settings, names, household, households)
    _make_cousins(settings, households, children)
    return Population(settings, names, surnames, households, children)


def _assign_households(settings: WorldSettings) -> Int32:
    """Return the household of each child."""
    sizes = generator(settings, "size").choice(_SIZES, settings.children, p=_SIZE_SHARES / _SIZE_SHARES.sum())
    return np.repeat(np.arange(settings.children, dtype=np.int32), sizes)[: settings.children]


def chosen(settings: WorldSettings, column: str, size: int, rate: float) -> NDArray[np.bool_]:
    """Return which of `size` things a rate of chance picks."""
    return generator(settings, column).random(size) < rate


def when(settings: WorldSettings, column: str, size: int, rate: float) -> Int8:
    """Return the extract at which something happens to a share of `size` things, NEVER for the others."""
    at = generator(settings, column + " when").integers(0, settings.extracts, size).astype(np.int8)
    return np.where(chosen(settings, column, size, rate), at, np.int8(NEVER))


def _homes(settings: WorldSettings, column: str, authority: Int64, families: int) -> Int64:
    """Return an address in each family's authority; two families may share one, as a house has former tenants."""
    homes = min(ADDRESSES_IN_AN_AUTHORITY, _HOMES_PER_FAMILY * families // settings.authorities + 40)
    return authority * ADDRESSES_IN_AN_AUTHORITY + generator(settings, column).integers(0, homes, len(authority))


def _households(settings: WorldSettings, names: NameTables, families: int) -> tuple[NDArray[np.object_], Households]:
    community = names.draw_communities(generator(settings, "community"), families)
    authority = np.arange(families, dtype=np.int64) * settings.authorities // families
    father_surname = names.draw_surnames(generator(settings, "father surname"), community)
    mother_surname = names.draw_surnames(generator(settings, "mother surname"), community)
    married = chosen(settings, "married", families, 0.62)
    mother_surname = np.where(married, father_surname, mother_surname)
    from_mother = chosen(settings, "mother's name", families, 0.25)
    surname = np.where(from_mother, mother_surname, father_surname)
    both = chosen(settings, "double", families, settings.life.double_barrelled) & (mother_surname != father_surname)
    strings, doubled = _double_barrelled(names.surnames, mother_surname, father_surname)
    renamed_at = when(settings, "renamed", families, settings.life.name_changes)
    hyphenated = chosen(settings, "hyphenated", families, 0.35) & (mother_surname != father_surname) & ~both
    replacement = names.draw_surnames(generator(settings, "new surname"), community)
    away = chosen(settings, "border", families, settings.life.other_authority)
    step = generator(settings, "which border").integers(1, settings.authorities, families)
    new_authority = np.where(away, (authority + step) % settings.authorities, authority)
    elsewhere = chosen(settings, "two homes", families, settings.life.two_homes)
    moved_at = when(settings, "moved", families, settings.life.house_moves)
    return strings, Households(
        community=community,
        mother=names.draw_forenames(generator(settings, "mother"), community, np.full(families, FEMALE, np.int8)),
        mother_surname=mother_surname,
        father=names.draw_forenames(generator(settings, "father"), community, np.full(families, MALE, np.int8)),
        father_surname=father_surname,
        surname=np.where(both, doubled, surname),
        new_surname=np.where(hyphenated, doubled, replacement).astype(np.int32),
        renamed_at=renamed_at,
        home=_homes(settings, "home", authority, families),
        new_home=_homes(settings, "new home", new_authority, families),
        moved_at=moved_at,
        other_home=np.where(elsewhere, _homes(settings, "other home", authority, families), -1),
        telephone=generator(settings, "telephone").integers(0, 1000, families, np.int32),
    )


def _double_barrelled(surnames: NDArray[np.object_], first: Int32, second: Int32) -> tuple[NDArray[np.object_], Int32]:
    """Return the surname strings with every pair `first-second` added, and the code of each pair."""
    pairs, inverse = np.unique(first.astype(np.int64) << 32 | second, return_inverse=True)
    joined = surnames[pairs >> 32] + "-" + surnames[pairs & 0xFFFF_FFFF]
    return np.concatenate((surnames, joined)), (len(surnames) + inverse).astype(np.int32)


def _children(settings: WorldSettings, names: NameTables, household: Int32, homes: Households) -> Children:
    size = len(household)
    birth, birth_order = _births(settings, household)
    community = homes.community[household]
    sex = generator(settings, "sex").integers(0, 2, size).astype(np.int8)
    forename = _forenames(settings, names, household, community, sex, birth_order)
    middle = names.draw_forenames(generator(settings, "middle"), community, sex)
    no_middle = chosen(settings, "no middle", size, 0.28)
    half = chosen(settings, "half sibling", size, settings.life.half_siblings)
    own = names.draw_surnames(generator(settings, "own surname"), community)
    placed_at = when(settings, "placed", size, settings.life.looked_after)
    carers = max(1, round(size * settings.life.looked_after / 2))
    carer = generator(settings, "carer").integers(0, carers, size).astype(np.int32) * (len(homes.home) // carers)
    return Children(
        household=household,
        sex=sex,
        birth=birth,
        birth_order=birth_order,
        forename=forename,
        middle=np.where(no_middle | (middle == forename), _NO_NAME, middle),
        own_surname=np.where(half & (birth_order == 0), own, _NO_NAME),
        nhs=nhs_numbers(size, settings.seed),
        uln=learner_numbers(size, settings.seed),
        placed_at=placed_at,
        placement=homes.home[carer],
        carer=carer,
    )


def _position(household: Int32) -> Int32:
    """Return each child's place in its household, from 0."""
    starts = np.flatnonzero(np.diff(household, prepend=-1))
    return (np.arange(len(household)) - np.repeat(starts, np.diff(starts, append=len(household)))).astype(np.int32)


def _births(settings: WorldSettings, household: Int32) -> tuple[Int32, Int8]:
    """Return birth days (siblings at least eleven months apart, twins and triplets on one day) and birth orders."""
    size = len(household)
    rng = generator(settings, "births")
    gap = _LEAST_GAP + rng.exponential(_MEAN_FURTHER_GAP, size)
    multiple = rng.random(size)
    third = np.roll(multiple < settings.life.triplets, 2)
    second = np.roll(multiple < settings.life.twins, 1) | np.roll(multiple < settings.life.triplets, 1)
    position = _position(household)
    follows = (second & (position >= 1)) | (third & (position >= 2))
    gap = np.where(follows | (position == 0), 0, gap)
    elapsed = np.cumsum(gap)
    starts = np.flatnonzero(position == 0)
    counts = np.diff(starts, append=size)
    elapsed -= np.repeat(elapsed[starts], counts)
    span = np.repeat(np.maximum.reduceat(elapsed, starts), counts)
    stretch = np.minimum(1.0, (_DAYS_OF_CHILDHOOD - 1) / np.maximum(span, 1.0))
    last_day = (np.datetime64(settings.as_of, "D") - np.datetime64("1970-01-01", "D")).astype(int)
    eldest = np.repeat(rng.random(len(starts)), counts) * (_DAYS_OF_CHILDHOOD - 1 - span * stretch)
    birth = last_day - _DAYS_OF_CHILDHOOD + 1 + (eldest + elapsed * stretch).astype(np.int32)
    return birth.astype(np.int32), _birth_orders(follows)


def _birth_orders(follows: NDArray[np.bool_]) -> Int8:
    """Return 1, 2, 3 along each run of children born on one day, 0 for single births."""
    run = np.cumsum(~follows)
    order = _position(run.astype(np.int32)) + 1
    alone = np.bincount(run)[run] == 1
    return np.where(alone, 0, order).astype(np.int8)


def _forenames(settings: WorldSettings, names: NameTables, household: Int32, community: Int8, sex: Int8,
               birth_order: Int8) -> Int32:  # fmt: skip
    """Return forenames that no sibling has; some twins get a name much like their twin's."""
    rng = generator(settings, "forename")
    forename = names.draw_forenames(rng, community, sex)
    twin_of = np.roll(np.arange(len(household)), 1)
    alike = (birth_order >= 2) & (sex == sex[twin_of]) & (rng.random(len(household)) < settings.life.alike_twin_names)
    forename[alike] = names.alike[forename[twin_of[alike]]]
    for _ in range(20):
        same = np.flatnonzero(_has_elder_namesake(household, forename))
        if not len(same):
            break
        forename[same] = names.draw_forenames(rng, community[same], sex[same])
    return forename


def _has_elder_namesake(household: Int32, forename: Int32) -> NDArray[np.bool_]:
    order = np.lexsort((np.arange(len(household)), forename, household))
    same = np.zeros(len(household), bool)
    same[order[1:]] = (np.diff(household[order]) == 0) & (np.diff(forename[order]) == 0)
    return same


def _make_cousins(settings: WorldSettings, homes: Households, children: Children) -> None:
    """Give some neighbouring households one surname, and some of those a cousin of the same name and age (in place)."""
    size = len(homes.home)
    rng = generator(settings, "cousins")
    first = np.flatnonzero(rng.random(size) < settings.life.cousins)
    first = first[(first + 1 < size) & (np.diff(first, append=size + 2) > 1)]
    homes.surname[first + 1] = homes.surname[first]
    homes.community[first + 1] = homes.community[first]
    starts = np.searchsorted(children.household, np.arange(size))
    namesakes = first[rng.random(len(first)) < settings.life.same_name_cousins]
    namesakes = namesakes[
        (children.birth_order[starts[namesakes + 1]] == 0) & (starts[namesakes + 1] + 1 <= len(children))
    ]
    one, other = starts[namesakes], starts[namesakes + 1]
    alone = np.diff(np.append(starts, len(children)))[namesakes + 1] == 1
    one, other = one[alone], other[alone]
    children.forename[other] = children.forename[one]
    children.sex[other] = children.sex[one]
    nearby = children.birth[one] + rng.integers(-200, 200, len(one))
    latest = int(children.birth.max())
    children.birth[other] = np.clip(nearby, latest - _DAYS_OF_CHILDHOOD + 1, latest)
