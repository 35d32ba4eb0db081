"""Puts the approvals service together, and its tables, rights and login into the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from psycopg_pool import ConnectionPool

from connectors.postgres import connection_options
from projections.approvals.api import Service, make_api
from projections.approvals.desk import ApprovalsDesk, Pool
from projections.disclosures import desk as disclosures
from projections.exports import desk as exports
from projections.exports.manifest import read_signing_key
from projections.service import install as directory
from projections.service.app import WAIT_FOR_CONNECTION_SECONDS, Clock, Guarded, ServiceSettings, fresh
from projections.service.tokens import Keys
from schemas.settings import PostgresSettings

_CONNECTIONS = 4
_LOGIN = "approvals_service_login"
_ROLE = "contactpoint_approvals"


class ApprovalsApplication(Guarded):
    """The approvals service. It refuses an account that may read tables, and to run where others may do the same."""

    def __init__(self, settings: ServiceSettings, keys: Keys, clock: Clock, *, signing_key: Path) -> None:
        self._settings = settings
        self._clock = clock
        self.service = Service()
        self.service.signer = read_signing_key(signing_key)
        super().__init__(make_api(self.service), lambda: self.service.desk, settings, keys, clock)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold connections while the block runs; raise ConfigurationError for an account that does not fit."""
        postgres = self._settings.postgres
        pool: Pool = ConnectionPool(
            postgres.dsn.get_secret_value(),
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=WAIT_FOR_CONNECTION_SECONDS,
            kwargs={"autocommit": True, **connection_options(postgres, "contactpoint approvals service")},
            open=False,
        )
        try:
            await asyncio.to_thread(pool.open, wait=True, timeout=WAIT_FOR_CONNECTION_SECONDS)
            self.service.desk = ApprovalsDesk(pool, self._clock, self._settings.limits)
            await asyncio.to_thread(self.service.desk.check_account)
            async with fresh(self.keys):
                yield
        finally:
            await asyncio.to_thread(pool.close)


def install(settings: PostgresSettings) -> None:
    """Make all that both services need where it is missing; safe to run again, and by several at once."""
    directory.install(settings)
    exports.prepare(settings)
    disclosures.prepare(settings)


def approvals_settings(owner: PostgresSettings) -> PostgresSettings:
    """Make the service's login, a member of contactpoint_approvals and nothing else; return how it connects."""
    return directory.login_settings(owner, _LOGIN, _ROLE)
