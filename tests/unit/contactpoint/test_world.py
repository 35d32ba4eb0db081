"""The simulated population: plausible families, valid identifiers, mistakes at the rates that were asked for."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from math import sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from connectors.identifiers import is_nhs_number, is_temporary_upn, is_uln, is_upn
from contactpoint.world import LifeRates, MistakeRates, WorldSettings
from contactpoint.world import mistakes as wrong
from contactpoint.world.claims import claims
from contactpoint.world.ctf_files import PupilNumbers
from contactpoint.world.identifiers import learner_numbers, nhs_numbers
from contactpoint.world.life import home, surname
from contactpoint.world.mistakes import misdate, misdial, mispost, misspell, spaced
from contactpoint.world.names import load_names
from contactpoint.world.places import postcode
from contactpoint.world.population import NEVER, Population, populate
from contactpoint.world.registers import health_register, school_register, yot_register
from contactpoint.world.travel import transliterate

SETTINGS = WorldSettings(children=6000, seed=11)
REAL_AREAS = set(
    """AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK FY
    G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW
    OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD
    WF WN WR WS WV YO ZE""".split()
)


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(SETTINGS)


def within(count: int, size: int, rate: float) -> bool:
    """Tell whether a count is within five standard deviations of what a rate gives."""
    return abs(count - size * rate) <= 5 * sqrt(size * rate * (1 - rate)) + 1


def test_one_seed_always_gives_one_population(population: Population) -> None:
    again = populate(SETTINGS)
    other = populate(SETTINGS.model_copy(update={"seed": 12}))
    for column in ("birth", "forename", "nhs", "household"):
        assert np.array_equal(getattr(population.children, column), getattr(again.children, column))
    assert not np.array_equal(population.children.birth, other.children.birth)


def test_a_change_of_one_rate_leaves_the_other_columns_as_they_were(population: Population) -> None:
    life = LifeRates(house_moves=0.5)
    restless = populate(SETTINGS.model_copy(update={"life": life}))
    assert np.array_equal(population.children.forename, restless.children.forename)
    assert (restless.households.moved_at != NEVER).sum() > 3 * (population.households.moved_at != NEVER).sum()


def test_all_children_are_under_eighteen(population: Population) -> None:
    as_of = (SETTINGS.as_of - date(1970, 1, 1)).days
    ages = (as_of - population.children.birth) / 365.25
    assert ages.min() >= 0
    assert ages.max() < 18
    shares = np.histogram(ages, bins=range(19))[0] / len(ages)
    assert shares.min() > 0.02
    assert shares.max() < 0.09


def test_siblings_are_born_months_apart_unless_they_are_of_one_birth(population: Population) -> None:
    children = population.children
    same = np.diff(children.household) == 0
    gaps = np.diff(children.birth)[same]
    together = (children.birth_order[1:] >= 2)[same]
    assert (gaps[together] == 0).all()
    assert np.percentile(gaps[~together], 2) > 200


def test_twins_are_as_frequent_as_the_settings_say(population: Population) -> None:
    twins = population.children.birth_order == 2
    # Only a child that has an elder sibling can be the second of a birth, about half of all.
    assert within(int(twins.sum()), int((np.diff(population.children.household, prepend=-1) == 0).sum()), 0.0166)


def test_siblings_share_surname_and_home_and_no_forename(population: Population) -> None:
    children = population.children
    view = np.zeros(len(children), np.int16)
    everyone = np.arange(len(children), dtype=np.int32)
    pairs = np.flatnonzero(np.diff(children.household) == 0)
    names, homes = surname(population, everyone, view), home(population, everyone, view)
    assert (names[pairs] == names[pairs + 1]).mean() > 0.85
    assert (homes[pairs] == homes[pairs + 1]).mean() > 0.97
    # A cousin who was given a namesake's name may, rarely, have a sibling of that name.
    assert (children.forename[pairs] != children.forename[pairs + 1]).mean() > 0.999


def test_name_frequencies_are_skewed_and_have_a_long_tail(population: Population) -> None:
    given = Counter(population.children.forename.tolist())
    family = Counter(population.households.surname.tolist())
    assert 0.008 < given.most_common(1)[0][1] / len(population.children) < 0.03
    assert 0.004 < family.most_common(1)[0][1] / len(population.households.home) < 0.03
    assert len(family) > 1500


def test_every_variant_of_a_name_belongs_to_a_name_that_children_have() -> None:
    names = load_names()
    assert set(names.variants) <= set(names.forenames.tolist())
    assert all("<" not in name and "&" not in name for name in [*names.forenames, *names.surnames])
    assert sum(community.share for community in names.communities) == pytest.approx(1.0)


def test_numbers_are_unique_and_their_check_digits_right(population: Population) -> None:
    numbers = PupilNumbers.of(population)
    assert len(set(population.children.nhs.tolist())) == len(population.children)
    assert population.children.nhs.min() >= 9_000_000_000  # a range that is issued to nobody
    assert len(set(numbers.permanent.tolist())) == len(population.children)
    assert all(is_nhs_number(str(number)) and str(number).startswith("9") for number in nhs_numbers(500, 3))
    assert all(is_uln(str(number)) for number in learner_numbers(500, 3))
    assert all(is_upn(number) and not is_temporary_upn(number) for number in numbers.permanent[:500])
    assert all(is_upn(number) and is_temporary_upn(number) for number in numbers.temporary[:500])


@pytest.mark.parametrize("authority", [0, 1, 19, 20, 59, 60, 149])
def test_postcodes_have_a_valid_form_in_areas_that_do_not_exist(authority: int) -> None:
    for place in (0, 19, 20, 7999, 8000, 500_000, (1 << 20) - 1):
        code = postcode((authority << 20) + place)
        assert re.fullmatch(r"[A-Z]{2}[0-9]{1,2} [0-9][ABD-HJLNP-UW-Z]{2}", code)
        assert code[:2] not in REAL_AREAS


def test_neighbours_share_a_postcode_and_authorities_none() -> None:
    assert postcode(20) == postcode(39) != postcode(40)
    codes = {authority: {postcode((authority << 20) + 20 * unit) for unit in range(3000)} for authority in range(130)}
    assert sum(map(len, codes.values())) == len(set().union(*codes.values()))


@pytest.mark.parametrize(
    ("column", "rate"),
    [
        ("given", "given_name"),
        ("family", "family_name"),
        ("birth", "birth_date"),
        ("sex", "sex"),
        ("address", "address"),
    ],
)
def test_mistakes_happen_at_the_rate_of_the_settings(population: Population, column: str, rate: str) -> None:
    slips = getattr(school_register(population).mistakes, column)
    assert within(int((slips != wrong.RIGHT).sum()), len(slips), getattr(SETTINGS.mistakes, rate))


def test_records_without_mistakes_say_what_is_true(population: Population) -> None:
    register = school_register(population)
    slips = register.mistakes
    clean = (slips.given == 0) & (slips.family == 0) & (slips.birth == 0) & (slips.sex == 0)
    rows = np.flatnonzero(clean)[:500]
    made = claims(population, register, rows, 0)
    assert made.given == population.names.forenames[population.children.forename[made.child]].tolist()
    assert made.sex == population.children.sex[made.child].tolist()


def test_a_world_without_mistakes_is_written_without_mistakes() -> None:
    none = MistakeRates(**dict.fromkeys(MistakeRates.model_fields, 0.0))
    population = populate(WorldSettings(children=400, mistakes=none))
    register = yot_register(population)
    rows = np.arange(len(register))
    made = claims(population, register, rows, 0)
    forenames = population.names.forenames[population.children.forename[made.child]].tolist()
    assert made.given == forenames
    assert all(made.birth)


def test_the_registers_cover_the_children_they_should(population: Population) -> None:
    health = health_register(population)
    assert within(
        len(np.unique(health.child)), len(population.children), 1 - 0.03 * (1 - SETTINGS.coverage.specialist_trust)
    )
    assert len(health) > len(np.unique(health.child))
    assert (np.diff(health.unit) >= 0).all()
    teams = yot_register(population)
    as_of = (SETTINGS.as_of - date(1970, 1, 1)).days
    assert ((as_of - population.children.birth[teams.child]) / 365.25 >= 10).all()


def test_a_merged_record_has_a_survivor_in_the_same_trust(population: Population) -> None:
    health = health_register(population)
    losers = np.flatnonzero(health.merged_at != NEVER)
    survivors = health.duplicate_of[losers]
    assert len(losers) > 0
    assert (health.child[losers] == health.child[survivors]).all()
    assert (health.unit[losers] == health.unit[survivors]).all()


@pytest.mark.parametrize("chance", range(0, 400, 7))
def test_a_misspelt_name_is_one_small_slip_away(chance: int) -> None:
    for word in ("Muhammad", "Zoë", "O'Neill", "Ng", "Adéọlá", "Smith-Jones"):
        slip = misspell(word, chance)
        assert abs(len(slip) - len(word)) <= 1
        assert slip[0] == word[0]


@pytest.mark.parametrize("chance", range(0, 300, 11))
def test_wrong_numbers_and_postcodes_keep_their_form(chance: int) -> None:
    assert re.fullmatch(r"[0-9]{10}", misdial("9990001006", chance))
    assert re.fullmatch(r"ZA1 [0-9][A-Z]{2}", mispost("ZA1 0AB", chance))
    assert misdial("9990001006", chance) != "9990001006"


@pytest.mark.parametrize("kind", [wrong.BIRTH_SWAPPED, wrong.BIRTH_DAY, wrong.BIRTH_YEAR, wrong.BIRTH_FIRST_OF_JANUARY])
def test_a_wrong_birth_date_exists(kind: int) -> None:
    for day in range(1, 29):
        for chance in range(60):
            made = misdate(2014, 2, day, kind, chance)
            assert made is not None
            assert date(*made).year in (2013, 2014)


def test_an_impossible_birth_date_is_impossible() -> None:
    made = misdate(2014, 2, 3, wrong.BIRTH_IMPOSSIBLE, 5)
    assert made is not None
    with pytest.raises(ValueError, match="month"):
        date(*made)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("O'Neill-Adewale", "ONEILL ADEWALE"),
        ("Müller", "MUELLER"),
        ("Łukasz", "LUKASZ"),
        ("Ştefan", "STEFAN"),
        ("Y\u0131lmaz", "YILMAZ"),
        ("Adéọlá", "ADEOLA"),
    ],
)
def test_names_are_transliterated_as_in_a_passport(name: str, expected: str) -> None:
    assert transliterate(name) == expected


def test_a_postcode_gets_its_space_back() -> None:
    assert [spaced(text) for text in ("za10ab", "ZA1 0AB", "")] == ["ZA1 0AB", "ZA1 0AB", ""]


@pytest.mark.parametrize("wrong_settings", [{"children": 0}, {"seed": -1}, {"kids": 3}, {"life": {"twins": 1.5}}])
def test_settings_that_make_no_sense_are_refused(wrong_settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WorldSettings.model_validate(wrong_settings)
