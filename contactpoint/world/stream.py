"""The same world as events, without files: what ingest would publish, at the speed that benchmarks need.

Records keep the keys that the files give them. Each extract comes after the one before, and within it the kinds of
source take turns, a chunk of records at a time, as feeds that run side by side would. Late and repeated messages are
only in the files. Events are spelt as structs and encoded by `schemas.codec`, the fast way; the tests hold them to the
contract.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import numpy as np

from contactpoint.world.claims import add_parents, claims, may_have_changed, name_babies
from contactpoint.world.ctf_files import PupilNumbers
from contactpoint.world.population import Int64, Population, populate
from contactpoint.world.records import Speaker, Statement, speakers
from contactpoint.world.registers import present
from contactpoint.world.settings import WorldSettings
from schemas.catalogue import CURRENT_VERSIONS, AnyEvent
from schemas.codec import EncodedEvent, EventView, decode, encode_view, with_headers
from schemas.events import record_event_id
from schemas.moments import from_micros, micros
from schemas.topics import SourceKind, source_topic

_CHUNK = 2000
_CONTENT = msgspec.json.Encoder()


class _RecordView(EventView, frozen=True):
    """A record event as it is written."""

    event_id: str
    subject: str
    feed: str
    source_version: int
    fingerprint: str
    source_time: datetime
    ingested_at: datetime
    data: dict[str, Any]


class WorldEvent(NamedTuple):
    """An encoded event: the kind of source that it comes from, the child and the record key it is about, its bytes."""

    kind: SourceKind
    child: int
    subject: str
    value: bytes


def value_stream(settings: WorldSettings) -> Iterator[WorldEvent]:
    """Yield the world's record events in the order in which ingest would publish them."""
    population = populate(settings)
    clock = _Clock()
    voices = [_Voice(population, one, clock) for one in speakers(population, PupilNumbers.of(population))]
    for extract, day in enumerate(settings.dates):
        clock.start(datetime.combine(day, time(20, 0), UTC))
        turns = deque(voice.say(extract) for voice in voices)
        while turns:
            turn = turns.popleft()
            chunk = next(turn, None)
            if chunk is not None:
                yield from chunk
                turns.append(turn)


def encoded_stream(settings: WorldSettings) -> Iterator[tuple[str, EncodedEvent]]:
    """Yield each event's topic, and its key, value and headers."""
    for one in value_stream(settings):
        yield source_topic(one.kind), with_headers(one.value)


def event_stream(settings: WorldSettings) -> Iterator[AnyEvent]:
    """Yield the events themselves, fully validated: slower, for tests and for looking."""
    for one in value_stream(settings):
        yield decode(one.value)


class _Clock:
    """When each event was said and received: a microsecond after the one before."""

    def __init__(self) -> None:
        self._now = from_micros(0)

    def start(self, moment: datetime) -> None:
        """Go on from a moment, never back."""
        self._now = max(self._now, moment)

    def tick(self) -> datetime:
        """Return the next moment."""
        self._now += datetime.resolution
        return self._now


class _Voice:
    """One kind of source: remembers what each row said last, so that only changes become events."""

    def __init__(self, population: Population, speaker: Speaker, clock: _Clock) -> None:
        self._population = population
        self._speaker = speaker
        self._clock = clock
        size = len(speaker.register)
        self._said = np.zeros(size, np.uint64)
        self._replaced: set[int] = set()

    def say(self, extract: int) -> Iterator[list[WorldEvent]]:
        """Yield the events of one extract in chunks; records that ended come last."""
        register = self._speaker.register
        everyone = np.arange(len(register), dtype=np.int64)
        here = present(register, everyone, extract) & (register.deleted_at > extract) & (register.merged_at > extract)
        here &= may_have_changed(self._population, register, everyone, extract)
        rows = np.flatnonzero(here).astype(np.int64)
        for first in range(0, len(rows), _CHUNK):
            yield self._observed(rows[first : first + _CHUNK], extract)
        yield self._ended(extract)

    def _observed(self, rows: Int64, extract: int) -> list[WorldEvent]:
        speaker = self._speaker
        made = claims(self._population, speaker.register, rows, extract)
        if speaker.knows_parents:
            add_parents(self._population, made)
        if speaker.kind == "health":
            name_babies(self._population, made, speaker.register, extract)
        events: list[WorldEvent] = []
        for place, (row, child) in enumerate(zip(rows.tolist(), made.child.tolist(), strict=True)):
            statement = speaker.state(made, place, extract)
            content = _CONTENT.encode(statement.person)
            said = np.uint64(int.from_bytes(blake2b(content + statement.key.encode(), digest_size=8).digest()))
            if self._said[row] == said:
                continue
            self._said[row] = said
            mark = blake2b(content, digest_size=16).hexdigest()
            events.append(self._event("record.observed", child, statement, mark, statement.person))
            if statement.replaces and row not in self._replaced:
                self._replaced.add(row)
                events.append(self._merged(child, statement.replaces, statement))
        return events

    def _ended(self, extract: int) -> list[WorldEvent]:
        """Return the merges, deletions and closed cases of one extract."""
        register, kind = self._speaker.register, self._speaker.kind
        begun = register.since < extract
        merged = np.flatnonzero((register.merged_at == extract) & (register.until > extract) & begun).astype(np.int64)
        survivors = self._statements(register.duplicate_of[merged], extract)
        losers = self._statements(merged, extract)
        children = register.child[merged].tolist()
        events = [
            self._merged(child, loser.key, survivor)
            for child, loser, survivor in zip(children, losers, survivors, strict=True)
        ]
        left = (register.until == extract) & (kind == "yot")
        gone = np.flatnonzero(((register.deleted_at == extract) | left) & begun).astype(np.int64)
        for child, one in zip(register.child[gone].tolist(), self._statements(gone, extract), strict=True):
            events.append(self._event("record.withdrawn", child, one, _mark("withdrawn"), {}))
        return events

    def _statements(self, rows: Int64, extract: int) -> list[Statement]:
        """Return what rows say, where only their keys and feeds matter."""
        made = claims(self._population, self._speaker.register, rows, extract)
        if self._speaker.knows_parents:
            add_parents(self._population, made)
        return [self._speaker.state(made, place, extract) for place in range(len(rows))]

    def _merged(self, child: int, loser: str, survivor: Statement) -> WorldEvent:
        mark = _mark(f"merged into {survivor.key}")
        return self._event("record.merged", child, replace(survivor, key=loser), mark, {"survivor": survivor.key})

    def _event(self, event_type: str, child: int, about: Statement, mark: str, data: dict[str, Any]) -> WorldEvent:
        now = self._clock.tick()
        version = micros(now)
        view = _RecordView(
            event_type=event_type,
            schema_version=CURRENT_VERSIONS[event_type],
            event_id=record_event_id(about.key, event_type, version, mark),
            subject=about.key,
            feed=about.feed,
            source_version=version,
            fingerprint=mark,
            source_time=now,
            ingested_at=now,
            data=data,
        )
        return WorldEvent(self._speaker.kind, child, about.key, encode_view(view))


def _mark(text: str) -> str:
    """Return the fingerprint of an event without content."""
    return blake2b(text.encode(), digest_size=16).hexdigest()
