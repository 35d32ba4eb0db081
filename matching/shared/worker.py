"""One of the workers that link together: reads its share of the topics and links batch after batch until told to stop.

There is one rule for every error that a person need not solve: leave the group, and start afresh at the positions that
PostgreSQL has. A batch is read, linked and committed before the next call to Kafka, so no partition is ever taken away
in the middle of one; a worker that was frozen meanwhile finds its positions moved on and drops the batch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import structlog

from connectors.kafka import (
    Batches,
    GroupReader,
    Partition,
    PartitionReader,
    Positions,
    ReadMessage,
    ensure_held,
    partitions_of,
    watermarks,
)
from connectors.postgres import connect, wrap_errors
from matching.features import ChangeReader
from matching.linkage.model import LinkageModel
from matching.shared import replaying
from matching.shared.indexing import ensure_index
from matching.shared.linker import SharedLinker
from matching.shared.steps import Totals
from matching.shared.tables import APPLICATION, Move, Tables, create_tables
from matching.stage import replay, store
from matching.stage.control import paused_by, set_paused
from matching.stage.intake import read_batch
from matching.stage.made_with import why_again
from matching.stage.model_library import ModelLibrary
from matching.stage.relay import Relay, RelaySettings
from matching.stage.settings import MatchingSettings
from schemas.errors import FencedError, RejectedError, RetriableError
from schemas.settings import KafkaSettings
from schemas.topics import MATCHING_CONTROL, MATCHING_TOPICS

log = structlog.get_logger(__name__)

_HINT_SECONDS = 1.0
_MOST = 2_000  # records of a batch: larger ones only meet more of what another worker is at
_PAUSE_SECONDS = 0.5
_DRAIN_SECONDS = 10.0
_FIRST_RETRY = 0.2
_LONGEST_RETRY = 5.0


class SharedWorker:
    """Runs one worker until `stop` is set."""

    def __init__(self, settings: MatchingSettings, model: LinkageModel, stop: threading.Event) -> None:
        self._settings = settings
        self._library = ModelLibrary(model, settings.models)
        self._stop = stop
        self.totals = Totals()

    def run(self) -> None:
        """Work until told to stop, then leave the group and drain the outbox. Raises what a person has to solve."""
        retry = _FIRST_RETRY
        while not self._stop.is_set():
            try:
                self._work()
                retry = _FIRST_RETRY
            except RetriableError as error:
                log.warning("starting_afresh", reason=str(error), seconds=retry)
                self._stop.wait(retry)
                retry = min(retry * 2, _LONGEST_RETRY)
        log.info("worker_ended", **_counts(self.totals))

    def _work(self) -> None:
        """Open everything, follow the topics, close everything."""
        settings = self._settings
        with ExitStack() as stack:
            connection = stack.enter_context(connect(settings.postgres, autocommit=True, application=APPLICATION))
            tables = Tables(connection, settings.silent_seconds)
            with wrap_errors():
                tables.end_silent_workers()
            create_tables(settings.postgres)
            model = self._claim(tables)
            ensure_index(tables, model)
            replaying.begin(tables, settings.kafka)
            self._ensure_held(tables)
            linker = SharedLinker(tables, model, self.totals)
            silent = settings.silent_seconds
            relay = Relay(RelaySettings.of(settings.postgres, settings.kafka, shared=True, silent_seconds=silent))
            stack.callback(relay.end)
            reader = stack.enter_context(
                GroupReader(
                    settings.kafka,
                    MATCHING_TOPICS,
                    settings.consumer_group,
                    lambda partitions: self._begin(tables, partitions),
                    silent_seconds=settings.lease_seconds,
                )
            )
            control = stack.enter_context(PartitionReader(settings.kafka, _commands(settings.kafka)))
            log.info("worker_started", model=model.model_id)
            reading = _Reading(ChangeReader(model), self._library, reader, control)
            _Follower(settings, tables, linker, relay, reading).follow(self._stop)
            if not relay.drain(_DRAIN_SECONDS):
                log.warning("outbox_left", seconds=_DRAIN_SECONDS)

    def _claim(self, tables: Tables) -> LinkageModel:
        """Take the tables for shared workers and return the model in force; made with another, they are made again.

        Raises RetriableError while an owner holds them, and ConfigurationError as `why_again`.
        """
        with wrap_errors():
            decisions = replay.decisions_that_count(tables.connection, self._settings.kafka, self._library.check)
            model, _ = self._library.in_force(decisions)
            made = tables.claim(model.model_id)
        if made is None:
            raise RetriableError("a resident owner holds the matching tables")
        if reason := why_again(made, model.model_id, decisions):
            replaying.relink(tables, self._settings.kafka, model.model_id, reason)
        return model

    def _ensure_held(self, tables: Tables) -> None:
        """Raise FatalError where the log does not hold what this worker or another is to read next, or is another."""
        with wrap_errors():
            positions = tables.positions(partitions_of(self._settings.kafka, MATCHING_TOPICS))
            times = {(each.topic, each.partition): each.last_time for each in store.read_positions(tables.connection)}
        ensure_held(self._settings.kafka, positions, times)

    def _begin(self, tables: Tables, partitions: Sequence[Partition]) -> Positions:
        """Return where newly assigned partitions are to be read from on."""
        with wrap_errors():
            positions = tables.positions(partitions)
        log.info("partitions_assigned", count=len(partitions))
        return positions


class _Reading(NamedTuple):
    """What a worker reads with."""

    changes: ChangeReader
    library: ModelLibrary
    records: GroupReader
    control: PartitionReader


class _Follower:
    """Links what the reader gives, with the connections of one life."""

    def __init__(
        self,
        settings: MatchingSettings,
        tables: Tables,
        linker: SharedLinker,
        relay: Relay,
        reading: _Reading,
    ) -> None:
        self._settings, self._tables = settings, tables
        self._linker, self._relay = linker, relay
        self._changes, self._library, self._reader, self._control = reading
        self._committed: dict[Partition, int] = {}
        self._hinted = self._reported = self._looked = time.monotonic()
        self._paused = self._published_all = False
        self._undecided = True

    def follow(self, stop: threading.Event) -> None:
        """Link batch after batch."""
        wait = self._settings.idle_milliseconds / 1000
        while not stop.is_set():
            self._relay.revive()
            self._report()
            if self._is_paused():
                self._reader.idle(_PAUSE_SECONDS)
            elif batches := self._reader.read(min(self._settings.batch_records, _MOST), wait):
                self._link(batches)
            if not self._published_all:
                self._published_all = replaying.end_if_reached(
                    self._tables, self._settings.kafka, self._library, self._linker.model_id
                )
            self._check_model()

    def _link(self, batches: Batches) -> None:
        """Link one batch; when another worker has it, drop it and go on where the tables are."""
        changes, decisions, letters = read_batch(self._changes, batches, self._library.check)
        expected = self._reader.expected
        last = {each: batch[-1] for each, batch in batches.items()}
        moves = [Move(*each, expected[each], message.offset + 1, message.time) for each, message in last.items()]
        try:
            if self._linker.link(changes, moves, letters, decisions):
                self._relay.wake()
        except FencedError as error:
            log.warning("batch_dropped", reason=str(error))
            self._committed.clear()
            self._reader.start_again()
            return
        self._undecided = self._undecided or any(each.kind in {"model", "retracted"} for each in decisions)
        self._committed.update({(move.topic, move.partition): move.next_offset for move in moves})

    def _check_model(self) -> None:
        """Start afresh when what was decided has put another model in force; amid a replay that is not yet known."""
        if self._undecided and self._published_all:
            with wrap_errors():
                decisions = store.read_decisions(self._tables.connection)
            if self._library.in_force(decisions)[0].model_id != self._linker.model_id:
                raise RetriableError("another model was activated")
            self._undecided = False

    def _is_paused(self) -> bool:
        now = time.monotonic()
        if now - self._looked > _PAUSE_SECONDS:
            self._looked = now
            with wrap_errors():
                for message in self._commands():
                    self._obey(message)
                paused = self._tables.paused()
            if paused != self._paused:
                log.info("owner_paused" if paused else "owner_resumed")
                self._paused = paused
        return self._paused

    def _commands(self) -> list[ReadMessage]:
        """Return the commands that have come since the last look; in the first one, the newest of all time too."""
        return [message for batch in self._control.read(10, 0.0).values() for message in batch]

    def _obey(self, message: ReadMessage) -> None:
        """Obey one command; every worker does, which does no harm."""
        try:
            set_paused(self._tables.connection, paused=paused_by(message.key, message.value))
        except RejectedError as error:
            log.warning("control_ignored", code=error.code)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._hinted > _HINT_SECONDS:
            self._hinted = now
            self._reader.hint(self._committed)
        if now - self._reported > self._settings.lag_seconds:
            self._reported = now
            log.info("progress", **_counts(self._linker.totals))


def _counts(totals: Totals) -> Mapping[str, int]:
    return {
        "records": totals.records,
        "count": totals.batches,
        "events": totals.identities,
        "conflicts": totals.conflicts,
    }


def _commands(kafka: KafkaSettings) -> Positions:
    """Return where the commands begin that are kept: the newest counts, old ones may be gone."""
    return {each: mark.low for each, mark in watermarks(kafka, [MATCHING_CONTROL]).items()}
