from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from connectors.raw import RawName, RawPerson, RawPrimaryCare, RawWhereabouts
from ingest.partial import EMPTY, PartialState, dump, fold, load, withdraw

people = st.builds(
    RawPerson,
    names=st.none() | st.sampled_from([(), (RawName(family="A"),), (RawName(family="B"),)]),
    birth_date=st.none() | st.sampled_from(["", "2014-11-03"]),
    sex=st.none() | st.sampled_from(["", "F"]),
    primary_care=st.none() | st.sampled_from([RawPrimaryCare(), RawPrimaryCare("Hill")]),
    whereabouts=st.none() | st.just(RawWhereabouts(status="")),
)
statements = st.lists(st.tuples(st.integers(1, 4), st.none() | people), max_size=4)


def apply(said: list[tuple[int, RawPerson | None]]) -> PartialState:
    """Fold statements; `None` is a withdrawal."""
    state = EMPTY
    for version, person in said:
        state = withdraw(state, version) if person is None else fold(state, person, version)
    return state


@given(statements)
def test_the_order_in_which_statements_arrive_does_not_matter(said: list[tuple[int, RawPerson | None]]) -> None:
    results = {dump(apply(list(order))) for order in permutations(said)}
    assert len(results) == 1


@given(statements)
def test_saying_it_twice_changes_nothing(said: list[tuple[int, RawPerson | None]]) -> None:
    assert apply(said + said) == apply(said)


@given(statements)
def test_a_state_survives_the_store(said: list[tuple[int, RawPerson | None]]) -> None:
    state = apply(said)
    assert load(dump(state)) == state
    assert load(None) == EMPTY


def test_an_empty_field_keeps_and_two_quotes_delete() -> None:
    state = fold(EMPTY, RawPerson(names=(RawName(family="A"),), sex="F", birth_date="2014-11-03"), 1)
    state = fold(state, RawPerson(sex="", names=None), 2)
    assert state.person == RawPerson(names=(RawName(family="A"),), sex="", birth_date="2014-11-03")


def test_a_late_statement_fills_only_what_was_not_said_since() -> None:
    state = fold(EMPTY, RawPerson(sex="F"), 5)
    state = fold(state, RawPerson(sex="M", birth_date="2014-11-03"), 1)
    assert (state.person.sex, state.person.birth_date) == ("F", "2014-11-03")


def test_what_was_said_before_a_withdrawal_does_not_come_back() -> None:
    state = withdraw(fold(EMPTY, RawPerson(sex="F"), 1), 3)
    assert fold(state, RawPerson(sex="F"), 2) is state
    assert fold(state, RawPerson(birth_date="2014-11-03"), 4).person == RawPerson(birth_date="2014-11-03")
