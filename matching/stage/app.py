"""The matching stage as a Faust worker: what Faust hosts, and what it leaves to the owner loop.

Faust gives the process its life cycle, signals, supervision and the agent for control commands. The records do not go
through an agent: `OwnerService` pulls them in micro-batches (docs/decisions/0005-faust-role.md says why).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import faust
import structlog
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from mode import Service

from connectors.kafka.aio import tls_context
from matching.linkage.model import LinkageModel
from matching.stage.control import obey
from matching.stage.model_file import read_model
from matching.stage.owner import OwnerLoop
from matching.stage.settings import MatchingSettings
from schemas.errors import ContactPointError, RejectedError, RetriableError
from schemas.settings import KafkaSettings
from schemas.telemetry import fail
from schemas.topics import MATCHING_CONTROL

log = structlog.get_logger(__name__)

_CRASHED = 1
_RETRY_SECONDS = 1.0
_FAUST_SECONDS = 3.0


class OwnerService(Service):
    """Runs the owner loop inside Faust's worker; `failure` is what ended it, if anything of ours did."""

    def __init__(self, settings: MatchingSettings, model: LinkageModel) -> None:
        super().__init__()
        self._loop_of_owner = OwnerLoop(settings, model)
        self._lag_seconds = settings.lag_seconds
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self.failure: ContactPointError | None = None

    def drain(self) -> None:
        """Begin to drain: what is in flight is committed and published, and the lease given back."""
        self._stop.set()

    @Service.task
    async def _own(self) -> None:
        last_words = partial(int, _CRASHED)
        try:
            await self._loop_of_owner.run(self._stop)
            last_words = partial(int, 0)
        except ContactPointError as error:  # `run` raises it after the stop
            self.failure = error
            last_words = partial(fail, error)
            signal.raise_signal(signal.SIGTERM)
        finally:
            self._ended.set()
            _leave_within(_FAUST_SECONDS, last_words)

    @Service.task
    async def _report(self) -> None:
        while not self.should_stop:
            await self.sleep(self._lag_seconds)
            await self._loop_of_owner.report_lag()

    async def on_stop(self) -> None:
        """Wait until everything is drained."""
        self.drain()
        await self._ended.wait()


class MatchingWorker(faust.Worker):
    """Faust's worker, but the owner drains as soon as the signal comes: Faust stops what it started last first."""

    def __init__(self, app: faust.App, owner: OwnerService) -> None:
        super().__init__(app, owner, quiet=True, override_logging=False, redirect_stdouts=False)
        self._owner = owner
        self.spinner = None

    def _on_sigterm(self) -> None:
        self._owner.drain()
        super()._on_sigterm()

    def _on_sigint(self) -> None:
        self._owner.drain()
        super()._on_sigint()


def _leave_within(seconds: float, last_words: Callable[[], int]) -> None:
    """End the process after so long, should it still be there, with the status that `last_words` returns.

    Faust's consumer thread, told to stop while it starts, does not: it was seen to wait a minute and then for ever.
    Nothing of ours runs any more by then.
    """
    timer = threading.Timer(seconds, lambda: os._exit(last_words()))
    timer.daemon = True
    timer.start()


def make_app(settings: MatchingSettings, data: Path) -> faust.App:
    """Return the Faust application: one agent that obeys the commands on `matching-control`.

    `data` is a folder that Faust insists on; nothing is kept in it. The settings are those with which no event was
    lost in `facts/streaming.md` §2.
    """
    brokers = [f"kafka://{address.strip()}" for address in settings.kafka.bootstrap_servers.split(",")]
    app = faust.App(
        f"{settings.consumer_group}-control",
        broker=brokers,
        broker_credentials=kafka_credentials(settings.kafka),
        datadir=data,
        agent_supervisor="mode.supervisors.CrashingSupervisor",
        broker_commit_interval=1.0,
        broker_heartbeat_interval=2.0,
        broker_session_timeout=10.0,
        broker_rebalance_timeout=20.0,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    control = app.topic(MATCHING_CONTROL, key_serializer="raw", value_serializer="raw")

    @app.agent(control, name="control")
    async def control_commands(commands: faust.StreamT[bytes]) -> None:
        """Obey the commands on the control topic, one by one."""
        async for key, value in commands.items():
            await _obey(settings, key, value)

    return app


def kafka_credentials(kafka: KafkaSettings) -> Credentials | None:
    """Return what Faust proves itself to the brokers with, or None where they ask for nothing."""
    context = tls_context(kafka)
    if "sasl.username" in kafka.extra:
        return SASLCredentials(
            username=kafka.extra["sasl.username"],
            password=kafka.extra.get("sasl.password"),
            mechanism=kafka.extra.get("sasl.mechanism", "PLAIN"),
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)


async def _obey(settings: MatchingSettings, key: bytes | None, value: bytes | None) -> None:
    """Obey one command, waiting for the database if need be; an unknown one is logged and passed over."""
    while True:
        try:
            paused = await asyncio.to_thread(obey, settings.postgres, key, value)
            log.info("control_obeyed", status="paused" if paused else "running")
            return
        except RejectedError as error:
            log.warning("control_ignored", code=error.code)
            return
        except RetriableError as error:
            log.warning("waiting_for_database", reason=str(error), seconds=_RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS)


def run(settings: MatchingSettings) -> None:
    """Run one matching worker until SIGTERM or SIGINT, then drain and leave by SystemExit (0, or 1 after a crash).

    Raises ConfigurationError or FatalError when the owner cannot work.
    """
    model = read_model(settings.model)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with TemporaryDirectory(prefix="contactpoint-matching-") as folder:
        app = make_app(settings, Path(folder))
        owner = OwnerService(settings, model)
        try:
            MatchingWorker(app, owner).execute_from_commandline()
        except SystemExit:
            if owner.failure is not None:
                raise owner.failure from None
            raise
