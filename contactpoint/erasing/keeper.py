"""The keeper: lets days begin, and purges what the law gives no more time. A stage, with one leader at a time.

What a day changes follows from `clock.advanced` events in the log, never from a machine's clock, so a replay archives
and purges the same records. The keeper is who publishes these events; after it was down it names the day that has
begun meanwhile, and what the days between would have changed changes then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import Field

from connectors.decisions import publish_decision, read_decisions
from connectors.postgres import connect, wrap_errors
from connectors.vault import KeyVault
from contactpoint.erasing.order import KEEPER, QUERIES
from contactpoint.erasing.places import POLICY, ROLE, Surroundings, enforce, purge
from contactpoint.erasing.state import has_directory, unfinished
from projections.access.deed import Deed, done
from projections.access.store import forget_queries, has_queries, queries_request
from projections.directory.retention import add_years
from schemas.access import Person
from schemas.decisions import Clock, ClockAdvanced
from schemas.errors import RetriableError
from schemas.events import event_id
from schemas.settings import Settings

log = structlog.get_logger(__name__)

PREFIX = "CONTACTPOINT_RETENTION_"


class KeeperSettings(Settings):
    """How the keeper works, and the periods that no regulation names.

    `letter_days`: how long a dead letter can be read; long enough to repair a feed and have it sent again.
    `query_years`: how long the trail of access keeps what a search asked that found no child, as long as an archive.
    `at_a_time`: how many children one round erases; the whole log is searched once a round.
    `most_days_ahead`: a machine's clock that is further ahead of the log is not believed; a person names the day then.
    """

    letter_days: int = Field(default=30, ge=1, le=3650)
    query_years: int = Field(default=6, ge=1, le=100)
    most_days_ahead: int = Field(default=31, ge=1)
    every_seconds: float = Field(default=30.0, gt=0)
    standby_seconds: float = Field(default=2.0, gt=0)
    at_a_time: int = Field(default=1_000, ge=1)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read CONTACTPOINT_RETENTION_LETTER_DAYS and the rest; raise ConfigurationError that names what is wrong."""
        return cls.from_prefixed(env, PREFIX)


@dataclass(slots=True)
class Keeper:
    """One keeper. `clock` says what time it is; it is asked for the day that has begun and for nothing else."""

    around: Surroundings
    settings: KeeperSettings
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self, stop: threading.Event) -> None:
        """Lead when nobody else does, until told to stop; wait and go on when a server is away."""
        while not stop.is_set():
            try:
                with connect(self.around.postgres, autocommit=True, application="contactpoint keeper") as connection:
                    self._stand_by(connection, stop)
                    self._lead(connection, stop)
            except RetriableError as error:
                log.warning("keeper_waits", error=str(error), seconds=self.settings.standby_seconds)
                stop.wait(self.settings.standby_seconds)

    def _stand_by(self, connection: Connection[TupleRow], stop: threading.Event) -> None:
        while not stop.is_set() and not _may_lead(connection):
            stop.wait(self.settings.standby_seconds)

    def _lead(self, connection: Connection[TupleRow], stop: threading.Event) -> None:
        if not stop.is_set():
            again = enforce(self.around)  # a restored backup may have undone erasures
            if again:
                log.warning("erased_again", count=len(again))
        newest = self._newest_day() if not stop.is_set() else None
        kept: date | None = None
        while not stop.is_set():
            newest = self._begin_day(max(filter(None, (newest, _folded_day(connection))), default=None))
            fresh = newest is not None and newest != kept
            if fresh and newest is not None:
                self._forget(newest)
            kept = newest
            while _has_work(connection, again=fresh) and not stop.is_set():
                done = purge(self.around, self.settings.at_a_time, again=fresh)
                log.info("purged", count=sum(each.finished for each in done))
                fresh = False
                if not done:
                    break  # what is due was refused: it is tried again, and said again, later
            stop.wait(self.settings.every_seconds)

    def _newest_day(self) -> date | None:
        days = [event.data.today for event in read_decisions(self.around.kafka) if isinstance(event, ClockAdvanced)]
        return max(days, default=None)

    def _begin_day(self, newest: date | None) -> date | None:
        """Publish that today has begun, unless the log has come that far; return the newest day of the log."""
        today = self.clock().astimezone(UTC).date()
        if newest is not None and today <= newest:
            return newest
        if newest is not None and (today - newest).days > self.settings.most_days_ahead:
            log.error("clock_not_believed", reason="name the day with `contactpoint retention advance`")
            return self._newest_day()
        publish_decision(self.around.kafka, day_begun(today, KEEPER))
        log.info("day_begun", name=today.isoformat())
        return today

    def _forget(self, today: date) -> None:
        """Destroy the keys of dead letters, and of queries that found nobody, whose time is over."""
        before = datetime.combine(today, time(), UTC) - timedelta(days=self.settings.letter_days)
        with KeyVault(self.around.vault_settings()) as vault:
            letters = vault.destroy_letters(before)
        months = self._forget_queries(add_years(today, -self.settings.query_years))
        if letters or months:
            log.info("keys_destroyed", count=letters + months)

    def _forget_queries(self, before: date) -> int:
        who = Person(user=KEEPER, role=ROLE, organisation=self.around.organisation)
        deed = Deed("destroyed_keys", who, POLICY, queries_request(before))
        with connect(self.around.postgres, autocommit=True) as connection:
            if not has_queries(connection, before):
                return 0
            with done(connection, deed) as shown:
                shown.keys = forget_queries(connection, before)
        return len(shown.keys)


def day_begun(today: date, by: str, approved_by: str | None = None) -> ClockAdvanced:
    """Return the event that this day has begun; published twice it is the same."""
    return ClockAdvanced(
        event_id=event_id("clock.advanced", today.isoformat()),
        subject="clock",
        decided_at=datetime(today.year, today.month, today.day, tzinfo=UTC),
        by=by,
        approved_by=approved_by,
        reason="day_begun",
        data=Clock(today=today),
    )


def _may_lead(connection: Connection[TupleRow]) -> bool:
    """Take the lead if nobody has it; it is lost with the connection."""
    with wrap_errors():
        row = connection.execute(QUERIES["try_lead"]).fetchone()
    return bool(row and row[0])


def _has_work(connection: Connection[TupleRow], *, again: bool) -> bool:
    """Tell whether an erasure is unfinished or due: cheap enough to ask for ever."""
    if unfinished(connection, again=again):
        return True
    if not has_directory(connection):
        return False
    with wrap_errors():
        return connection.execute(QUERIES["due"], (1,)).fetchone() is not None


def _folded_day(connection: Connection[TupleRow]) -> date | None:
    """Return the newest day that the directory has folded: a person may have named a later one."""
    if not has_directory(connection):
        return None
    with wrap_errors():
        row = connection.execute(QUERIES["newest_day"]).fetchone()
    return row[0] if row else None
