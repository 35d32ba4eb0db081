"""Runs a projection for as long as its process lives: goes on after every error that can pass, stops on every other."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import structlog

from connectors.kafka import Positions, end_offsets
from projections.base import Namespace, Projection
from projections.worker import Worker
from schemas.errors import FencedError, RetriableError
from schemas.settings import KafkaSettings, PostgresSettings

log = structlog.get_logger(__name__)

_PATIENCE = 60.0  # seconds without a message


@dataclass(frozen=True, slots=True)
class Pace:
    """How much and how fast (seconds).

    `wait` is the latency at low rates, since librdkafka waits it in full. After a batch of `busy` messages or more the
    next is gathered for `busy_wait`, and up to `batch` messages when there is a backlog: large batches cost a third
    less than small ones, because a child that changes twice is made once.
    """

    batch: int = 10_000
    wait: float = 0.05
    busy: int = 250
    busy_wait: float = 0.25
    first_delay: float = 0.25
    longest_delay: float = 10.0
    standby: float = 2.0

    def wait_after(self, messages: int) -> float:
        """Return how long to gather a batch after one of so many messages."""
        return self.busy_wait if messages >= self.busy else self.wait


class Runner:
    """Folds one projection from its stored positions on.

    Any number of runners may be started for a projection. One commits; the compare-and-set on the checkpoint fences
    the others, which stand by and go on where it stopped.
    """

    def __init__(
        self,
        projection: Projection,
        kafka: KafkaSettings,
        postgres: PostgresSettings,
        *,
        namespace: Namespace | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._projection = projection
        self._kafka = kafka
        self._postgres = postgres
        self._namespace = namespace or projection.live
        self._pace = pace or Pace()

    def run(self, stop: threading.Event) -> None:
        """Fold until `stop` is set; the batch at hand is finished first.

        Raises ConfigurationError and FatalError, which a person or a supervisor has to see; waits out RetriableError.
        """
        delay = self._pace.first_delay
        while not stop.is_set():
            try:
                with self._worker() as worker:
                    log.info("projection_started", projection=self._namespace.projection)
                    self._fold_first_topics(worker, stop)
                    folded = 0
                    while not stop.is_set():
                        folded = worker.step(self._pace.batch, self._pace.wait_after(folded))
                        delay = self._pace.first_delay
            except FencedError:
                log.warning("projection_fenced", projection=self._namespace.projection, seconds=self._pace.standby)
                stop.wait(self._pace.standby)
            except RetriableError as error:
                log.warning("projection_waits", projection=self._namespace.projection, error=str(error), seconds=delay)
                stop.wait(delay)
                delay = min(2 * delay, self._pace.longest_delay)
        log.info("projection_stopped", projection=self._namespace.projection)

    def catch_up(self, limits: Positions) -> None:
        """Fold exactly to these positions and return.

        Raises RetriableError when nothing arrives for a minute although the limits are not reached.
        """
        first = {each: limit for each, limit in limits.items() if each[0] in self._projection.first_topics}
        with self._worker() as worker:
            self._fold_to(worker, first)
            self._fold_to(worker, limits)

    def _fold_to(self, worker: Worker, limits: Positions) -> None:
        behind = _behind(worker.positions, limits)
        worker.read_only(behind)
        last_news = time.monotonic()
        while behind:
            if worker.step(self._pace.batch, self._pace.wait, limits):
                last_news = time.monotonic()
            elif time.monotonic() - last_news > _PATIENCE:
                message = f"{len(behind)} partitions did not reach their limits within {_PATIENCE:.0f} seconds"
                raise RetriableError(message)
            still = _behind(worker.positions, limits)
            if len(still) < len(behind):
                worker.read_only(still)
            behind = still

    def _fold_first_topics(self, worker: Worker, stop: threading.Event) -> None:
        """Fold the topics that come first up to their ends as they are now; the others wait until then."""
        topics = self._projection.first_topics
        ends = end_offsets(self._kafka, topics) if topics else {}
        behind = _behind(worker.positions, ends)
        if not behind:
            return
        worker.read_only(behind)
        while _behind(worker.positions, ends) and not stop.is_set():
            worker.step(self._pace.batch, self._pace.wait, ends)
        worker.read_only(list(worker.positions))

    def _worker(self) -> Worker:
        return Worker(self._projection, self._kafka, self._postgres, self._namespace)


def _behind(positions: Positions, limits: Positions) -> list[tuple[str, int]]:
    return [partition for partition, limit in limits.items() if positions.get(partition, 0) < limit]
