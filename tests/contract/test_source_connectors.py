"""One suite for every source connector: the rules of `connectors/base.py`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.base import NOTHING_READ, SourceState, advance
from connectors.raw import Item, RawRecord, RejectedItem
from connectors.registry import FORMATS
from ingest.settings import FeedSettings
from tests.unit.connectors.source_samples import CR, MAKERS, adt, ctf, feed, passenger, paxlst, pupil, yot, yot_row

# For each format: a file of three records whose second one is spoilt in each of several ways.
SPOILT: dict[str, dict[str, bytes]] = {
    "ctf": {
        "markup": ctf(pupil(1), "<Pupil><UPN>X</Pupil>", pupil(3)).encode(),
        "no-end-tag": ctf(pupil(1), pupil(2).removesuffix("</Pupil>"), pupil(3)).encode(),
        "wrong-encoding": ctf(pupil(1), pupil(2, Surname="Ad\xe9w\xe1l\xe9"), pupil(3)).encode("cp1252"),
        "entity": ctf(pupil(1), pupil(2, Surname="A&eacute;"), pupil(3)).encode(),
        "nul": ctf(pupil(1), pupil(2, Surname="A\0B"), pupil(3)).encode(),
        "too-long": ctf(pupil(1), pupil(2, Surname="A" * 10_000), pupil(3)).encode(),
        "no-identity": ctf(pupil(1), "<Pupil><Surname>A</Surname></Pupil>", pupil(3)).encode(),
    },
    "hl7_adt": {
        "no-separators": (adt(1) + "MSH" + CR + adt(3)).encode(),
        "wrong-encoding": (adt(1) + adt(2, more=["NK1|1|Ad\xe9w\xe1l\xe9"]) + adt(3)).encode("cp1252"),
        "no-person": (adt(1) + adt(2, pid="PV1|1|N") + adt(3)).encode(),
        "no-identity": (adt(1) + adt(2, pid="PID|1||||Family^Given") + adt(3)).encode(),
        "not-live": (adt(1) + adt(2, header="MSH|^~\\&|PAS|RX1|||20260302091500||ADT^A28|M|T|2.4") + adt(3)).encode(),
        "nul": (adt(1) + adt(2, more=["NK1|1|A\0B"]) + adt(3)).encode(),
        "too-long": (adt(1) + adt(2, more=["NK1|1|" + "A" * 10_000]) + adt(3)).encode(),
        "other-event": (adt(1) + adt(2, event="A99") + adt(3)).encode(),
        "merge-of-nothing": (adt(1) + adt(2, event="A40") + adt(3)).encode(),
    },
    "paxlst": {
        "wrong-encoding": paxlst(passenger(1), passenger(2, name="AD\xc9WAL:Z"), passenger(3)).encode("latin-1"),
        "no-identity": paxlst(passenger(1), passenger(2, name=":Z", ref=""), passenger(3)).encode(),
        "nul": paxlst(passenger(1), passenger(2, sex="F\0"), passenger(3)).encode(),
        "too-long": paxlst(passenger(1), passenger(2, name="A" * 10_000), passenger(3)).encode(),
        "too-many": paxlst(passenger(1), [*passenger(2), *["LOC+178+MAD"] * 1000], passenger(3)).encode(),
    },
    "yot_csv": {
        "too-few-fields": yot(yot_row(1), "1E01,00002,Family2", yot_row(3)).encode(),
        "too-many-fields": yot(yot_row(1), yot_row(2) + ",more", yot_row(3)).encode(),
        "open-quote": yot(yot_row(1), yot_row(2, Surname='"Family'), yot_row(3)).encode(),
        "quote-inside": yot(yot_row(1), yot_row(2, Surname='"Fam"ily'), yot_row(3)).encode(),
        "wrong-encoding": yot(yot_row(1), yot_row(2, Surname="Ad\xe9w\xe1l\xe9"), yot_row(3)).encode("cp1252"),
        "no-identity": yot(yot_row(1), yot_row(2, ClientID=" "), yot_row(3)).encode(),
        "no-source": yot(yot_row(1), yot_row(2, YOTID=""), yot_row(3)).encode(),
        "no-time": yot(yot_row(1), yot_row(2, LastModified="yesterday"), yot_row(3)).encode(),
        "nul": yot(yot_row(1), yot_row(2, Surname="A\0B"), yot_row(3)).encode(),
        "too-long": yot(yot_row(1), yot_row(2, Surname="A" * 10_000), yot_row(3)).encode(),
    },
}  # fmt: skip
CASES = [pytest.param(name, case, id=f"{name}-{case}") for name, cases in SPOILT.items() for case in cases]


@pytest.fixture(params=sorted(FORMATS))
def connector(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(connector: str, tmp_path: Path) -> FeedSettings:
    """Three files of seven records in all, read two at a time."""
    for count in (1, 2, 4):
        (tmp_path / f"day{count}0.txt").write_text(MAKERS[connector](count), newline="")
    return feed(connector, tmp_path, batch_size=2)


def read(settings: FeedSettings, state: SourceState = NOTHING_READ) -> list[Item]:
    return [item for batch in settings.connect().read(state) for item in batch.items]


def test_every_format_has_cases_and_a_maker() -> None:
    assert set(FORMATS) == set(MAKERS) == set(SPOILT)


def test_reading_on_from_any_state_gives_exactly_what_was_left(source: FeedSettings) -> None:
    everything = read(source)
    state, seen = NOTHING_READ, 0
    for batch in source.connect().read(NOTHING_READ):
        state, seen = advance(state, batch), seen + len(batch.items)
        assert read(source, state) == everything[seen:]
    assert seen == len(everything) == 7


def test_reading_again_after_the_end_gives_nothing(source: FeedSettings) -> None:
    state = NOTHING_READ
    for batch in source.connect().read(state):
        state = advance(state, batch)
    assert list(source.connect().read(state)) == []


def test_two_readings_give_equal_items(source: FeedSettings) -> None:
    assert read(source) == read(source)


def test_a_file_sent_again_under_another_name_is_not_read_again(source: FeedSettings) -> None:
    before = read(source)
    (source.directory / "day99.txt").write_bytes((source.directory / "day40.txt").read_bytes())
    assert read(source) == before


def test_a_file_that_is_still_being_written_is_left_alone(source: FeedSettings) -> None:
    before = read(source)
    (source.directory / "day99.txt.part").write_text("half a file")
    assert read(source) == before


def test_files_are_read_in_natural_order(source: FeedSettings) -> None:
    (source.directory / "day10.txt").rename(source.directory / "day9.txt")
    places = [item.place.split(" ")[0] for item in read(source)]
    assert places == ["day9.txt"] + ["day20.txt"] * 2 + ["day40.txt"] * 4


def test_versions_of_one_file_keep_its_order(source: FeedSettings) -> None:
    records = [item for item in read(source) if isinstance(item, RawRecord) and item.place.startswith("day40")]
    assert len(records) > 1
    assert all(one.version < other.version for one, other in pairwise(records))


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_bad_item_is_rejected_and_its_neighbours_arrive(name: str, case: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SPOILT[name][case])
    items = read(feed(name, tmp_path, item_limit=4096))
    bad = [item for item in items if isinstance(item, RejectedItem)]
    good = [item for item in items if isinstance(item, RawRecord)]
    assert [item.person.names[0].family.upper() for item in good if item.person and item.person.names] == [
        "FAMILY1",
        "FAMILY3",
    ]
    assert len(bad) == 1
    assert bad[0].code
    assert bad[0].reason
    assert bad[0].place.startswith("file (")


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_rejected_item_keeps_its_own_bytes(name: str, case: str, tmp_path: Path) -> None:
    content = SPOILT[name][case]
    (tmp_path / "file").write_bytes(content)
    (bad,) = (item for item in read(feed(name, tmp_path, item_limit=4096)) if isinstance(item, RejectedItem))
    travel_documents_left_out = name == "paxlst"
    assert bad.original
    assert travel_documents_left_out or bad.original in content
    assert len(bad.original) <= 4096


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_reason_does_not_quote_the_item(name: str, case: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SPOILT[name][case])
    (bad,) = (item for item in read(feed(name, tmp_path, item_limit=4096)) if isinstance(item, RejectedItem))
    assert "family" not in bad.reason.lower()
    assert "2014" not in bad.reason


def test_a_bad_file_does_not_hide_the_next_one(source: FeedSettings) -> None:
    (source.directory / "day15.txt").write_text("this is no file of any format")
    batches = list(source.connect().read(NOTHING_READ))
    failures = [failure for batch in batches for failure in batch.failures]
    assert [failure.file for failure in failures] == ["day15.txt"]
    assert sum(len(batch.items) for batch in batches) == 7


def test_a_file_that_failed_is_tried_again(source: FeedSettings) -> None:
    (source.directory / "day15.txt").write_text("this is no file of any format")
    state = NOTHING_READ
    for batch in source.connect().read(state):
        state = advance(state, batch)
    again = list(source.connect().read(state))
    assert [failure.file for batch in again for failure in batch.failures] == ["day15.txt"]
    assert [item for batch in again for item in batch.items] == []


def test_a_missing_directory_and_a_pattern_that_fits_nothing_are_told(connector: str, tmp_path: Path) -> None:
    missing = feed(connector, tmp_path / "none").connect().check()
    (tmp_path / "a.dat").write_text("x")
    unfit = feed(connector, tmp_path).model_copy(update={"pattern": "*.xyz"}).connect().check()
    assert "does not exist" in missing[0]
    assert "none fits the pattern '*.xyz'" in unfit[0]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n\r\n"], ids=["none", "lf", "crlf"])
def test_the_end_of_the_last_line_does_not_matter(connector: str, ending: bytes, tmp_path: Path) -> None:
    content = MAKERS[connector](2).encode().rstrip(b"\r\n")
    (tmp_path / "file").write_bytes(content + ending)
    told: dict[str, Any] = {"hl7_adt": {"terminates_last_segment": False}} if connector == "hl7_adt" else {}
    assert [type(item) for item in read(feed(connector, tmp_path, **told))] == [RawRecord, RawRecord]


def test_the_size_of_reads_does_not_matter(connector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text(MAKERS[connector](5), newline="")
    whole = read(feed(connector, tmp_path))
    for module in ("edifact", "lines", "xml_records"):
        monkeypatch.setattr(f"connectors.{module}._CHUNK", 7)
    assert read(feed(connector, tmp_path)) == whole


def test_an_empty_directory_is_read_to_its_end(connector: str, tmp_path: Path) -> None:
    assert read(feed(connector, tmp_path)) == []
