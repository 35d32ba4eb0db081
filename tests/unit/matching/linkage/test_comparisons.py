from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage import similarity as sim
from matching.linkage.columns import columns_of
from matching.linkage.comparisons import KINDS, check_kinds, compare, untrained_comparison
from matching.linkage.explain import explain_pair
from matching.linkage.model import BlockingRule, Field, LinkageModel
from schemas.errors import ConfigurationError
from tests.unit.matching.worlds import model, values

MISSING, DIFFERENT = 0, 1


def one_comparison(kind: str) -> LinkageModel:
    """Return a model with one comparison; names come as (name, other name), to see them exchanged."""
    names = {"given_name": ("value", "other"), "surname": ("value", "other")}.get(kind, ("value",))
    fields = (Field("value", kind), Field("other", "surname"))
    return LinkageModel(
        "one",
        "2026-11-23",
        fields,
        (untrained_comparison("it", kind, names),),
        (BlockingRule("r", ("value",)),),
        0.1,
        0,
        0,
    )


def level(kind: str, left: str, right: str, others: tuple[str, str] = ("", "")) -> int:
    columns = columns_of(one_comparison(kind), [(left, others[0]), (right, others[1])], ["a", "b"])
    forward = compare(columns, np.array([0]), np.array([1]), one_comparison(kind))
    backward = compare(columns, np.array([1]), np.array([0]), one_comparison(kind))
    assert forward.tolist() == backward.tolist()
    return int(forward[0, 0])


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param("ANNA", "ANNA", sim.NAME_EXACT, id="the same"),
        pytest.param("ANNA", "", MISSING, id="missing"),
        pytest.param("", "", MISSING, id="both missing"),
        pytest.param("MARTHA", "MARHTA", sim.NAME_NEAR, id="Winkler's own example, .961"),
        pytest.param("DWAYNE", "DUANE", sim.NAME_SLIGHT, id="another of his, .840"),
        pytest.param("DIXON", "DICKSONX", sim.NAME_SLIGHT, id="a third, .813"),
        pytest.param("JONATHAN", "JOHNATAN", sim.NAME_NEAR, id="spelling"),
        pytest.param("KATRINA", "KATARZYNA", sim.NAME_ALIKE, id="alike"),
        pytest.param("WILLIAM", "BILL", sim.NAME_VARIANT, id="short form"),
        pytest.param("ELIZABETH", "BETTY", sim.NAME_VARIANT, id="short form with nothing in common"),
        pytest.param("ANNA MARIA", "MARIA", sim.NAME_VARIANT, id="one of several names"),
        pytest.param("ANNA", "XIO", DIFFERENT, id="different"),
        pytest.param("ANNA|HANNAH", "HANNAH", sim.NAME_EXACT, id="an alternate is the same"),
        pytest.param("XIO|MARTHA", "MARHTA|QQ", sim.NAME_NEAR, id="the closest of the alternates"),
    ],
)
def test_forenames(left: str, right: str, expected: int) -> None:
    assert level("given_name", left, right) == expected


@pytest.mark.parametrize(
    ("left", "right", "others", "expected"),
    [
        pytest.param("SMITH", "SMITH JONES", ("", ""), sim.NAME_VARIANT, id="beginning of a double name"),
        pytest.param("JONES", "SMITH JONES", ("", ""), sim.NAME_VARIANT, id="end of a double name"),
        pytest.param("JONES", "ABAZI JONES", ("", ""), sim.NAME_VARIANT, id="end of a name that begins otherwise"),
        pytest.param("AL QADI", "AL TURK", ("", ""), DIFFERENT, id="a particle is no shared part"),
        pytest.param("SMITH", "ANNA", ("ANNA", "SMITH"), sim.NAME_SWAPPED, id="forename and surname exchanged"),
        pytest.param("SMITH", "ANNA|LUX", ("ANNA", "JONES|SMITH"), sim.NAME_SWAPPED, id="exchanged with alternates"),
        pytest.param("SMITH", "ANNA|LUX", ("ANNA", "JONES|OTHER"), DIFFERENT, id="half exchanged with alternates"),
        pytest.param("SMITH", "ANNA", ("ANNA", "SMYTH"), sim.NAME_SWAPPED, id="exchanged, and one of them mistyped"),
        pytest.param("SMITH", "ANNA", ("ANNA", ""), sim.NAME_SWAPPED, id="exchanged, and one of them left out"),
        pytest.param("SMITH", "ANNA", ("ANNA", "OTHER"), DIFFERENT, id="only half exchanged"),
        pytest.param("SMITH", "ANNA", ("", "SMYTH"), DIFFERENT, id="none of the two is the same"),
        pytest.param("SMITH", "SMITH", ("SMITH", "SMITH"), sim.NAME_EXACT, id="the same beats exchanged"),
        pytest.param("JONES", "SMITH|JONES", ("", ""), sim.NAME_EXACT, id="former surname"),
    ],
)
def test_surnames(left: str, right: str, others: tuple[str, str], expected: int) -> None:
    assert level("surname", left, right, others) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param("20010203", "20010203", sim.DATE_EXACT, id="the same"),
        pytest.param("20010101", "20010101", sim.DATE_VAGUE, id="the same 1st of January"),
        pytest.param("20010203", "20010302", sim.DATE_SWAPPED, id="day and month exchanged"),
        pytest.param("20010203", "20010204", sim.DATE_ONE_EDIT, id="one digit wrong"),
        pytest.param("20010203", "20010230", sim.DATE_ONE_EDIT, id="neighbours exchanged"),
        pytest.param("20010203", "20100203", sim.DATE_ONE_EDIT, id="neighbours exchanged in the year"),
        pytest.param("20010203", "20010215", sim.DATE_TWO_PARTS, id="another day"),
        pytest.param("20010203", "19950203", sim.DATE_TWO_PARTS, id="another year"),
        pytest.param("20010203", "20011115", sim.DATE_YEAR, id="the same year"),
        pytest.param("20010203", "19951115", DIFFERENT, id="nothing in common"),
        pytest.param("20010203", "2001", sim.DATE_YEAR, id="not folded: compared as far as it goes"),
        pytest.param("20010203", "", MISSING, id="missing"),
    ],
)
def test_dates(left: str, right: str, expected: int) -> None:
    assert level("date", left, right) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param("AB12CD", "AB12CD", sim.POSTCODE_EXACT, id="the same"),
        pytest.param("AB12CD", "AB12CE", sim.POSTCODE_ONE_EDIT, id="one letter wrong"),
        pytest.param("AB12CD", "BA12CD", sim.POSTCODE_ONE_EDIT, id="neighbours exchanged"),
        pytest.param("AB12CD", "AB12EF", sim.POSTCODE_SECTOR, id="the same sector"),
        pytest.param("AB12CD", "AB99XY", sim.POSTCODE_AREA, id="the same area"),
        pytest.param("B12CD", "BA99XY", DIFFERENT, id="B is not BA"),
        pytest.param("2620", "2929", DIFFERENT, id="numbers have no area"),
        pytest.param("AB12CD", "", MISSING, id="missing"),
    ],
)
def test_postcodes(left: str, right: str, expected: int) -> None:
    assert level("postcode", left, right) == expected


