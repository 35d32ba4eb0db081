"""Puts an application together: routes inside, then who calls, then the headers of every answer."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
import structlog
from fastapi import FastAPI
from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.postgres import connection_options, sql_blocks, translate
from projections.service.api import Service, make_api
from projections.service.case import Refuses
from projections.service.contract import describe
from projections.service.desk import Desk, Pool
from projections.service.dpop import ProofChecker
from projections.service.fhir_api import add_fhir
from projections.service.http import Guard, SecureHeaders
from projections.service.jwks import REFRESH_SECONDS
from projections.service.limits import Limits
from projections.service.routes import check_policies
from projections.service.tokens import Keys, TokenChecker, TokenRules
from schemas.errors import ConfigurationError
from schemas.settings import PostgresSettings

log = structlog.get_logger(__name__)

_SQL = sql_blocks("projections.service.sql")
Clock = Callable[[], int]  # seconds since 1970
_FORGET_EVERY_SECONDS = 60.0
WAIT_FOR_CONNECTION_SECONDS = 5.0
_FURTHER_CONNECTIONS = 2  # beside those of the rounds: for refusals of what is no request, and for chores


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service needs to know: its own address for clients, whose tokens it takes, and its limits."""

    postgres: PostgresSettings
    base_url: str
    tokens: TokenRules
    limits: Limits = field(default_factory=Limits)
    rounds: int = 2


class Guarded(ABC):
    """An API as an ASGI application, behind the checks of tokens and with the headers of every answer.

    It opens its connections when the server starts it, and closes them after.
    """

    def __init__(
        self, api: FastAPI, desk: Callable[[], Refuses], settings: ServiceSettings, keys: Keys, clock: Clock
    ) -> None:
        self.api = api
        self.keys = keys
        check_policies(api)
        checker = TokenChecker(settings.tokens, keys, clock)
        guarded = Guard(api, keys, checker, ProofChecker(settings.base_url, clock), desk)
        self._app: ASGIApp = SecureHeaders(guarded)

    @abstractmethod
    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold connections while the block runs; raise ConfigurationError for an account with other rights."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._app(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return describe(self.api.openapi())

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            log.exception("service_not_started", error_type=type(error).__name__)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


class Application(Guarded):
    """The directory service. It refuses an account that may read tables."""

    def __init__(self, settings: ServiceSettings, keys: Keys, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.service = Service()
        api = make_api(self.service)
        add_fhir(api, self.service, settings.base_url)
        super().__init__(api, lambda: self.service.desk, settings, keys, clock)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold connections while the block runs; raise ConfigurationError for an account that may read tables."""
        pool: Pool = AsyncConnectionPool(
            self._settings.postgres.dsn.get_secret_value(),
            min_size=self._settings.rounds,
            max_size=self._settings.rounds + _FURTHER_CONNECTIONS,
            timeout=WAIT_FOR_CONNECTION_SECONDS,
            kwargs={
                "autocommit": True,
                "cursor_factory": AsyncClientCursor,
                **connection_options(self._settings.postgres, "contactpoint directory service"),
            },
            configure=_configure,
            open=False,
        )
        try:
            await pool.open(wait=True, timeout=WAIT_FOR_CONNECTION_SECONDS)
            keys = await self._check_account(pool)
            self.service.cursor_key = keys["cursor"]
            self.service.desk = Desk(pool, self._clock, self._settings.limits, keys["reason"], self._settings.rounds)
            async with fresh(self.keys), beside(_forget(pool)):
                yield
        finally:
            await pool.close()

    async def _check_account(self, pool: Pool) -> dict[str, bytes]:
        async with pool.connection() as connection:
            row = await (await connection.execute(_SQL["has_table_rights"])).fetchone()
            if row is None or row[0]:
                raise ConfigurationError("the service's account may read tables: give it contactpoint_reader alone")
            keys = {}
            for name in ("cursor", "reason"):
                found = await (await connection.execute(_SQL["server_key"], [name])).fetchone()
                keys[name] = bytes(found[0]) if found else b""
        return keys


@contextlib.asynccontextmanager
async def fresh(keys: Keys) -> AsyncIterator[None]:
    """Fetch the provider's keys, and again now and then while the block runs."""
    await asyncio.to_thread(keys.refresh)
    async with beside(_refresh(keys)):
        yield


@contextlib.asynccontextmanager
async def beside(chore: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do a chore beside the block, and end it with the block."""
    task = asyncio.create_task(chore)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _configure(connection: AsyncConnection[TupleRow]) -> None:
    """Read and write JSON by the quicker library."""
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


async def _refresh(keys: Keys) -> None:
    """Fetch the provider's keys now and then, beside the requests."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(keys.refresh)


async def _forget(pool: Pool) -> None:
    """Delete what is over, now and then."""
    while True:
        await asyncio.sleep(_FORGET_EVERY_SECONDS)
        try:
            async with pool.connection() as connection:
                await connection.execute(_SQL["forget"])
        except psycopg.Error as error:
            log.warning("not_forgotten", error_type=type(translate(error)).__name__)
