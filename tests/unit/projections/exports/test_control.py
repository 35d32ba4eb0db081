"""Disclosure control: small groups never leave, neither directly nor by subtraction."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.exports.control import (
    LARGEST_SUPPRESSED,
    SUPPRESSED,
    Row,
    cells,
    published_cells,
    published_count,
    refusals,
    small_residues,
    table,
)
from projections.exports.specification import Column, ReleaseSpec

AS_OF, EXPIRES = date(2026, 11, 1), date(2027, 3, 1)


def spec(kind: str = "counts", columns: tuple[Column, ...] = ("sex",), **more: int) -> ReleaseSpec:
    return ReleaseSpec.model_validate(
        {"project": "p", "kind": kind, "columns": columns, "as_of": AS_OF, "expires": EXPIRES, **more}
    )


def row(number: int, *, sex: str = "female", age: int | None = 9, authority: str = "A", school: bool = True) -> Row:
    return Row(f"p{number}", f"t{number}", sex, age, authority, "current", school, has_practice=True)


def people(count: int, first: int = 0, sex: str = "female") -> list[Row]:
    """Return so many alike children of whom every second one is in education."""
    return [row(first + n, sex=sex, school=n % 2 == 0) for n in range(count)]


rows = st.lists(
    st.builds(
        row,
        st.integers(0, 10**6),
        sex=st.sampled_from(["female", "male"]),
        age=st.none() | st.integers(0, 17),
        authority=st.sampled_from("AB"),
        school=st.booleans(),
    ),
    max_size=60,
    unique_by=lambda one: one.token,
)


@given(st.integers(0, 10_000))
def test_a_count_of_1_to_7_is_suppressed_and_any_other_rounded_to_5(number: int) -> None:
    published = published_count(number)
    assert (published == SUPPRESSED) == (1 <= number <= 7)
    if published != SUPPRESSED:
        assert int(published) % 5 == 0
        assert abs(int(published) - number) <= 2


@given(rows)
def test_records_that_may_leave_are_10_alike_with_2_values_of_what_they_tell(drawn: list[Row]) -> None:
    wanted = spec("records", ("sex", "authority", "in_education"))
    if refusals(drawn, wanted, {}):
        return
    body = table(drawn, wanted)[1:]
    assert min(Counter(line[1:3] for line in body).values()) >= 10
    assert all(len({line[3] for line in body if line[1:3] == alike[1:3]}) >= 2 for alike in body)


def test_records_of_nine_alike_children_are_refused_and_ten_leave() -> None:
    wanted = spec("records", ("sex", "in_education"))
    assert "fewer than 10 children" in refusals(people(9), wanted, {})[0]
    assert refusals(people(10), wanted, {}) == []


def test_a_class_in_which_all_are_alike_in_what_is_told_is_refused() -> None:
    alike = [row(n, school=True) for n in range(20)]
    assert "fewer than 2 values" in refusals(alike, spec("records", ("sex", "in_education")), {})[0]


@pytest.mark.parametrize(
    ("gone", "more", "reveals"),
    [(0, 0, False), (0, 1, True), (0, 7, True), (0, 8, False), (7, 0, True), (3, 8, True), (8, 8, False)],
)
def test_two_releases_of_one_cell_must_not_differ_by_a_few_children(gone: int, more: int, reveals: bool) -> None:
    earlier = {"R1": published_cells(cells(people(20), ("sex",)), spec())}
    assert bool(refusals(people(20 + more)[gone:], spec(), earlier)) == reveals


def test_a_suppressed_cell_cannot_be_had_by_subtracting_its_neighbours_from_a_total() -> None:
    everyone = people(30) + people(4, 100, sex="male")
    total = [one._replace(authority="A") for one in everyone]
    earlier = {"R1": published_cells(cells(total, ("authority",)), spec(columns=("authority",)))}
    assert refusals(total, spec(columns=("sex", "authority")), earlier)


@given(rows, rows)
def test_no_residue_is_left_between_releases_that_may_both_leave(first: list[Row], second: list[Row]) -> None:
    old = published_cells(cells(first, ("sex", "age_stage")), spec())
    new = published_cells(cells(second, ("sex", "age_stage")), spec())
    if not refusals(second, spec(columns=("sex", "age_stage")), {"R1": old}):
        assert not any(1 <= size <= LARGEST_SUPPRESSED for _, size in small_residues(new, old))


@given(rows)
def test_a_release_holds_the_columns_asked_for_and_neither_token_nor_exact_age(drawn: list[Row]) -> None:
    for line in table(drawn, spec("records", ("age_five_years", "has_practice")))[1:]:
        assert len(line) == 3
        assert not line[0].startswith("t")


def test_a_reader_who_knows_everybodys_sex_age_and_authority_finds_nobody() -> None:
    everyone = [row(n, sex=["female", "male"][n % 2], age=n % 18, school=n % 7 == 0) for n in range(2_000)]
    wanted = spec("records", ("sex", "age_stage", "authority", "in_education"))
    assert refusals(everyone, wanted, {}) == []
    released = Counter(line[1:4] for line in table(everyone, wanted)[1:])
    found = [one for one in everyone if released[table([one], wanted)[1][1:4]] == 1]
    assert len(found) / len(everyone) < 0.01


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"columns": ("surname",)}, "columns"),
        ({"columns": ("age_stage", "age_five_years")}, "narrower ages"),
        ({"k": 5}, "k"),
        ({"l": 1}, "l"),
        ({"expires": AS_OF}, "expires"),
        ({"columns": ("sex", "sex")}, "once"),
    ],
)
def test_a_request_for_what_is_not_allowed_says_which_key(change: dict[str, object], says: str) -> None:
    asked = {"project": "p", "kind": "records", "columns": ("sex",), "as_of": AS_OF, "expires": EXPIRES} | change
    with pytest.raises(ValueError, match=says):
        ReleaseSpec.model_validate(asked)
