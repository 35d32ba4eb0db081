"""The owner loop: hold the lease, rebuild the state, follow the topics; step down or start afresh when anything fails.

There is one rule for every error: drop the state, build it again from the tables, and go on at the stored positions.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import psycopg
import structlog

from connectors.postgres import connect, wrap_errors
from matching.features import ChangeReader
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner
from matching.stage import garbage, replay, store
from matching.stage.committer import Committer
from matching.stage.engine import Engine, Start
from matching.stage.helpers import Helpers
from matching.stage.lease import Grant, Lease, require
from matching.stage.made_with import made_with, why_again
from matching.stage.model_library import ModelLibrary
from matching.stage.reading import ReadAhead
from matching.stage.relay import Relay, RelaySettings
from matching.stage.replay_conflicts import last_differences, read_published_state
from matching.stage.settings import MatchingSettings
from matching.stage.source import SourceReader
from schemas.errors import ContactPointError, FencedError, RetriableError
from schemas.topics import MATCHING_TOPICS

log = structlog.get_logger(__name__)

_BUSY_MILLISECONDS = 2  # with a commit under way, look again soon: its outbox row is to be published at once
_PAUSED_SECONDS = 0.1
_DRAIN_SECONDS = 10.0
_FIRST_RETRY = 0.2
_LONGEST_RETRY = 5.0

Result = TypeVar("Result")


@dataclass(slots=True)
class _Work:
    """What the owner works with until the state is dropped."""

    grant: Grant
    relay: Relay
    reader: SourceReader
    ahead: ReadAhead
    engine: Engine


class OwnerLoop:
    """Runs one worker until `stop` is set: standby first, owner when the lease is its own."""

    def __init__(self, settings: MatchingSettings, model: LinkageModel) -> None:
        self._settings = settings
        self._library = ModelLibrary(model, settings.models)
        self._activation = ""
        dsn = settings.postgres.dsn.get_secret_value()
        self._lease = Lease(dsn, settings.holder, settings.lease_seconds)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="matching-owner")
        self._work: _Work | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain, give the lease back and return. Raises what a person has to solve."""
        retry = _FIRST_RETRY
        try:
            await self._prepare(stop)
            while not stop.is_set():
                grant = None
                try:
                    grant = await self._lease.take(stop)
                    if grant is not None:
                        await self._own(grant, stop)
                    retry = _FIRST_RETRY
                except FencedError as error:
                    log.warning("stepped_down", holder=self._lease.holder, reason=str(error))
                except RetriableError as error:
                    log.warning("starting_afresh", reason=str(error), seconds=retry)
                    await _pause(stop, retry)
                    retry = min(retry * 2, _LONGEST_RETRY)
        finally:
            await self._lease.close()
            self._thread.shutdown()

    async def report_lag(self) -> None:
        """Log how far the tables are behind the topics."""
        work = self._work
        if work is None:
            return
        try:
            ends = await work.reader.ends()
        except ContactPointError as error:
            log.warning("lag_unknown", reason=str(error))
            return
        lag = sum(max(0, end - work.engine.committed.get(tp, 0)) for tp, end in ends.items())
        totals = work.engine.totals
        log.info(
            "progress",
            lag=lag,
            batch=work.engine.batch,
            records=totals.records,
            rejected=totals.rejected,
            events=totals.identities,
        )

    async def _prepare(self, stop: asyncio.Event) -> None:
        retry = _FIRST_RETRY
        while not stop.is_set():
            try:
                await self._in_thread(lambda: store.create_tables(self._settings.postgres))
                return
            except RetriableError as error:
                log.warning("waiting_for_database", reason=str(error), seconds=retry)
                await _pause(stop, retry)
                retry = min(retry * 2, _LONGEST_RETRY)

    async def _own(self, grant: Grant, stop: asyncio.Event) -> None:
        renewing = asyncio.create_task(self._lease.renew_until_lost(grant))
        helpers = Helpers()
        reader = SourceReader(self._settings, MATCHING_TOPICS)
        try:
            ahead = helpers.ahead = ReadAhead()
            committer = helpers.committer = Committer(self._settings.postgres, self._lease.token)
            relay = helpers.relay = Relay(RelaySettings.of(self._settings.postgres, self._settings.kafka))
            engine = await self._in_thread(lambda: self._rebuild(grant, committer))
            await reader.open(engine.start.positions)
            ahead.use(engine.owner.model)
            self._work = _Work(grant, relay, reader, ahead, engine)
            await self._follow(self._work, stop)
            await self._in_thread(partial(helpers.drain, _DRAIN_SECONDS))
        finally:
            self._work = None
            await _cancelled(renewing)
            await reader.close()
            await self._in_thread(helpers.end)
            if stop.is_set() and not grant.lost.is_set():
                await self._lease.release(grant)

    async def _follow(self, work: _Work, stop: asyncio.Event) -> None:
        """Pull and apply micro-batches until `stop` is set; raise when the lease is lost or anything fails."""
        engine, reader, paused = work.engine, work.reader, False
        while not stop.is_set():
            require(work.grant)
            published = False
            if work.grant.paused != paused:
                paused = work.grant.paused
                log.info("owner_paused" if paused else "owner_resumed", batch=engine.batch)
            if paused:
                published = engine.settle()
                await _pause(stop, _PAUSED_SECONDS)
            else:
                published = await self._advance(work)
            if published:
                work.relay.wake()
            work.relay.revive()
            reader.hint(engine.committed)
            if engine.publishing and engine.owner.decisions.activation != self._activation:
                log.info("model_changed", batch=engine.batch)
                return  # with everything committed and published, start afresh under the model now in force
            replayed = not engine.publishing and not work.ahead.waiting
            if replayed and replay.reached(work.grant.replay_until, await reader.read_up_to()):
                await self._in_thread(lambda: self._end_replay(engine))

    async def _advance(self, work: _Work) -> bool:
        """Fetch a batch and let it be read, while the one before is applied; tell whether there is to publish."""
        engine, ahead = work.engine, work.ahead
        busy = engine.in_flight or ahead.waiting
        messages = await work.reader.next_messages(_BUSY_MILLISECONDS if busy else self._settings.idle_milliseconds)
        if messages:
            await self._in_thread(partial(ahead.send, messages))
        if ahead.waiting > 1 or (ahead.waiting and not messages):
            return await self._in_thread(partial(engine.step_ahead, ahead))
        return engine.settle() if engine.in_flight else False

    def _rebuild(self, grant: Grant, committer: Committer) -> Engine:
        """Build the state from the tables; with empty tables and published identities, begin a replay first."""
        gc.unfreeze()
        with connect(self._settings.postgres, autocommit=True) as connection, wrap_errors():
            model = self._claim(connection, grant)
            if grant.batch == 0:
                self._begin_replay(connection, grant)
            owner = ResidentOwner(model)
            owner.load(
                store.read_records(connection), store.read_decisions(connection), store.read_conflicts(connection)
            )
            positions = store.read_positions(connection)
        # The state lives until the next rebuild: without this, every full collection would walk all of it.
        garbage.settle()
        log.info("state_rebuilt", epoch=grant.epoch, batch=grant.batch, model=model.model_id)
        return Engine(
            owner,
            ChangeReader(model),
            committer,
            start=Start(grant.epoch, grant.batch, model.model_id, positions),
            publishing=grant.replay_until is None,
            check=self._library.check,
        )

    def _claim(self, connection: psycopg.Connection, grant: Grant) -> LinkageModel:
        """Return the model in force; where the tables were made with another one, or by an older fold, begin again."""
        decisions = replay.decisions_that_count(connection, self._settings.kafka, self._library.check)
        model, self._activation = self._library.in_force(decisions)
        if reason := why_again(made_with(connection), model.model_id, decisions):
            until = replay.targets(self._settings.kafka)
            store.start_relinking(connection, grant.epoch, model.model_id, until)
            grant.replay_until = until
            log.info("relinking_started", batch=grant.batch, model=model.model_id, reason=reason)
        else:
            store.claim(connection, grant.epoch, model.model_id)
        return model

    def _begin_replay(self, connection: psycopg.Connection, grant: Grant) -> None:
        published = read_published_state(self._settings.kafka)
        if published.newest:
            until = replay.targets(self._settings.kafka)
            store.start_replay(connection, grant.epoch, published.newest, until)
            grant.batch, grant.replay_until = published.newest, until
            log.info("replay_started", epoch=grant.epoch, batch=grant.batch, count=len(published.children))

    def _end_replay(self, engine: Engine) -> None:
        """Compare what the replay arrived at with what was published, and publish the differences."""
        engine.settle(0)
        with connect(self._settings.postgres, autocommit=True) as connection, wrap_errors():
            store.wait_for_outbox(connection, _DRAIN_SECONDS)
            children = replay.read_children(connection)
        published, present = read_published_state(self._settings.kafka), engine.owner.conflicts()
        lives, version = engine.owner.decisions.lives, engine.batch + 1
        changes, conflicts = last_differences(published, children, present, version, self._activation, lives)
        engine.publish(changes, conflicts, ends_replay=True)
        engine.publishing = True
        count = len(changes) + len(conflicts)
        log.info("replay_finished", batch=engine.batch, clusters=len(children), count=count)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        """Run in the owner's own thread, so that heartbeats and renewals go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
