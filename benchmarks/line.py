"""The stage's own reader, engine and committer in one line, fed with the bytes of events: what the benchmarks time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import psycopg

from matching.features import ChangeReader
from matching.resident.owner import ResidentOwner
from matching.sql import QUERIES
from matching.stage.committer import Committer
from matching.stage.engine import Engine, Start
from matching.stage.intake import Messages
from matching.stage.model_file import read_model
from matching.stage.reading import ReadAhead
from schemas.settings import PostgresSettings

MODEL: Final = read_model(None)
PARTITION: Final = ("source.schools", 0)
STEPS: Final = ("reading", "applying", "submitting", "committing")


class Bytes(NamedTuple):
    """A message as the engine sees it: opened, or never sealed."""

    offset: int
    key: bytes | None
    value: bytes | None
    original: bytes = b""
    time: int = 0
    erased: bool = False


class Run(NamedTuple):
    """One timed run: records a second, and milliseconds a thousand records by step."""

    rate: float
    steps: dict[str, float]


@dataclass(slots=True)
class Line:
    """Reader and engine, one behind the other; the messages are numbered as they are pushed."""

    engine: Engine
    ahead: ReadAhead
    pushed: int = 0

    def push(self, values: Sequence[bytes]) -> bool:
        """Let a batch be read, and the one before it be applied meanwhile; tell whether there is to publish."""
        self.ahead.send(_messages(values, self.pushed))
        self.pushed += len(values)
        return self.ahead.waiting > 1 and self.engine.step_ahead(self.ahead)

    def finish(self) -> None:
        """Apply what is being read, and wait until everything is committed."""
        while self.ahead.waiting:
            self.engine.step_ahead(self.ahead)
        self.engine.settle(0)

    def timed(self, values: Sequence[bytes], batch: int) -> Run:
        """Push values in batches, as the owner does under a backlog.

        One run follows the other without a pause: after the first, as many batches are on their way at the end of a run
        as at its beginning. So no run pays for an empty line, whatever its length.
        """
        before = asdict(self.engine.totals)
        begun = time.perf_counter()
        for first in range(0, len(values), batch):
            self.push(values[first : first + batch])
        seconds = time.perf_counter() - begun
        after = asdict(self.engine.totals)
        return Run(len(values) / seconds, {step: (after[step] - before[step]) / len(values) * 1e6 for step in STEPS})


def start_engine(connection: psycopg.Connection, settings: PostgresSettings) -> tuple[Engine, Committer]:
    """Take the lease for longer than any run, and return an engine with an empty owner and its committer."""
    token = secrets.token_hex(4)
    parameters = {"holder": f"benchmark/{token}", "seconds": 86_400}
    row = connection.execute(QUERIES["take_lease"], parameters).fetchone()
    assert row is not None
    committer = Committer(settings, token)
    start = Start(row[0], row[1], MODEL.model_id, [])
    return Engine(ResidentOwner(MODEL), ChangeReader(MODEL), committer, start=start), committer


def step(engine: Engine, values: Sequence[bytes]) -> bool:
    """Hand one micro-batch to the engine; tell whether a commit left something to publish."""
    return engine.step(_messages(values, engine.totals.records + engine.totals.rejected))


def _messages(values: Sequence[bytes], first: int) -> Messages:
    """Return values as messages, numbered from `first`."""
    return {PARTITION: [Bytes(first + place, b"", value) for place, value in enumerate(values)]}
