"""Ingest of one feed: read a batch, decide what is new, publish, then save. The order of these effects is the promise.

A crash before the save reads the batch again and publishes the same event ids; nothing is lost and no fact is doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from connectors.base import NOTHING_READ, Batch, advance
from connectors.raw import Flaw, RawRecord, RejectedItem, SnapshotEnd
from ingest.changes import ChangeDetector, Ledger
from ingest.policy import Policy
from ingest.report import FeedReport
from ingest.seals import Seals
from ingest.settings import FeedSettings
from ingest.store import IngestStore, InMemoryStore, Totals, Writes
from schemas.codec import EncodedEvent
from schemas.dead_letter import DeadLetter, dead_letter, to_headers
from schemas.errors import ConfigurationError, RejectedError
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger(__name__)

STAGE = "ingest"
_MOST_SHOWN = 20  # refused records that a rehearsal tells of
Clock = Callable[[], datetime]


class Producer(Protocol):
    """What ingest needs of `connectors.kafka.EventProducer`."""

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Queue one message."""
        ...

    def send_event(self, topic: str, event: EncodedEvent) -> None:
        """Queue one encoded event."""
        ...

    def flush(self) -> None:
        """Return once everything sent before is safe; raise for anything that is not."""
        ...


@dataclass(frozen=True, slots=True)
class FeedCheck:
    """A dry run over everything in a feed: what stops it, what would happen, and the first refused items."""

    problems: tuple[str, ...]
    report: FeedReport
    rejects: tuple[DeadLetter, ...]


@dataclass(slots=True)
class _Outcome:
    """What one batch leads to."""

    events: list[EncodedEvent]
    letters: list[DeadLetter]
    ledger: Ledger
    report: FeedReport


def never() -> bool:
    """Say that a run need not stop before the feed's end."""
    return False


def run_feed(
    feed: FeedSettings,
    producer: Producer,
    store: IngestStore,
    clock: Clock,
    *,
    stop: Callable[[], bool] = never,
    watch: Callable[[FeedReport], None] | None = None,
    seals: Seals | None = None,
) -> FeedReport:
    """Read what is new in a feed and publish it; return what was done.

    A paused feed is left alone; pausing or `stop` ends a run after the batch that is under way. `watch` is called after
    every batch with the counts so far. With `seals` record keys stand for the sources' own ids, and everything that is
    published is sealed; without, it is in the clear. Raises ConfigurationError when the feed cannot be read at all,
    RetriableError or FencedError when Kafka or PostgreSQL say so: the next run goes on where this one had saved.
    """
    report = FeedReport(feed.name)
    connector = feed.connect()
    problems = connector.check()
    if problems:
        msg = f"feed {feed.name}: {'; '.join(problems)}"
        raise ConfigurationError(msg)
    state = store.load_state(feed.name)
    batches = iter(connector.read(state))
    while not stop():
        if store.status(feed.name).paused:
            report.paused = True
            break
        batch = next(batches, None)  # 1. read
        if batch is None:
            break
        if seals is not None:
            batch = seals.named(batch)
        outcome = decide_batch(feed, batch, store, clock())  # 2. normalise and detect change: no effects
        _publish(feed.topic, outcome, producer, seals)  # 3. publish, and wait until the brokers have it
        store.commit(feed.name, state, _writes(batch, outcome))  # 4. save all of it in one transaction
        state = advance(state, batch)
        _add(report, outcome.report)
        _log_batch(outcome)
        if watch is not None:
            watch(report)
    return report


def _publish(topic: str, outcome: _Outcome, producer: Producer, seals: Seals | None) -> None:
    events, letters = outcome.events, outcome.letters
    with seals.publishing() if seals else nullcontext():
        if seals is not None:
            events, letters = seals.sealed(events, letters)
        for event in events:
            producer.send_event(topic, event)
        for letter in letters:
            producer.send(DEAD_LETTERS, letter.key, letter.value, to_headers(letter))
        producer.flush()


def check_feed(feed: FeedSettings, clock: Clock) -> FeedCheck:
    """Read everything in a feed as if for the first time and change nothing: a rehearsal before it goes live."""
    connector = feed.connect()
    problems = connector.check()
    report, rejects = FeedReport(feed.name), list[DeadLetter]()
    if problems:
        return FeedCheck(problems, report, ())
    store, state = InMemoryStore(), NOTHING_READ
    for batch in connector.read(state):
        outcome = decide_batch(feed, batch, store, clock())
        rejects += outcome.letters[: _MOST_SHOWN - len(rejects)]
        store.commit(feed.name, state, _writes(batch, outcome))
        state = advance(state, batch)
        _add(report, outcome.report)
    return FeedCheck((), report, tuple(rejects))


