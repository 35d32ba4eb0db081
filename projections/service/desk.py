"""One request, one transaction: admit, decide, read, append to the audit trail, commit; then there is an answer."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from connectors.postgres import sql_blocks
from projections.service.decision import (
    POLICY_VERSION,
    Action,
    Decision,
    Outcome,
    Participant,
    Person,
    Request,
    decide,
)
from projections.service.limits import Limits, Passed, Use, compare, judge_reason, normal_reason
from projections.service.tokens import Token

_SQL = sql_blocks("projections.service.sql")
Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]
Read = Callable[["Reading"], Awaitable[Any]]

# How the audit trail calls each action (schemas.access); those about no child have no entry of their own.
ACTS: dict[Action, str] = {
    Action.SEARCH: "searched",
    Action.OPEN: "opened",
    Action.WHO_ELSE: "listed_involved",
    Action.CHANGES: "read_changes",
    Action.LINEAGE: "read_lineage",
    Action.OVERRIDE: "overrode_shield",
}
LOGGED_IN = "logged_in"

Trouble = Literal["audit_unavailable", "proof_replayed", "malformed"]


class Unavailable(Exception):  # noqa: N818 - what the caller is told
    """The database or the audit trail cannot do its part: nothing is answered."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by tokens that hold; in mediated access `mediator` is the one at the keyboard."""

    user: Token
    mediator: Token | None
    proofs: tuple[bytes, ...]
    request: str

    @property
    def client(self) -> str:
        """Return the client system that the request came through."""
        return (self.mediator or self.user).client


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: the action, why, and about which child or with which terms."""

    action: Action
    purpose: str | None = None
    reason: str | None = None
    ground: str | None = None
    child: str | None = None
    query: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer: a decision, or a trouble that comes before one."""

    decision: Decision | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reading function works with: the connection inside the transaction, and the entry's common part."""

    connection: AsyncConnection[TupleRow]
    context: Jsonb
    caller: Caller
    asked: Asked
    words: bytes
    facts: dict[str, Any] = field(default_factory=dict)

    async def call(self, statement: str, *values: Any) -> Any:
        """Return what one of the API's functions returns."""
        return await _value(self.connection, _SQL[statement], values)

    async def finish(self, statement: str, *values: Any) -> Any:
        """Return what one of the API's functions returns, once the transaction is committed with it."""
        return await _value(self.connection, _SQL[statement] + "\ncommit;", values)


