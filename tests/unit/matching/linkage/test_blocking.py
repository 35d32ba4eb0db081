from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage.blocking import Blocker
from matching.linkage.candidates import candidate_pairs, decode_pairs, encode_pairs, shared_keys
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.components import connected_components
from matching.linkage.model import BlockingRule, LinkageModel
from matching.linkage.part_hashes import PARTS, soundex
from schemas.errors import ConfigurationError
from tests.unit.matching.worlds import FIELDS, model, values

Row = tuple[str, ...]
Keys = set[Row]


def plain_keys(row: tuple[str, ...]) -> Keys:
    """Return the blocking keys of the test world's rules in the plainest way."""
    keys: Keys = set()
    for given_name, surname, birth, postcode, number in product(*(value.split("|") for value in row)):
        rules = (
            ("number", number),
            ("birth and forename", birth, given_name),
            ("birth and surname", birth, surname),
            ("names and year", *sorted((given_name, surname)), birth[:4]),
            ("letter, sound, place", given_name[:1], soundex(surname), postcode),
        )
        keys |= {rule for rule in rules if all(rule)}
    return keys


def linked(columns: RecordColumns, world: LinkageModel, chunk: int, *, beside: bool = False) -> list[tuple[int, int]]:
    parts = candidate_pairs(columns, world, chunk, beside=beside)
    return [pair for a, b in parts for pair in zip(a.tolist(), b.tolist(), strict=True)]


@settings(deadline=None)
@given(st.lists(values, max_size=25), st.sampled_from([1, 7, 1_000_000]))
def test_candidate_pairs_are_those_that_share_a_key_each_once(rows: list[tuple[str, ...]], chunk: int) -> None:
    columns = columns_of(model(), rows, ["s"] * len(rows))
    keys = [plain_keys(row) for row in rows]
    expected = [(a, b) for a, b in combinations(range(len(rows)), 2) if keys[a] & keys[b]]
    assert sorted(linked(columns, model(), chunk)) == expected


@given(st.lists(values, max_size=12))
def test_rules_told_again_by_other_names_bring_no_pair_twice(rows: list[tuple[str, ...]]) -> None:
    columns = columns_of(model(), rows, ["s"] * len(rows))
    rules = [BlockingRule(f"{rule.name} {i}", rule.parts) for i in range(4) for rule in model().blocking_rules]
    many = replace(model(), blocking_rules=tuple(rules))
    assert sorted(linked(columns, many, 7)) == sorted(linked(columns, model(), 7))


def test_more_rules_than_a_word_has_bits_are_refused_for_a_whole_table() -> None:
    columns, rules = columns_of(model(), [], []), tuple(BlockingRule(f"r{i}", ("given_name",)) for i in range(65))
    with pytest.raises(ConfigurationError, match="65 blocking rules; a whole table is linked by 64 at most"):
        list(candidate_pairs(columns, replace(model(), blocking_rules=rules)))


@given(st.lists(values, max_size=25))
def test_records_have_as_many_keys_as_their_alternates_make(rows: list[tuple[str, ...]]) -> None:
    columns = columns_of(model(), rows, ["s"] * len(rows))
    owners, keys = Blocker(model()).keys(columns, np.arange(len(rows)))
    assert np.bincount(owners, minlength=len(rows)).tolist() == [len(plain_keys(row)) for row in rows]
    assert len({*zip(owners.tolist(), keys.tolist(), strict=True)}) == len(keys)


def test_keys_do_not_depend_on_what_else_is_in_the_store() -> None:
    rows = [("ANNA|HANNAH", "SMITH", "20010203", "AB12CD", "1"), ("BEN", "JONES", "", "", "2")]
    alone = [Blocker(model()).keys(columns_of(model(), [row], ["s"]), np.array([0]))[1].tolist() for row in rows]
    owners, keys = Blocker(model()).keys(columns_of(model(), rows, ["s", "t"]), np.array([1, 0]))
    assert [sorted(keys[owners == 1].tolist()), sorted(keys[owners == 0].tolist())] == [sorted(k) for k in alone]