def decide_batch(feed: FeedSettings, batch: Batch, store: IngestStore, now: datetime) -> _Outcome:
    """Return what a batch leads to, without doing it."""
    outcome = _Outcome([], [], Ledger(store), FeedReport(feed.name))
    outcome.ledger.fetch(batch.items)
    detector = ChangeDetector(feed.name, policy_of(feed), outcome.ledger, now)
    for item in batch.items:
        if isinstance(item, RawRecord):
            _take_record(feed, item, detector, outcome)
        elif isinstance(item, RejectedItem):
            outcome.ledger.touch(item.key, item.snapshot)
            _reject(feed, item, RejectedError(item.code, item.reason), outcome)
        elif isinstance(item, Flaw):
            outcome.report.notes[item.code] += 1
            log.info("flaw_found", stage=STAGE, feed=feed.name, place=item.place, code=item.code)
        else:
            _end_snapshot(feed, item, detector, outcome)
    report = outcome.report
    report.files = sum(progress.finished for progress in batch.progress)
    report.failures += batch.failures
    report.events = len(outcome.events)
    return outcome


def policy_of(feed: FeedSettings) -> Policy:
    """Return what the feed lets through; passenger lists hold mostly adults, so they need a date of birth."""
    return Policy(
        under_age=feed.under_age,
        accept_synthetic=feed.accept_synthetic,
        needs_birth_date=feed.kind == "eborders",
        items=feed.permitted_items,
        placeholders=frozenset(text.upper() for text in feed.placeholders),
        authority=feed.authority or "",
    )


def _take_record(feed: FeedSettings, raw: RawRecord, detector: ChangeDetector, outcome: _Outcome) -> None:
    try:
        decision = detector.decide(raw)
    except RejectedError as error:
        item = RejectedItem(raw.place, error.code, error.reason, raw.original, raw.key)
        _reject(feed, item, error, outcome)
        return
    report = outcome.report
    report.received += 1
    report.accepted += decision.outcome == "accepted"
    report.unchanged += decision.outcome in ("unchanged", "late")
    report.late += decision.outcome == "late"
    report.out_of_scope += decision.outcome == "out_of_scope"
    report.dropped.update(raw.dropped)
    report.notes.update(decision.notes)
    outcome.events += decision.events


def _reject(feed: FeedSettings, item: RejectedItem, error: RejectedError, outcome: _Outcome) -> None:
    key = item.key.encode() or None
    letter = dead_letter(
        stage=STAGE, origin=feed.name, place=item.place, key=key, value=item.original, error=error
    )  # fmt: skip
    outcome.letters.append(letter)
    outcome.report.received += 1
    outcome.report.rejected += 1
    outcome.report.rejects[error.code] += 1


def _end_snapshot(feed: FeedSettings, end: SnapshotEnd, detector: ChangeDetector, outcome: _Outcome) -> None:
    """Withdraw whoever a full refresh left out, unless it left out so many that the file itself is to be doubted."""
    for source in end.sources:
        absent = outcome.ledger.absent(source, end)
        doubt = _doubt(feed, end, source, len(absent), outcome)
        if doubt:
            warning = f"{end.place}: {len(absent)} records of {source} are not in this full refresh: {doubt}"
            outcome.report.warnings.append(warning)
            continue
        outcome.events += detector.withdraw(absent, end)
        outcome.report.withdrawn_by_absence += len(absent)
        outcome.ledger.snapshots[source] = max(end.snapshot, outcome.ledger.snapshots.get(source, 0))


def _doubt(feed: FeedSettings, end: SnapshotEnd, source: str, absent: int, outcome: _Outcome) -> str:
    """Return why absence does not mean that they are gone; empty when it does."""
    if not absent:
        return ""
    if end.nameless:
        return f"not withdrawn, because {end.nameless} rows could not be read and could be any of them"
    live = outcome.ledger.live_count(source)
    allowed = max(1, int(live * feed.max_withdrawn_share))
    limit = f"{allowed} of {live} (yot_csv.max_withdrawn_share = {feed.max_withdrawn_share:g})"
    return f"not withdrawn, because that is more than {limit}" if absent > allowed else ""


def _writes(batch: Batch, outcome: _Outcome) -> Writes:
    ledger, report = outcome.ledger, outcome.report
    totals = Totals(report.received, report.accepted, report.unchanged, report.out_of_scope, report.rejected)
    return Writes(batch.progress, tuple(ledger.changed.values()), ledger.snapshots, totals)


def _add(total: FeedReport, batch: FeedReport) -> None:
    for name in (*Totals._fields, "files", "late", "events", "withdrawn_by_absence"):
        setattr(total, name, getattr(total, name) + getattr(batch, name))
    for name in ("dropped", "notes", "rejects"):
        getattr(total, name).update(getattr(batch, name))
    total.warnings += batch.warnings
    total.failures += batch.failures


def _log_batch(outcome: _Outcome) -> None:
    report = outcome.report
    log.info(
        "batch_ingested", stage=STAGE, feed=report.feed, records=report.received, accepted=report.accepted,
        unchanged=report.unchanged, rejected=report.rejected, withdrawn=report.withdrawn_by_absence,
    )  # fmt: skip
    for failure in report.failures:
        log.warning("file_failed", stage=STAGE, feed=report.feed, file=failure.file, code=failure.code)
