"""The peer of the directory service: the same reads and the same audit entries in plain SQL, and nothing around them.

As many processes and connections as the service has, so that neither is short of what the other has. A request is one
transaction: begin, the read by the table's own index, `audit.append` of the same number of entries, commit. Values are
made before the clock starts; statements are prepared by the driver.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg

from schemas.settings import PostgresSettings

BY_NUMBER = "select child_number, document::text from directory.entry where child_number = %s"
BY_TERMS = (
    "select child_number, document::text from directory.entry "
    "where birth_date = %s and surname = %s and forename = %s limit 21"
)
_WHO = {"user": "u", "role": "health", "organisation": "o", "acr": "AAL3", "amr": ["hwk"]}
_ENTRY = {
    "who": _WHO, "policy": "p", "purpose": "safeguarding", "reason": "Attended A&E tonight", "request": "r",
    "decision": "permitted",
}  # fmt: skip
Body = dict[str, str]
Ask = Callable[[int], Awaitable[None]]


class Run(NamedTuple):
    """One timed run: answers a second, and percentiles of the time that one took, in milliseconds."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, times: Sequence[float], seconds: float) -> Run:
        """Return the run that took so long altogether."""
        cuts = statistics.quantiles(times, n=100)
        return cls(len(times) / seconds, cuts[49] * 1000, cuts[98] * 1000)


async def times_of(asks: Sequence[Ask], count: int) -> list[float]:
    """Let each client ask in turn until `count` requests are made; return the seconds that each took."""
    waiting = iter(range(count))
    times: list[float] = []

    async def client(ask: Ask) -> None:
        """Ask until nobody waits any more."""
        for n in waiting:
            began = time.perf_counter()
            await ask(n)
            times.append(time.perf_counter() - began)

    await asyncio.gather(*map(client, asks))
    return times


class RawPeer:
    """Processes with connections of their own that wait for requests."""

    def __init__(self, postgres: PostgresSettings, processes: int, clients: int) -> None:
        context = multiprocessing.get_context("spawn")
        dsn = postgres.dsn.get_secret_value()
        self._pipes: list[Connection] = []
        self._workers = []
        for n in range(processes):
            ours, theirs = context.Pipe()
            share = clients // processes + (n < clients % processes)
            self._pipes.append(ours)
            self._workers.append(context.Process(target=_work, args=(dsn, share, theirs), daemon=True))

    def __enter__(self) -> Self:
        """Start the processes."""
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End them."""
        for pipe, worker in zip(self._pipes, self._workers, strict=True):
            pipe.send(None)
            worker.join()

    def run(self, asked: Sequence[Body]) -> Run:
        """Time these requests, shared out evenly."""
        count = len(self._pipes)
        for n, pipe in enumerate(self._pipes):
            pipe.send(list(asked[n::count]))
        for pipe in self._pipes:
            pipe.recv()  # ready
        began = time.perf_counter()
        for pipe in self._pipes:
            pipe.send("go")
        times = [each for pipe in self._pipes for each in pipe.recv()]
        return Run.of(times, time.perf_counter() - began)


def _work(dsn: str, clients: int, pipe: Connection) -> None:
    asyncio.run(_serve(dsn, clients, pipe))


async def _serve(dsn: str, clients: int, pipe: Connection) -> None:
    connections = [await psycopg.AsyncConnection.connect(dsn, autocommit=True) for _ in range(clients)]
    while (asked := pipe.recv()) is not None:
        prepared = [_values(body) for body in asked]
        pipe.send("ready")
        pipe.recv()
        pipe.send(await times_of([_asking(each, prepared) for each in connections], len(prepared)))
    for connection in connections:
        await connection.close()


def _values(body: Body) -> list[str]:
    if "child_number" in body:
        return [body["child_number"]]
    return [body["birth_date"], body["surname"].lower(), body["forename"].lower()]


def _asking(connection: psycopg.AsyncConnection[tuple[Any, ...]], prepared: Sequence[list[str]]) -> Ask:
    async def ask(n: int) -> None:
        """Ask for the n-th child."""
        values = prepared[n]
        opening = len(values) == 1
        async with connection.transaction():
            cursor = await connection.execute(BY_NUMBER if opening else BY_TERMS, values)
            children = [row[0] for row in await cursor.fetchall()]
            assert children
            action = {"action": "opened" if opening else "searched"}
            entries: list[dict[str, Any]] = [_ENTRY | action | {"child": child} for child in children]
            if not opening:
                entries.append(_ENTRY | action | {"results": len(children)})
            await connection.execute("select audit.append(%s::jsonb)", [json.dumps(entries)])

    return ask