def test_a_stopped_key_brings_no_records_together() -> None:
    rows = [("", "", "", "", "9999999998")] * 4 + [("", "", "", "", "1234567881")] * 2
    columns = columns_of(model(), rows, ["s"] * 6)
    keys, sizes = shared_keys(columns, model())
    assert sorted(sizes.tolist()) == [2, 4]
    assert linked(columns, model(stop_keys=tuple(keys[sizes > 3].tolist())), 100) == [(4, 5)]


@pytest.mark.parametrize(("surname", "connected"), [("LEE", 200), ("", 0)])
def test_blocks_too_large_to_be_compared_are_connected_by_few_near_pairs_if_several_rules_have_them(
    surname: str, connected: int
) -> None:
    rows = [("ANNA", surname, "20010203", f"AB{i % 7}{i % 5}CD", "") for i in range(200)]
    columns = columns_of(model(), rows, ["s"] * 200)
    world = model(stop_keys=tuple(shared_keys(columns, model())[0].tolist()))
    pairs = np.array(linked(columns, world, 1_000, beside=True), np.int64).reshape(-1, 2)
    assert len(set(connected_components(200, *pairs.T).tolist())) == 200 - max(0, connected - 1)
    assert len(pairs) < 4 * 200


@settings(deadline=None)
@given(st.lists(values, max_size=25))
def test_near_records_of_a_stopped_block_are_compared_once_if_no_other_block_has_them(rows: list[Row]) -> None:
    columns = columns_of(model(), rows, ["s"] * len(rows))
    keys, sizes = shared_keys(columns, model())
    world = model(stop_keys=tuple(sorted({*keys[sizes > 2].tolist()})))
    found = linked(columns, world, 7, beside=True)
    assert len(found) == len(set(found))
    assert set(linked(columns, world, 7)) <= set(found) <= set(linked(columns, model(), 7))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ROBERT", "R163"),
        ("RUPERT", "R163"),
        ("ASHCRAFT", "A261"),
        ("TYMCZAK", "T522"),
        ("PFISTER", "P236"),
        ("LEE", "L000"),
        ("", ""),
    ],
)
def test_soundex_gives_the_published_codes(name: str, code: str) -> None:
    assert soundex(name) == code


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("year", "20010203", "2001"),
        ("month_day", "20010203", "0203"),
        ("year_month", "20010203", "200102"),
        ("first", "ANNA", "A"),
        ("first3", "ANNA", "ANN"),
        ("first_word", "ANNA MARIA", "ANNA"),
        ("last_word", "SMITH JONES", "JONES"),
        ("area", "B12CD", "B"),
        ("area", "AB12CD", "AB"),
        ("sector", "AB12CD", "AB12"),
        ("first_words", "12 HIGH STREET", "12 HIGH"),
    ],
)
def test_parts_of_values(part: str, value: str, expected: str) -> None:
    function: Callable[[str], str] = PARTS[part]
    assert function(value) == expected


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("shoe", "names no field 'shoe'; known: given_name"),
        ("year(shoe)", "names no field 'shoe'"),
        ("age(date_of_birth)", "unknown function .* known: sorted, year"),
        ("sorted(surname)", "has 1 fields"),
        ("year(date_of_birth, surname)", "has 2 fields"),
    ],
)
def test_a_part_that_is_not_known_is_refused(part: str, message: str) -> None:
    wrong = replace(model(), blocking_rules=(BlockingRule("wrong", (part,)),))
    with pytest.raises(ConfigurationError, match=message):
        Blocker(wrong)


def test_no_rules_give_no_keys() -> None:
    columns = columns_of(model(), [("ANNA", "SMITH", "", "", "")], ["s"])
    owners, keys = Blocker(replace(model(), blocking_rules=())).keys(columns, np.array([0]))
    assert (len(owners), len(keys), len(FIELDS)) == (0, 0, 5)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))))
def test_a_pair_is_one_number_whichever_way_round(pairs: list[tuple[int, int]]) -> None:
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    codes = encode_pairs(left, right)
    assert codes.tolist() == encode_pairs(right, left).tolist()
    assert [list(map(int, pair)) for pair in zip(*decode_pairs(codes), strict=True)] == [sorted(pair) for pair in pairs]
