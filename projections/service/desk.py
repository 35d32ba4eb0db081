"""One round, one transaction: admit, decide, read, append to the audit trail, commit; then there are answers."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from connectors.postgres import sql_blocks
from projections.service.case import Asked, Caller, Case, Read, Refusal, Statement, Unavailable
from projections.service.decision import Action
from projections.service.judging import LARGEST_ROUND, judge_round, malformed_refused, unknown_refused
from projections.service.limits import Limits, normal_reason
from projections.service.rounds import Rounds

_SQL = sql_blocks("projections.service.sql")
_BEGIN, _COMMIT = Statement("begin"), Statement("commit")
_PATIENCE_SECONDS = 0.01
_DIGEST_BYTES = 8  # of a reason: twenty are kept for each person and day
Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]


class _NothingDoneError(psycopg.OperationalError):
    """The connection broke before the transaction could be committed."""


class _UnsureError(Exception):
    """Whether all may be answered depends on requests of the same organisations: each must be served alone."""


class Desk:
    """Answers requests; the clock is passed in so that tests can hold it still."""

    def __init__(self, pool: Pool, clock: Callable[[], int], limits: Limits, reason_key: bytes, rounds: int) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._reason_key = reason_key
        self._rounds = Rounds[Case, Any](self._serve, largest=LARGEST_ROUND, at_once=rounds, patience=_PATIENCE_SECONDS)

    async def answer(self, caller: Caller, asked: Asked, read: Read) -> Any | Refusal:
        """Return what `read` finds, or why nothing was read; raise Unavailable when nothing may be answered.

        The entries of the audit trail are durable by then, whatever is returned.
        """
        words = hmac.digest(self._reason_key, normal_reason(asked.reason).encode(), hashlib.sha256)[:_DIGEST_BYTES]
        case = Case(caller, asked, read, words)
        found = await self._rounds.answer(case, caller.person.subject)
        if isinstance(found, Unavailable):
            raise found
        return found if isinstance(found, Refusal) else read.form(case, found)

    async def child_named(self, caller: Caller, name: str) -> str | None:
        """Return the child that this name of an address stands for, if this person was given it and it still holds."""
        found: str | None = await self._alone(Statement("child_named", (caller.user.subject, name)))
        return found

    async def refuse_unknown(self, request: str, code: str) -> None:
        """Record an attempt whose token does not hold, so that nobody is known."""
        await self._alone(unknown_refused(request, code))

    async def refuse_malformed(self, caller: Caller, action: Action) -> None:
        """Record a request that cannot be read: it has no terms and no child that could be named."""
        await self._alone(malformed_refused(caller, action))

    async def _alone(self, statement: Statement) -> Any:
        try:
            async with self._connection() as connection:
                return (await _values(connection, [statement]))[0]
        except (psycopg.Error, PoolTimeout) as error:
            raise Unavailable from error

    async def _serve(self, cases: Sequence[Case], *, alone: bool = False, again: bool = False) -> list[Any]:
        """Return what is found for each case, a Refusal or Unavailable; one that fails takes no other along.

        Where the connection was broken before anything could be committed, the cases are served once more. `alone`: the
        one case beside no other of its organisation.
        """
        try:
            async with self._connection() as connection:
                try:
                    return await self._transaction(connection, cases, alone=alone)
                except psycopg.Error:
                    if connection.closed or len(cases) == 1:
                        raise
                except _UnsureError:
                    alone = True
        except (psycopg.Error, PoolTimeout) as error:
            if isinstance(error, _NothingDoneError) and not again:
                return await self._serve(cases, alone=alone, again=True)
            return [Unavailable() for _ in cases]
        return [found for case in cases for found in await self._serve([case], alone=alone)]

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection; when it breaks, replace all: what has cut one has mostly cut the others."""
        async with self._pool.connection() as connection:
            try:
                yield connection
            finally:
                if connection.closed:
                    await self._pool.drain()

    async def _transaction(
        self, connection: AsyncConnection[TupleRow], cases: Sequence[Case], *, alone: bool
    ) -> list[Any]:
        async with _ended(connection):
            admissions = Jsonb([case.admission(alone=alone) for case in cases])
            try:
                (facts,) = await _values(connection, [_BEGIN, Statement("admit", (admissions,))])
            except psycopg.Error as error:
                if connection.closed:
                    raise _NothingDoneError from error
                raise
            judged = judge_round(cases, facts, self._clock(), self._limits)
            if not all(each.sure for each in judged):
                raise _UnsureError
            steps = [
                each.refusing or [case.read.statement(case, each.context)]
                for case, each in zip(cases, judged, strict=True)
            ]
            values = iter(await _values(connection, [*itertools.chain(*steps), _COMMIT]))
            found = [[next(values) for _ in step][-1] for step in steps]
            return [one if each.refusal is None else each.refusal for one, each in zip(found, judged, strict=True)]


async def _values(connection: AsyncConnection[TupleRow], statements: Sequence[Statement]) -> list[Any]:
    """Run statements in one round trip; return the one value of each, but of those that return nothing."""
    text: LiteralString = "\n".join([_SQL[statement.name] for statement in statements])
    cursor = await connection.execute(text, [value for statement in statements for value in statement.values])
    found = []
    while True:
        if cursor.description is not None:
            row = await cursor.fetchone()
            found.append(None if row is None else row[0])
        if not cursor.nextset():
            return found


@contextlib.asynccontextmanager
async def _ended(connection: AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """Roll back what the block left open; it begins with its first statement and commits with its last."""
    try:
        yield
    finally:
        if not connection.closed and connection.info.transaction_status is not TransactionStatus.IDLE:
            await connection.rollback()
