"""Requests that come together share a transaction: while some are being answered, the next ones gather.

A commit costs as much as several reads, whoever shares it. A request that comes alone is answered at once, alone. Where
rounds are shared, the next one waits for as many requests as the last ones had, but no request waits longer for that
than the patience that is given (PostgreSQL's `commit_delay` is such a rule for commits).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Case = TypeVar("Case")
Found = TypeVar("Found")


@dataclass(eq=False)
class _Waiting(Generic[Case, Found]):
    case: Case
    turn: str
    since: float
    found: asyncio.Future[Found] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Rounds(Generic[Case, Found]):
    """Lets `serve` answer the waiting cases, at most `largest` in a round and `at_once` rounds at a time.

    A round begins when as many wait as the last ones had, or when one has waited for `patience` seconds. Two cases of
    one turn are never under way together; each takes its turn in the order of arrival. `serve` returns what it found
    for each case at its place; what it raises is raised to all of the round.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[Case]], Awaitable[Sequence[Found]]],
        *,
        largest: int,
        at_once: int,
        patience: float,
    ) -> None:
        self._serve = serve
        self._largest = largest
        self._free = at_once
        self._patience = patience
        self._wanted = 1
        self._beginning = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[_Waiting[Case, Found]] = []
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, case: Case, turn: str) -> Found:
        """Return what is found for a case."""
        waiting = _Waiting[Case, Found](case, turn, asyncio.get_running_loop().time())
        self._waiting.append(waiting)
        self._look()
        return await waiting.found

    def _look(self) -> None:
        """Begin a round once as many wait as are wanted, or when the oldest has waited long enough."""
        if self._beginning or not self._free or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        patience = self._waiting[0].since + self._patience - loop.time()
        if len(self._waiting) >= self._wanted or patience <= 0:
            self._beginning = True
            loop.call_soon(self._begin)  # with those that arrived at the same moment
        elif self._timer is None:
            self._timer = loop.call_later(patience, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._look()

    def _begin(self) -> None:
        self._beginning = False
        chosen = self._choose()
        if not chosen:
            return  # all of them take turns with what is under way, whose end looks again
        self._wanted = max(len(chosen), self._wanted - 1)
        self._free -= 1
        task = asyncio.create_task(self._take(chosen))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._look()

    def _choose(self) -> list[_Waiting[Case, Found]]:
        """Take the oldest cases whose turn it is; what is left is chosen after a round that is under way."""
        chosen: list[_Waiting[Case, Found]] = []
        left: list[_Waiting[Case, Found]] = []
        for each in self._waiting:
            if each.found.done():
                continue  # nobody waits for it any more
            if len(chosen) == self._largest or each.turn in self._under_way:
                left.append(each)
                continue
            self._under_way.add(each.turn)
            chosen.append(each)
        self._waiting = left
        return chosen

    async def _take(self, chosen: Sequence[_Waiting[Case, Found]]) -> None:
        try:
            found = await self._serve([each.case for each in chosen])
        except Exception as error:  # noqa: BLE001 - raised to those who wait
            for each in chosen:
                if not each.found.done():
                    each.found.set_exception(error)
        else:
            for each, one in zip(chosen, found, strict=True):
                if not each.found.done():
                    each.found.set_result(one)
        finally:
            self._under_way.difference_update(each.turn for each in chosen)
            self._free += 1
            self._look()
