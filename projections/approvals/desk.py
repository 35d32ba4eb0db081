"""One deed, one transaction: admit, decide, do it, append to the audit trail, commit; then it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout

from connectors.postgres import sql_blocks
from projections.disclosures.desk import AUTHORISER, DISCLOSER
from projections.exports.desk import EXPORTER
from projections.service.case import Asked, Caller, Case, Refusal, Statement, Unavailable
from projections.service.decision import Action
from projections.service.judging import judge, malformed_refused, unknown_refused
from projections.service.limits import Limits
from projections.service.reads import Nothing
from schemas.access import Person
from schemas.errors import ConfigurationError, ContactPointError, RejectedError

_SQL = sql_blocks("projections.service.sql")
_OWN = sql_blocks("projections.approvals.sql")

ROLES: Final[Mapping[Action, str]] = {
    Action.AUTHORISE_DISCLOSURE: AUTHORISER,
    Action.DISCLOSE: DISCLOSER,
    Action.OPEN_PROJECT: EXPORTER,
    Action.END_PROJECT: EXPORTER,
    Action.REQUEST_RELEASE: EXPORTER,
    Action.APPROVE_RELEASE: EXPORTER,
    Action.MAKE_RELEASE: EXPORTER,
}
"""The database role whose rights, and no others, each kind of deed is done with."""

Pool = ConnectionPool[Connection[TupleRow]]
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Doing:
    """What a deed is done with: a connection in its transaction, the person of the token, and the time."""

    connection: Connection[TupleRow]
    who: Person
    now: datetime


class ApprovalsDesk:
    """Does what callers ask once it is permitted; the clock is passed in so that tests can hold it still."""

    def __init__(self, pool: Pool, clock: Callable[[], int], limits: Limits) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits

    async def answer(
        self, caller: Caller, action: Action, do: Callable[[Doing], Told]
    ) -> Told | Refusal | RejectedError:
        """Return what `do` tells, why it was not permitted, or why it was refused; raise Unavailable for none of these.

        All that was done, and the entries of the trail, are durable by then.
        """
        return await asyncio.to_thread(self._answer, caller, action, do)

    async def refuse_unknown(self, request: str, code: str) -> None:
        """Record an attempt whose token does not hold, so that nobody is known."""
        await asyncio.to_thread(self._alone, unknown_refused(request, code))

    async def refuse_malformed(self, caller: Caller, action: Action) -> None:
        """Record a request that cannot be read."""
        await asyncio.to_thread(self._alone, malformed_refused(caller, action))

    def check_account(self) -> None:
        """Raise ConfigurationError unless the service's account, and no other, may do what the service is for."""
        with self._transaction() as connection:
            found = connection.execute(_OWN["account"], [sorted({*ROLES.values()})]).fetchone()
        powerful, others = found or (True, [])
        if powerful:
            raise ConfigurationError("the service's account may read tables: give it contactpoint_approvals alone")
        if others:
            named = ", ".join(others)
            raise ConfigurationError(f"other accounts could do without the service what it is to check: {named}")

    def _answer(self, caller: Caller, action: Action, do: Callable[[Doing], Told]) -> Told | Refusal | RejectedError:
        case = Case(caller, Asked(action), Nothing(), b"")
        with self._transaction() as connection:
            (facts,) = _run(connection, Statement("admit", (Jsonb([case.admission()]),)))
            now = self._clock()
            judged = judge(case, facts, now, self._limits)
            for statement in judged.refusing:
                _run(connection, statement)
            if judged.refusal is not None:
                return judged.refusal
            connection.execute(_OWN["act_as"], [ROLES[action]])
            try:
                return do(Doing(connection, _who(caller, facts["person"]), datetime.fromtimestamp(now, UTC)))
            except RejectedError as error:
                return error  # its entry is made: it has to be committed

    def _alone(self, statement: Statement) -> None:
        with self._transaction() as connection:
            _run(connection, statement)

    @contextmanager
    def _transaction(self) -> Iterator[Connection[TupleRow]]:
        try:
            with self._pool.connection() as connection, connection.transaction():
                yield connection
        except (psycopg.Error, PoolTimeout, ContactPointError) as error:
            raise Unavailable from error


def _run(connection: Connection[TupleRow], statement: Statement) -> Any:
    row = connection.execute(_SQL[statement.name], statement.values).fetchone()
    return None if row is None else row[0]


def _who(caller: Caller, person: Mapping[str, Any]) -> Person:
    token = caller.user
    return Person(
        user=token.subject,
        role=person["category"],
        organisation=person["organisation"],
        acr=token.acr,
        amr=token.methods,
    )