class Desk:
    """Answers requests; the clock is passed in so that tests can hold it still."""

    def __init__(self, pool: Pool, clock: Callable[[], int], limits: Limits, reason_key: bytes) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._reason_key = reason_key

    async def answer(self, caller: Caller, asked: Asked, read: Read) -> Any | Refusal:
        """Return what `read` returns, or why it was not called; raise Unavailable when nothing may be answered.

        The entries of the audit trail are durable by then, whatever is returned.
        """
        try:
            async with self._pool.connection() as connection, _ended(connection):
                return await self._in_transaction(connection, caller, asked, read)
        except (psycopg.Error, PoolTimeout) as error:
            raise Unavailable from error

    async def child_named(self, caller: Caller, name: str) -> str | None:
        """Return the child that this name of an address stands for, if this person was given it and it still holds."""
        try:
            async with self._pool.connection() as connection:
                found: str | None = await _value(connection, _SQL["child_named"], (caller.user.subject, name))
                return found
        except (psycopg.Error, PoolTimeout) as error:
            raise Unavailable from error

    async def refuse_unknown(self, request: str, code: str) -> None:
        """Record an attempt whose token does not hold, so that nobody is known."""
        nobody = {"user": "unknown", "role": "unknown", "organisation": "unknown"}
        context = {"who": nobody, "policy": POLICY_VERSION, "request": request}
        await self._record_refusal(LOGGED_IN, code, context)

    async def refuse_malformed(self, caller: Caller, action: Action) -> None:
        """Record a request that cannot be read: it has no terms and no child that could be named."""
        await self._record_refusal(ACTS.get(action, LOGGED_IN), "malformed", _context(caller, Asked(action), {}))

    async def _record_refusal(self, act: str, code: str, context: dict[str, Any]) -> None:
        try:
            async with self._pool.connection() as connection:
                await connection.execute(_SQL["refuse"], (act, code, Jsonb(context), None, None))
        except (psycopg.Error, PoolTimeout) as error:
            raise Unavailable from error

    async def _in_transaction(
        self, connection: AsyncConnection[TupleRow], caller: Caller, asked: Asked, read: Read
    ) -> Any | Refusal:
        words = hmac.digest(self._reason_key, normal_reason(asked.reason).encode(), hashlib.sha256)
        reading = Reading(connection, Jsonb(None), caller, asked, words)
        mediator = caller.mediator.subject if caller.mediator else None
        proofs = list(caller.proofs)
        facts = await reading.call(
            "admit", caller.user.subject, mediator, caller.client, proofs, words, *self._limits.counted
        )
        context = Jsonb(_context(caller, asked, facts))
        reading = Reading(connection, context, caller, asked, words, facts)
        if facts["replayed"]:
            return await self._refuse(reading, "proof_replayed", Refusal(trouble="proof_replayed"))
        decision, passed = self._decide(caller, asked, facts)
        if not decision.permitted:
            if decision.outcome is Outcome.LIMIT_EXCEEDED:
                await self._block(reading, passed)
            return await self._refuse(reading, decision.outcome, Refusal(decision))
        if facts["trouble"] is not None:
            return await self._refuse(reading, "audit_unavailable", Refusal(trouble="audit_unavailable"))
        return await read(reading)

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

    async def _refuse(self, reading: Reading, code: str, refusal: Refusal) -> Refusal:
        asked = reading.asked
        query = Jsonb(asked.query) if asked.query else None
        act = ACTS.get(asked.action, LOGGED_IN)
        await reading.finish("refuse", act, str(code), reading.context, asked.child, query)
        return refusal

    async def _block(self, reading: Reading, passed: Passed) -> None:
        caller = reading.caller
        names = {
            "person": (caller.mediator or caller.user).subject,
            "organisation": str((reading.facts["person"] or {}).get("organisation", "unknown")),
            "client": caller.client,
        }
        await reading.call("block", passed.whose, names[passed.whose], passed.limit, caller.request)


async def _value(connection: AsyncConnection[TupleRow], statement: LiteralString, values: Sequence[Any]) -> Any:
    """Return the one value that a statement answers; further statements, such as `begin`, may stand around it."""
    cursor = await connection.execute(statement, values)
    while cursor.description is None and cursor.nextset():
        pass
    row = await cursor.fetchone()
    return None if row is None else row[0]


@contextlib.asynccontextmanager
async def _ended(connection: AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """Commit what the block left open, or roll it back when the block fails.

    The transaction begins with the first statement and mostly commits with the last, to spare two round trips.
    """
    try:
        yield
    except BaseException:
        if not connection.closed:
            await connection.rollback()
        raise
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        await connection.commit()


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


def _context(caller: Caller, asked: Asked, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what every entry of this request says: who, why, by which policy."""
    context = {
        "who": _who(caller.user, facts.get("person")),
        "mediator": _who(caller.mediator, facts.get("mediator")) if caller.mediator else None,
        "purpose": asked.purpose,
        "reason": asked.reason,
        "policy": POLICY_VERSION,
        "request": caller.request,
    }
    return {name: value for name, value in context.items() if value}


def _who(token: Token, person: dict[str, Any] | None) -> dict[str, Any]:
    known = person or {"category": "unknown", "organisation": "unknown"}
    return {
        "user": token.subject,
        "role": known["category"],
        "organisation": known["organisation"],
        "acr": token.acr,
        "amr": list(token.methods),
    }
