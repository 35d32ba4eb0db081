"""The lease: which worker owns the matching state, and how a standby takes over.

One row in PostgreSQL, judged by the database's own clock. The lease only decides who works; what keeps a zombie from
writing is the epoch, which every takeover raises and every commit must match.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import structlog
from psycopg.rows import DictRow, dict_row

from matching.sql import QUERIES
from matching.stage.messages import ReplayTarget
from schemas.errors import FencedError, RetriableError

log = structlog.get_logger(__name__)

Connection = psycopg.AsyncConnection[DictRow]

_RENEWALS = 4  # renewals in one lease period, so that a few may fail before the lease runs out
_LONGEST_WAIT = 5.0  # seconds a standby sleeps at most, should a notification get lost


@dataclass(slots=True)
class Grant:
    """What the winner of the lease holds: the epoch to write with, and where the state stands.

    `paused` follows the owner row at each renewal. `lost` is set when another worker has taken over, or when the lease
    ran out without a renewal.
    """

    epoch: int
    batch: int
    paused: bool
    replay_until: ReplayTarget | None
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Lease:
    """Waits for the lease, renews it, and gives it back. One connection, used from one event loop.

    The holder's name gets a random suffix: two workers that were given one name must not pass for each other.
    """

    def __init__(self, dsn: str, holder: str, seconds: float) -> None:
        self._dsn = dsn
        self.token = uuid4().hex[:8]
        self.holder = f"{holder}/{self.token}"
        self._seconds = seconds
        self._connection: Connection | None = None

    async def take(self, stop: asyncio.Event) -> Grant | None:
        """Wait until the lease is ours; return None when `stop` is set first. Raises RetriableError."""
        waiting = False
        while not stop.is_set():
            try:
                grant = await self._try_take()
                if grant is not None:
                    log.info("lease_taken", holder=self.holder, epoch=grant.epoch, batch=grant.batch)
                    return grant
                if not waiting:
                    log.info("standing_by", holder=self.holder)
                    waiting = True
                await self._wait_for_a_chance(stop)
            except psycopg.Error as error:
                raise await self._unavailable(error) from error
        return None

    async def renew_until_lost(self, grant: Grant) -> None:
        """Renew the lease until it is lost, then set `grant.lost`: a task beside the owner, ended by cancelling it."""
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(self._seconds / _RENEWALS)
            asked = (
                time.monotonic()
            )  # the database grants from when it answers, which is later: we err on the safe side
            try:
                row = await self._fetch("renew_lease", {"epoch": grant.epoch, "seconds": self._seconds})
            except psycopg.Error as error:
                log.warning("lease_renewal_failed", epoch=grant.epoch, error_type=type(error).__name__)
                await self._unavailable(error)
                continue
            if row is None:
                break
            grant.paused = bool(row["paused"])
            deadline = asked + self._seconds
        log.warning("lease_lost", holder=self.holder, epoch=grant.epoch)
        grant.lost.set()

    async def release(self, grant: Grant) -> None:
        """Give the lease back, so that a standby takes over at once."""
        try:
            await self._fetch("release_lease", {"epoch": grant.epoch})
        except psycopg.Error as error:
            log.warning("lease_release_failed", epoch=grant.epoch, error_type=type(error).__name__)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _try_take(self) -> Grant | None:
        await self._fetch("evict_silent_owner", {"holder": self.holder})
        row = await self._fetch("take_lease", {"holder": self.holder, "seconds": self._seconds})
        return None if row is None else Grant(**row)

    async def _wait_for_a_chance(self, stop: asyncio.Event) -> None:
        """Sleep until the lease is released, runs out, or `stop` is set."""
        connection = await self._connected()
        row = await self._fetch("remaining_lease", {})
        remaining = row["seconds"] if row else 0.0
        listening = asyncio.ensure_future(_first_notification(connection, min(remaining + 0.005, _LONGEST_WAIT)))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            listening.cancel()
            await asyncio.gather(stopping, listening, return_exceptions=True)

    async def _fetch(self, name: str, parameters: dict[str, object]) -> DictRow | None:
        connection = await self._connected()
        cursor = await connection.execute(QUERIES[name], parameters)
        return await cursor.fetchone()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, row_factory=dict_row)
            await self._connection.execute(QUERIES["listen_lease"])
        return self._connection

    async def _unavailable(self, error: psycopg.Error) -> RetriableError:
        await self.close()
        return RetriableError(f"PostgreSQL is unavailable ({type(error).__name__})")


async def _first_notification(connection: Connection, seconds: float) -> None:
    async for _ in connection.notifies(timeout=seconds, stop_after=1):
        return


def require(grant: Grant) -> None:
    """Raise FencedError when the lease was lost."""
    if grant.lost.is_set():
        message = "the lease was lost"
        raise FencedError(message)
