"""One round, one transaction: admit, decide, read, append to the audit trail, commit; then there are answers."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from connectors.postgres import sql_blocks
from projections.service.case import (
    ACTS,
    LOGGED_IN,
    Asked,
    Caller,
    Case,
    Read,
    Refusal,
    Statement,
    Unavailable,
    context_of,
)
from projections.service.decision import POLICY_VERSION, Action, Decision, Outcome, Participant, Person, Request, decide
from projections.service.limits import Limits, Passed, Use, compare, judge_reason, normal_reason
from projections.service.rounds import Rounds

_SQL = sql_blocks("projections.service.sql")
_COMMIT = Statement("commit")
_LARGEST_ROUND = 16
_PATIENCE_SECONDS = 0.01
Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]


class _NothingDoneError(psycopg.OperationalError):
    """The connection broke before the transaction could be committed."""


class Desk:
    """Answers requests; the clock is passed in so that tests can hold it still."""

    def __init__(self, pool: Pool, clock: Callable[[], int], limits: Limits, reason_key: bytes, rounds: int) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._reason_key = reason_key
        self._rounds = Rounds[Case, Any](
            self._serve, largest=_LARGEST_ROUND, at_once=rounds, patience=_PATIENCE_SECONDS
        )

    async def answer(self, caller: Caller, asked: Asked, read: Read) -> Any | Refusal:
        """Return what `read` finds, or why nothing was read; raise Unavailable when nothing may be answered.

        The entries of the audit trail are durable by then, whatever is returned.
        """
        words = hmac.digest(self._reason_key, normal_reason(asked.reason).encode(), hashlib.sha256)
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
        nobody = {"user": "unknown", "role": "unknown", "organisation": "unknown"}
        context = Jsonb({"who": nobody, "policy": POLICY_VERSION, "request": request})
        await self._alone(Statement("refuse", (LOGGED_IN, code, context, None, None)))

    async def refuse_malformed(self, caller: Caller, action: Action) -> None:
        """Record a request that cannot be read: it has no terms and no child that could be named."""
        context = context_of(caller, Asked(action), {})
        await self._alone(Statement("refuse", (ACTS.get(action, LOGGED_IN), "malformed", context, None, None)))

    async def _alone(self, statement: Statement) -> Any:
        try:
            async with self._connection() as connection:
                return (await _values(connection, [statement]))[0]
        except (psycopg.Error, PoolTimeout) as error:
            raise Unavailable from error

    async def _serve(self, cases: Sequence[Case], *, again: bool = False) -> list[Any]:
        """Return what is found for each case, a Refusal or Unavailable; one that fails takes no other along.

        Where the connection was broken before anything could be committed, the cases are served once more.
        """
        try:
            async with self._connection() as connection:
                try:
                    return await self._transaction(connection, cases)
                except psycopg.Error:
                    if connection.closed or len(cases) == 1:
                        raise
        except (psycopg.Error, PoolTimeout) as error:
            if isinstance(error, _NothingDoneError) and not again:
                return await self._serve(cases, again=True)
            return [Unavailable() for _ in cases]
        return [found for case in cases for found in await self._serve([case])]

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection; when it breaks, replace all: what has cut one has mostly cut the others."""
        async with self._pool.connection() as connection:
            try:
                yield connection
            finally:
                if connection.closed:
                    await self._pool.drain()

    async def _transaction(self, connection: AsyncConnection[TupleRow], cases: Sequence[Case]) -> list[Any]:
        async with _ended(connection):
            admissions = Jsonb([case.admission() for case in cases])
            try:
                (facts,) = await _values(connection, [Statement("admit", (admissions,))])
            except psycopg.Error as error:
                if connection.closed:
                    raise _NothingDoneError from error
                raise
            steps = [self._step(case, each) for case, each in zip(cases, facts, strict=True)]
            statements = [statement for step, _ in steps for statement in step]
            values = iter(await _values(connection, [*statements, _COMMIT]))
            found = [[next(values) for _ in step][-1] for step, _ in steps]
            return [each if refusal is None else refusal for each, (_, refusal) in zip(found, steps, strict=True)]

    def _step(self, case: Case, facts: dict[str, Any]) -> tuple[list[Statement], Refusal | None]:
        """Return what is done for a case: it is read, or refused."""
        context = context_of(case.caller, case.asked, facts)
        if facts["replayed"]:
            return [_refuse(case, context, "proof_replayed")], Refusal(trouble="proof_replayed")
        decision, passed = self._decide(case.caller, case.asked, facts)
        if not decision.permitted:
            refuse = _refuse(case, context, decision.outcome)
            if decision.outcome is Outcome.LIMIT_EXCEEDED:
                return [_block(case.caller, facts, passed), refuse], Refusal(decision)
            return [refuse], Refusal(decision)
        if facts["trouble"] is not None:
            return [_refuse(case, context, "audit_unavailable")], Refusal(trouble="audit_unavailable")
        return [case.read.statement(case, context)], None

    def _decide(self, caller: Caller, asked: Asked, facts: dict[str, Any]) -> tuple[Decision, Passed]:
        use = Use(**{name: facts["use"].get(name, 0) for name in Use.__slots__})
        passed = compare(use, self._limits)
        request = Request(
            action=asked.action,
            user=Participant(person_of(facts["person"]), caller.user.session()),
            now=self._clock(),
            purpose=asked.purpose,
            reason=judge_reason(asked.reason, use, self._limits),
            pace=passed.pace,
            mediator=_mediator(caller, facts),
            ground=asked.ground,
        )
        return decide(request), passed


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


def person_of(facts: dict[str, Any] | None) -> Person | None:
    """Return a person from the database's facts."""
    if facts is None:
        return None
    names = [name for name in Person.__slots__ if name != "rights"]
    return Person(**{name: facts[name] for name in names}, rights=frozenset(facts["rights"]))


def _mediator(caller: Caller, facts: dict[str, Any]) -> Participant | None:
    if caller.mediator is None:
        return None
    return Participant(person_of(facts["mediator"]), caller.mediator.session())


def _refuse(case: Case, context: Jsonb, code: str) -> Statement:
    asked = case.asked
    query = Jsonb(asked.query) if asked.query else None
    return Statement("refuse", (ACTS.get(asked.action, LOGGED_IN), str(code), context, asked.child, query))


def _block(caller: Caller, facts: dict[str, Any], passed: Passed) -> Statement:
    names = {
        "person": caller.person.subject,
        "organisation": str((facts["person"] or {}).get("organisation", "unknown")),
        "client": caller.client,
    }
    return Statement("block", (passed.whose, names[passed.whose], passed.limit, caller.request))
