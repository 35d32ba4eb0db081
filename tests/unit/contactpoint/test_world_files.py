"""The world's files: byte for byte repeatable, readable by independent readers, and true to the truth beside them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import hl7
import orjson
import pyarrow.parquet as pq
import pytest
from lxml import etree

from connectors.raw import RawPerson, RawRecord, RejectedItem
from contactpoint.world import Coverage, Delivery, LifeRates, MistakeRates, WorldSettings, WorldSummary, simulate
from contactpoint.world.yot_files import layout_of
from ingest.normalise import is_in_scope, normalise
from ingest.policy import Policy
from ingest.settings import FeedSettings, load_feeds
from schemas.errors import ConfigurationError
from schemas.moments import from_micros

SETTINGS = WorldSettings(children=700, seed=5)
SOUND = SETTINGS.model_copy(update={"delivery": Delivery(broken_items=0)})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldSummary:
    return simulate(SETTINGS, tmp_path_factory.mktemp("world") / "out")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> WorldSummary:
    return simulate(SOUND, tmp_path_factory.mktemp("sound") / "out")


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def truth_of(summary: WorldSummary) -> dict[str, dict[str, Any]]:
    return {row["record_key"]: row for row in pq.read_table(summary.truth).to_pylist()}


def files(summary: WorldSummary, pattern: str) -> list[Path]:
    found = sorted(summary.feeds_directory.glob(pattern))
    assert found
    return found


def test_the_same_seed_writes_the_same_bytes(world: WorldSummary, tmp_path: Path) -> None:
    again = simulate(SETTINGS, tmp_path / "again")
    assert digests(again.truth.parent) == digests(world.truth.parent)


def test_another_seed_writes_other_bytes(world: WorldSummary, tmp_path: Path) -> None:
    other = simulate(SETTINGS.model_copy(update={"seed": 6}), tmp_path / "other")
    assert digests(other.feeds_directory) != digests(world.feeds_directory)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ConfigurationError, match="not an empty directory"):
        simulate(SETTINGS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_progress_grows_to_the_number_of_items(tmp_path: Path) -> None:
    shown: list[int] = []
    summary = simulate(SETTINGS, tmp_path / "out", lambda done, _total: shown.append(done))
    assert shown == sorted(shown)
    assert shown[-1] == summary.items == summary.as_dict()["items"]


def test_school_files_are_common_transfer_files(sound: WorldSummary) -> None:
    pupils = Counter[str]()
    for path in files(sound, "schools-*/*.xml"):
        root = etree.parse(path).getroot()
        assert root.tag == "CTfile"
        assert re.fullmatch(r"[0-9]{7}_CTF_[0-9]{3}LLLL_[0-9]{3}\.xml", path.name)
        assert root.findtext("Header/SourceSchool/LEA") == path.name[:3]
        pupils.update(one.tag for one in root.iterfind("CTFpupilData/Pupil"))
        for pupil in root.iterfind("CTFpupilData/Pupil"):
            assert pupil.findtext("Surname")
            assert (pupil.findtext("Sex") or pupil.findtext("Gender")) in ("F", "M", "U")
    assert pupils["Pupil"] == sum(tally.items for tally in sound.feeds if tally.kind == "schools")


def test_health_files_are_hl7_messages(sound: WorldSummary) -> None:
    events = Counter[str]()
    for path in files(sound, "health-*/*.hl7"):
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\r").replace("\n", "\r")
        for message in text.split("MSH|")[1:]:
            parsed = hl7.parse("MSH|" + message.rstrip("\r"))
            event = str(parsed.segment("MSH")[9]).split("^")[1]
            events[event] += 1
            assert str(parsed.segment("EVN")[1]) == event
            assert str(parsed.segment("PID")[3])
            if event == "A40":
                assert str(parsed.segment("MRG")[1]).endswith("^PI")
    assert set(events) >= {"A28", "A31", "A40"}
    tallies = [tally for tally in sound.feeds if tally.kind == "health"]
    assert events["A40"] == sum(tally.merges for tally in tallies)
    assert sum(events.values()) == sum(tally.items for tally in tallies)


def test_yot_files_are_tables_in_three_layouts(tmp_path: Path) -> None:
    only_teams = Coverage(**{**dict.fromkeys(Coverage.model_fields, 0.0), "yot": 0.05})
    settings = SOUND.model_copy(update={"children": 26_000, "coverage": only_teams})
    sound = simulate(settings, tmp_path / "three")
    teams = sorted(sound.feeds_directory.glob("yot-*/"))
    assert len([path for path in teams if path.is_dir()]) == 3
    for team in range(3):
        layout = layout_of(team)
        for path in files(sound, f"yot-{700 + team}/*.csv"):
            with path.open(encoding=layout.encoding, newline="") as file:
                rows = list(csv.DictReader(file, delimiter=layout.delimiter, strict=True))
            headings = dict(layout.columns)
            assert len({row[headings["source_id"]] for row in rows}) == len(rows) > 0
            assert all(row[headings["surname"]] or row[headings.get("is_deleted", "")] == "Y" for row in rows)


def test_passenger_lists_are_interchanges_with_true_segment_counts(sound: WorldSummary) -> None:
    for path in files(sound, "eborders/*.edi"):
        text = path.read_text("ascii").removeprefix("UNA:+.? '")
        segments = [segment.strip() for segment in text.split("'") if segment.strip()]
        assert segments[0].startswith("UNB+UNOA:4")
        start = next(place for place, segment in enumerate(segments) if segment.startswith("UNH+"))
        end = next(place for place, segment in enumerate(segments) if segment.startswith("UNT+"))
        assert segments[end].split("+")[1] == str(end - start + 1)
        people = sum(segment.startswith("NAD+FL") for segment in segments)
        assert f"CNT+42:{people}" in segments
        assert all(re.fullmatch(r"[A-Z0-9 +:.?,()/=-]*", segment) for segment in segments)


def read_items(feed: FeedSettings) -> Iterator[RawRecord | RejectedItem]:
    connector = feed.connect()
    assert connector.check() == ()
    for batch in connector.read({}):
        assert batch.failures == ()
        yield from (item for item in batch.items if isinstance(item, RawRecord | RejectedItem))


def counts_of(feed: FeedSettings) -> tuple[Counter[str], set[str]]:
    """Read a feed with its connector and count what ingest would make of it."""
    counted, keys = Counter[str](), set[str]()
    last: dict[str, tuple[int, str]] = {}
    policy = Policy(accept_synthetic=True, needs_birth_date=feed.kind == "eborders")
    for item in read_items(feed):
        if isinstance(item, RejectedItem):
            counted["rejects"] += 1
            continue
        if item.kind != "observed":
            counted[item.kind] += 1
            continue
        said_on = from_micros(item.version).date()
        person = normalise(item.person or RawPerson(), policy, said_on).person
        if not is_in_scope(person.birth_date, policy, said_on):
            counted["out_of_scope"] += 1
            continue
        keys.add(item.key)
        content, before = person.model_dump_json(), last.get(item.key)
        if before is not None and item.version < before[0]:
            counted["late"] += 1
            continue
        last[item.key] = (item.version, content)
        counted["records" if before is None else "repeats" if before[1] == content else "updates"] += 1
    return counted, keys


def test_the_connectors_find_exactly_what_the_truth_and_the_expectations_say(world: WorldSummary) -> None:
    truth, feeds = truth_of(world), load_feeds(world.feeds_directory)
    expected = orjson.loads(world.expected.read_bytes())["feeds"]
    assert {feed.name for feed in feeds} == set(expected)
    for feed in feeds:
        counted, keys = counts_of(feed)
        assert keys == {key for key, row in truth.items() if row["feed"] == feed.name}
        for name in ("records", "updates", "repeats", "late", "rejects", "out_of_scope"):
            assert (feed.name, name, counted[name]) == (feed.name, name, expected[feed.name][name])
        assert counted["withdrawn"] == expected[feed.name]["withdrawals"]


def test_broken_items_do_not_change_what_is_said_of_the_others(world: WorldSummary, sound: WorldSummary) -> None:
    assert truth_of(world) == truth_of(sound)
    assert sum(tally.rejects for tally in world.feeds) == 2 * len(world.feeds)
    assert sum(tally.rejects for tally in sound.feeds) == 0


def test_the_truth_knows_twins_and_children_in_several_sources(world: WorldSummary) -> None:
    truth = truth_of(world)
    kinds: dict[str, set[str]] = {}
    for row in truth.values():
        kinds.setdefault(row["person"], set()).add(row["kind"])
    assert max(map(len, kinds.values())) >= 3
    births: dict[int, set[str]] = {}
    for row in truth.values():
        if row["birth"] is not None:
            births.setdefault(row["birth"], set()).add(row["person"])
    assert any(len(people) >= 2 for people in births.values())
    assert all(len(people) <= 3 for people in births.values())
    assert {row["status"] for row in truth.values()} >= {"live", "merged"}
    assert sum(row["status"] == "live" for row in truth.values()) == sum(tally.live for tally in world.feeds)


def test_a_world_of_one_extract_has_one_file_a_school(tmp_path: Path) -> None:
    summary = simulate(WorldSettings(children=60, extracts=1), tmp_path / "small")
    for tally in summary.feeds:
        assert tally.updates == 0 or tally.kind == "eborders"
    assert len(list(summary.feeds_directory.glob("yot-*/*.csv"))) <= 2


@pytest.mark.parametrize("children", [1, 2, 7])
def test_even_the_smallest_worlds_can_be_read(children: int, tmp_path: Path) -> None:
    summary = simulate(WorldSettings(children=children), tmp_path / "tiny")
    keys = set().union(*(counts_of(feed)[1] for feed in load_feeds(summary.feeds_directory)))
    assert keys == set(truth_of(summary))


def test_a_world_in_which_everything_goes_wrong_can_still_be_read(tmp_path: Path) -> None:
    """Every rate at its highest: twins, moves, mistakes, duplicates, and every message late or repeated."""
    settings = WorldSettings(
        children=150,
        life=LifeRates(**dict.fromkeys(LifeRates.model_fields, 1.0)),
        coverage=Coverage(**dict.fromkeys(Coverage.model_fields, 1.0)),
        mistakes=MistakeRates(**dict.fromkeys(MistakeRates.model_fields, 1.0)),
        delivery=Delivery(repeated=1.0, late=1.0, deleted=1.0, broken_items=9),
    )
    summary = simulate(settings, tmp_path / "chaos")
    counted = [counts_of(feed) for feed in load_feeds(summary.feeds_directory)]
    assert set().union(*(keys for _, keys in counted)) == set(truth_of(summary))
    assert sum(counts["rejects"] for counts, _ in counted) == sum(tally.rejects for tally in summary.feeds)
