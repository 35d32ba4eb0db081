"""Rounds: which requests share a transaction, and what each gets of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.service.rounds import Rounds


class Recorder:
    """Answers each case with itself after a moment, and remembers the rounds and who was under way at once."""

    def __init__(self) -> None:
        self.rounds: list[list[tuple[int, str]]] = []
        self.under_way: list[str] = []
        self.at_once = 0

    async def serve(self, cases: Sequence[tuple[int, str]]) -> list[int]:
        turns = [turn for _, turn in cases]
        assert not set(turns) & set(self.under_way)
        assert len(set(turns)) == len(turns)
        self.under_way += turns
        self.rounds.append(list(cases))
        self.at_once += 1
        assert self.at_once <= 2
        await asyncio.sleep(0)
        self.at_once -= 1
        self.under_way = [turn for turn in self.under_way if turn not in turns]
        return [number for number, _ in cases]


async def answers(recorder: Recorder, turns: Sequence[str]) -> list[int]:
    rounds = Rounds[tuple[int, str], int](recorder.serve, largest=4, at_once=2, patience=0)
    return await asyncio.gather(*(rounds.answer((n, turn), turn) for n, turn in enumerate(turns)))


@settings(max_examples=50)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_each_request_gets_its_own_answer_and_those_of_one_person_take_turns(turns: list[str]) -> None:
    recorder = Recorder()
    assert asyncio.run(answers(recorder, turns)) == list(range(len(turns)))
    assert all(len(each) <= 4 for each in recorder.rounds)
    for turn in set(turns):
        served = [number for each in recorder.rounds for number, whose in each if whose == turn]
        assert served == [number for number, whose in enumerate(turns) if whose == turn]


def test_requests_that_come_together_share_rounds() -> None:
    recorder = Recorder()
    asyncio.run(answers(recorder, [str(n) for n in range(8)]))
    assert [len(each) for each in recorder.rounds] == [4, 4]


def test_after_a_shared_round_the_next_waits_for_as_many() -> None:
    async def ask() -> None:
        rounds = Rounds[tuple[int, str], int](recorder.serve, largest=4, at_once=2, patience=3_600)
        await asyncio.gather(*(rounds.answer((n, str(n)), str(n)) for n in range(2)))
        early = asyncio.create_task(rounds.answer((2, "a"), "a"))
        await asyncio.wait({early}, timeout=0.01)
        assert len(recorder.rounds) == 1
        await asyncio.gather(early, rounds.answer((3, "b"), "b"))

    recorder = Recorder()
    asyncio.run(ask())
    assert [len(each) for each in recorder.rounds] == [2, 2]


def test_one_that_waits_for_others_in_vain_goes_alone() -> None:
    async def ask() -> None:
        rounds = Rounds[tuple[int, str], int](recorder.serve, largest=4, at_once=1, patience=0.001)
        await asyncio.gather(*(rounds.answer((n, str(n)), str(n)) for n in range(3)))
        assert [await rounds.answer((n, "a"), "a") for n in range(3, 6)] == [3, 4, 5]

    recorder = Recorder()
    asyncio.run(ask())
    assert [len(each) for each in recorder.rounds] == [3, 1, 1, 1]


def test_what_fails_is_told_to_all_of_the_round_and_the_next_round_goes_on() -> None:
    fails = iter([True, False])

    async def serve(cases: Sequence[int]) -> list[int]:
        if next(fails):
            raise OSError
        return list(cases)

    async def ask() -> None:
        rounds = Rounds[int, int](serve, largest=4, at_once=1, patience=0)
        found = await asyncio.gather(rounds.answer(1, "a"), rounds.answer(2, "b"), return_exceptions=True)
        assert [type(each) for each in found] == [OSError, OSError]
        assert await rounds.answer(3, "a") == 3

    asyncio.run(ask())


def test_a_request_that_nobody_waits_for_any_more_is_left_out() -> None:
    async def ask() -> None:
        rounds = Rounds[tuple[int, str], int](recorder.serve, largest=4, at_once=1, patience=0)
        left = asyncio.create_task(rounds.answer((1, "a"), "a"))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert await rounds.answer((2, "b"), "b") == 2

    recorder = Recorder()
    asyncio.run(ask())
    assert [case for each in recorder.rounds for case in each if case[1] == "b"] == [(2, "b")]
