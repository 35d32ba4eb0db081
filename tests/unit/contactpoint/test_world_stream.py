"""The world as events: valid under the contract, the same as what the codec writes, and about the same records."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from contactpoint.world import WorldSettings, encoded_stream, event_stream, person_id, simulate, value_stream
from schemas.codec import decode, encode
from schemas.events import RecordMerged, RecordObserved, RecordWithdrawn
from schemas.topics import SOURCE_TOPICS

SETTINGS = WorldSettings(children=700, seed=5)


def test_every_event_says_exactly_what_the_codec_would_write() -> None:
    for one in value_stream(SETTINGS):
        event = decode(one.value)
        assert event.subject == one.subject
        assert orjson.loads(encode(event).value) == orjson.loads(one.value)


def test_the_same_seed_gives_the_same_events() -> None:
    assert list(islice(value_stream(SETTINGS), 1500)) == list(islice(value_stream(SETTINGS), 1500))


def test_keys_topics_and_headers_are_those_of_the_source_topics() -> None:
    for topic, event in islice(encoded_stream(SETTINGS), 500):
        assert topic in SOURCE_TOPICS
        assert dict(event.headers)["ce_subject"] == event.key
    assert {one.kind for one in value_stream(SETTINGS)} == {"schools", "health", "yot", "eborders"}


def test_events_are_about_the_same_records_and_children_as_the_files(tmp_path: Path) -> None:
    truth = pq.read_table(simulate(SETTINGS, tmp_path / "out").truth).to_pylist()
    about = {one.subject: person_id(one.child) for one in value_stream(SETTINGS)}
    assert about == {row["record_key"]: row["person"] for row in truth}
    ended = {one.subject for one in event_stream(SETTINGS) if isinstance(one, RecordMerged | RecordWithdrawn)}
    assert ended == {row["record_key"] for row in truth if row["status"] != "live"}


def test_versions_of_a_record_grow_and_each_says_something_new() -> None:
    last: dict[str, RecordObserved] = {}
    for event in event_stream(SETTINGS):
        if isinstance(event, RecordObserved):
            before = last.get(event.subject)
            assert before is None or (event.source_version > before.source_version and event.data != before.data)
            last[event.subject] = event
    assert len(last) > 1000


def test_a_merge_names_a_survivor_of_the_same_source_that_was_observed() -> None:
    observed: set[str] = set()
    kinds = Counter[str]()
    for event in event_stream(SETTINGS):
        kinds[type(event).__name__] += 1
        if isinstance(event, RecordObserved):
            observed.add(event.subject)
        elif isinstance(event, RecordMerged):
            assert event.data.survivor in observed
            assert event.data.survivor.split(":")[0] == event.subject.split(":")[0]
    assert kinds["RecordMerged"] > 0