@pytest.mark.parametrize(
    ("kind", "left", "right", "expected"),
    [
        pytest.param("sex", "M", "M", sim.SAME, id="sex the same"),
        pytest.param("sex", "M", "F", DIFFERENT, id="sex different"),
        pytest.param("identifier", "9434765919", "9434765919", sim.IDENTIFIER_EXACT, id="number the same"),
        pytest.param("identifier", "9434765919", "9434765991", sim.IDENTIFIER_CLOSE, id="number mistyped"),
        pytest.param("identifier", "9434765919", "1234567881", DIFFERENT, id="number different"),
        pytest.param("identifier", "A1|B22222", "B22222", sim.IDENTIFIER_EXACT, id="former number"),
        pytest.param("address", "12 HIGH STREET", "12 HIGH STREET", sim.TEXT_EXACT, id="address the same"),
        pytest.param("address", "12 HIGH STREET", "12 HIGH STRET", sim.TEXT_NEAR, id="address nearly the same"),
        pytest.param("address", "12 HIGH STREET", "7 MILL LANE", DIFFERENT, id="address different"),
        pytest.param("short_string", "DIXON", "DICKSONX", sim.TEXT_SLIGHT, id="text slightly alike"),
        pytest.param("short_string", "KATRINA", "KATARZYNA", sim.TEXT_ALIKE, id="text alike"),
        pytest.param("years", "1984", "1984", sim.YEARS_EXACT, id="years the same"),
        pytest.param("years", "34", "36", sim.YEARS_NEAR, id="years near"),
        pytest.param("years", "34", "37", DIFFERENT, id="years different"),
        pytest.param("exact", "A", "A", sim.SAME, id="code the same"),
        pytest.param("exact", "A", "B", DIFFERENT, id="code different"),
        pytest.param("exact", "A|B", "B|C", sim.SAME, id="codes share one"),
        pytest.param("exact", "A", "", MISSING, id="code missing"),
    ],
)
def test_other_kinds(kind: str, left: str, right: str, expected: int) -> None:
    assert level(kind, left, right) == expected


@given(st.lists(values, min_size=2, max_size=12))
def test_many_pairs_at_once_agree_with_each_pair_alone(rows: list[tuple[str, ...]]) -> None:
    world = model()
    columns = columns_of(world, rows, ["a"] * len(rows))
    every = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if a != b]
    left, right = (np.array(side * 40) for side in zip(*every, strict=True))  # enough to look for unique values
    expected = [[row.level_code for row in explain_pair(world, rows[a], rows[b]).rows] for a, b in every] * 40
    assert compare(columns, left, right, world).tolist() == expected
    columns.spread()
    assert compare(columns, left, right, world).tolist() == expected


def test_no_pairs_give_no_levels() -> None:
    none = np.empty(0, np.int64)
    assert compare(columns_of(model(), [], []), none, none, model()).shape == (0, 5)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_explains_itself_and_starts_from_probabilities(kind: str) -> None:
    levels = KINDS[kind].levels
    assert KINDS[kind].explanation.endswith(".")
    assert sum(m for _, m, _ in levels) == pytest.approx(1.0)
    assert sum(u for _, _, u in levels) == pytest.approx(1.0)


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="unknown comparison kind 'shoe'; known: given_name, surname"):
        untrained_comparison("shoe", "shoe", ())
    good = model()
    with pytest.raises(ConfigurationError, match="unknown kind 'shoe'"):
        check_kinds(replace(good, comparisons=(replace(good.comparisons[0], kind="shoe"),)))
    with pytest.raises(ConfigurationError, match=r"needs 8 levels and 2 field\(s\)"):
        check_kinds(replace(good, comparisons=(replace(good.comparisons[0], levels=good.comparisons[0].levels[:5]),)))
