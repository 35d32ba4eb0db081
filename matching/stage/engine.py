"""The engine: micro-batches in, batches for the committer out. Synchronous; runs in the owner's worker thread.

It reads events, lets the resident owner decide, and hands the delta with the new positions over. A message that is not
an event becomes a dead letter in the same batch, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, Protocol

from matching.changes import ConflictChange, IdentityChange
from matching.features import ChangeReader
from matching.linkage.decisions import Decision
from matching.resident.owner import ResidentOwner
from matching.stage.committer import IN_FLIGHT
from matching.stage.intake import Messages, Reads, read_batch
from matching.stage.messages import Batch, Outcome, Outgoing, Position, now


class BatchWriter(Protocol):
    """What the engine hands its batches to: the committer, or a test's list. It answers in order."""

    @property
    def in_flight(self) -> int:
        """How many batches were submitted and not yet answered."""
        ...

    def submit(self, batch: Batch) -> list[Outcome]:
        """Take a batch over; return what was committed meanwhile."""
        ...

    def settle(self, most: int = 0) -> list[Outcome]:
        """Wait until at most `most` batches are in flight; return what was committed."""
        ...


class Ahead(Protocol):
    """Batches that are read by somebody else, in the order in which they were sent there."""

    def receive(self) -> tuple[Messages, Reads]:
        """Return the next one, with what was read."""
        ...


@dataclass(slots=True)
class Totals:
    """What this engine has done since it was built, for the log and for benchmarks; the rest are seconds.

    `reading` includes waiting for a batch that is read ahead, `submitting` for a free place in the committer;
    `committing` is the committer's own time.
    """

    records: int = 0
    rejected: int = 0
    identities: int = 0
    batches: int = 0
    reading: float = 0.0
    applying: float = 0.0
    submitting: float = 0.0
    committing: float = 0.0


class Start(NamedTuple):
    """Where an engine starts: its epoch, the last committed batch, the model, and the stored positions."""

    epoch: int
    batch: int
    model_id: str
    positions: Sequence[Position]


class Engine:
    """One owner's life between two rebuilds: applies batches, and keeps count of what is committed.

    `publishing` is off during a replay: identities are then derived and not published. `committed` holds the positions
    that are durable.
    """

    def __init__(
        self,
        owner: ResidentOwner,
        reader: ChangeReader,
        committer: BatchWriter,
        *,
        start: Start,
        publishing: bool = True,
        check: Callable[[Decision], None] | None = None,
    ) -> None:
        self.owner = owner
        self._reader = reader
        self._committer = committer
        self.start = start
        self._check = check
        self._batch = start.batch
        self._waiting: list[list[Position]] = []
        self.publishing = publishing
        self.committed = {(p.topic, p.partition): p.next_offset for p in start.positions}
        self.totals = Totals()

    @property
    def batch(self) -> int:
        """The number of the last batch that was handed over."""
        return self._batch

    @property
    def in_flight(self) -> int:
        """How many batches are handed over and not yet committed."""
        return self._committer.in_flight

    def step(self, messages: Messages) -> bool:
        """Apply one micro-batch; tell whether a commit since the last call left something to publish.

        Raises FencedError, RetriableError or FatalError when a batch failed: the state is then not to be used again.
        """
        return self._step(messages, self._reader, perf_counter())

    def step_ahead(self, ahead: Ahead) -> bool:
        """Apply the next batch that was read ahead. Returns and raises like `step`."""
        started = perf_counter()
        return self._step(*ahead.receive(), started)

    def _step(self, messages: Messages, reader: Reads, started: float) -> bool:
        changes, decisions, letters = read_batch(reader, messages, self._check)
        read = perf_counter()
        ends = [(partition, batch[-1]) for partition, batch in messages.items() if batch]
        positions = [Position(*partition, last.offset + 1, last.time) for partition, last in ends]
        delta = self.owner.apply(changes, self._batch + 1, decisions)
        self.totals.records += len(changes)
        self.totals.rejected += len(letters)
        self.totals.reading += read - started
        self.totals.applying += perf_counter() - read
        self.totals.identities += len(delta.identities) if self.publishing else 0
        return self._submit(Batch.of(delta, letters, positions, epoch=self.start.epoch, publishing=self.publishing))

    def publish(self, identities: list[IdentityChange], conflicts: list[ConflictChange], *, ends_replay: bool) -> bool:
        """Commit a batch that publishes these changes and changes no record."""
        self.totals.identities += len(identities)
        payload = Outgoing(identities, [], conflicts, self.start.model_id, now()).payload()
        return self._submit(Batch(self.start.epoch, self._batch + 1, payload, ends_replay=ends_replay))

    def settle(self, most: int = IN_FLIGHT) -> bool:
        """Note what was committed; wait until at most `most` batches are in flight. Returns and raises like `step`."""
        return self._note(self._committer.settle(most))

    def _submit(self, batch: Batch) -> bool:
        started = perf_counter()
        outcomes = self._committer.submit(batch)
        self.totals.submitting += perf_counter() - started
        self._waiting.append(batch.positions)
        self._batch = batch.batch
        self.totals.batches += 1
        return self._note(outcomes)

    def _note(self, outcomes: list[Outcome]) -> bool:
        for outcome in outcomes:
            self.totals.committing += outcome.seconds
            self.committed |= {(p.topic, p.partition): p.next_offset for p in self._waiting.pop(0)}
        return any(outcome.published for outcome in outcomes)
