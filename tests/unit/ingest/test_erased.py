"""Records that were erased: refused when they are sent again, taken in when something newer is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.store import InMemoryStore, StoredRecord, Writes
from tests.unit.connectors.source_samples import MAKERS
from tests.unit.ingest.ingest_harness import Line, RecordingProducer


def after_erasure(line: Line, connector: str, *, newer: bool) -> Line:
    """Send five records, erase them, and let the feed start again with nothing but the ledger's floors."""
    line.run(MAKERS[connector](5))
    known = line.store.records({event.subject for event in line.producer.events}).values()
    floors = [StoredRecord(one.key, one.version - newer, "~", "erased") for one in known]
    line.store, line.producer = InMemoryStore(), RecordingProducer()
    line.store.commit(line.settings.name, {}, Writes(records=floors))
    return line


@pytest.mark.parametrize("connector", sorted(MAKERS))
def test_what_was_erased_is_refused_when_it_is_sent_again(connector: str, tmp_path: Path) -> None:
    line = after_erasure(Line(connector, tmp_path), connector, newer=False)
    report = line.run()
    assert (report.received, report.late, report.events) == (5, 5, 0)
    assert line.producer.events == []


@pytest.mark.parametrize("connector", sorted(MAKERS))
def test_something_newer_about_an_erased_record_is_taken_in(connector: str, tmp_path: Path) -> None:
    line = after_erasure(Line(connector, tmp_path), connector, newer=True)
    assert line.run().events == 5
