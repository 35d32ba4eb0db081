"""Damaged files from every kind of source, through the command line: each ends as a dead letter or a clear feed error,
and every good record around it reaches its topic."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka import read_to_end
from schemas.codec import decode
from schemas.dead_letter import DeadLetter, from_message
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DEAD_LETTERS, SOURCE_TOPICS
from tests.factories.line import Line
from tests.unit.connectors.source_samples import adt, ctf, passenger, paxlst, pupil, yot, yot_row

TEN_MEGABYTES = 10 * 1024 * 1024
FEEDS = {
    "schools": 'connector = "ctf"\nsource = "school-{lea}{estab}"\n',
    "health": 'connector = "hl7_adt"\nsource = "health-{facility}"\n',
    "eborders": 'connector = "paxlst"\nsource = "eborders-{carrier}"\n',
    "yot": 'connector = "yot_csv"\nsource = "yot-1e01"\n[yot_csv]\nencoding = "utf-8"\ndate_format = "%d/%m/%Y"\n'
    '[yot_csv.columns]\nsource_id = "ClientID"\nsurname = "Surname"\nforename = "Forename"\ndate_of_birth = "DOB"\n'
    'last_modified = "LastModified"\n',
}
CUSTOM = "UNA:*.? $"


def files() -> dict[str, dict[str, bytes]]:
    """Return the files of each feed: damaged ones, between good records numbered apart."""
    truncated = ctf(pupil(1), pupil(2), pupil(3)).encode()
    separators = str.maketrans({"+": "*", "'": "$"})
    return {
        "schools": {
            "1_truncated.xml": truncated[: truncated.rindex(b"<DOB>")],
            "2_encoding.xml": ctf(pupil(4), pupil(5, Surname="Ad\xe9w"), pupil(6)).encode("cp1252"),
            "3_large.xml": ctf(pupil(7), pupil(8, Surname="A" * TEN_MEGABYTES), pupil(9)).encode(),
            "4_nul.xml": ctf(pupil(10), pupil(11, Surname="A\0B"), pupil(12)).encode(),
        },
        "health": {
            "1_line_feeds.hl7": "".join(adt(number, end="\n") for number in (1, 2)).encode(),
            "2_nul.hl7": (adt(3) + adt(4, more=["NK1|1|A\0B"]) + adt(5)).encode(),
        },
        "eborders": {"1_custom.txt": (CUSTOM + paxlst(passenger(1), passenger(2)).translate(separators)).encode()},
        "yot": {
            "1_column.csv": yot(yot_row(1)).replace("Surname,", "Nachname,").encode(),
            "2_nul.csv": yot(yot_row(2), yot_row(3, Surname="A\0B"), yot_row(4)).encode(),
        },
    }


EXPECTED = {
    "source.schools": {1, 2, 4, 6, 7, 9, 10, 12},
    "source.health": {1, 2, 3, 5},
    "source.eborders": {1, 2},
    "source.yot": {2, 4},
}
# The cut file makes two: the pupil that was cut, and the end that is missing.
REFUSED = {
    ("schools", "truncated"): 2,
    ("schools", "undecodable"): 1,
    ("schools", "xml_invalid"): 1,
    ("schools", "nul_byte"): 1,
    ("health", "nul_byte"): 1,
    ("yot", "nul_byte"): 1,
}


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Line:
    for name, content in files().items():
        folder = tmp_path / "feeds" / name
        folder.mkdir(parents=True)
        for file, data in content.items():
            (folder / file).write_bytes(data)
        head = f'name = "{name}"\ndirectory = "{name}"\npattern = "*"\n'
        (tmp_path / "feeds" / f"{name}.toml").write_text(head + FEEDS[name], encoding="utf-8")
    return Line(kafka, postgres, tmp_path)


def test_every_good_record_arrives_and_every_bad_one_is_accounted_for(line: Line) -> None:
    done = line.run("feeds", "run", str(line.folder / "feeds"))
    assert done.returncode == 65, "a file could not be read at all"
    assert "Traceback" not in done.stderr
    assert arrived(line.kafka) == EXPECTED
    letters = dead_letters(line.kafka)
    assert Counter((letter.origin, letter.code) for letter in letters) == REFUSED
    assert {letter.stage for letter in letters} == {"ingest"}
    assert any(len(letter.value) > TEN_MEGABYTES for letter in letters), "its own bytes, whole"
    assert "1_column.csv" in done.stdout
    assert "Surname" in done.stdout, "the feed error names the column that is missing"
    assert "Family" not in done.stderr, "no personal data in logs"


def test_a_rehearsal_finds_the_same_without_publishing(line: Line) -> None:
    done = line.run("feeds", "check", str(line.folder / "feeds"), "--output", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert Counter((one["feed"], one["code"]) for one in found["refused"]) == REFUSED
    [failure] = [failure for feed in found["feeds"] for failure in feed["failures"]]
    assert (failure["file"], failure["code"]) == ("1_column.csv", "column_missing")
    assert arrived(line.kafka) == {}
    assert dead_letters(line.kafka) == []


def test_a_wrong_key_names_the_file_the_key_and_what_is_allowed(line: Line) -> None:
    path = line.folder / "feeds" / "yot.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("encoding", "enconding"), encoding="utf-8")
    done = line.run("feeds", "check", str(path))
    assert done.returncode == 78
    assert "yot.toml: yot_csv.enconding: no such key; allowed here:" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def read(kafka: KafkaSettings, topics: tuple[str, ...]) -> list[Any]:
    """Return every message of these topics."""
    return list(read_to_end(kafka, topics, with_headers=True))


def arrived(kafka: KafkaSettings) -> dict[str, set[int]]:
    """Return the numbers in the family names that arrived, by topic."""
    numbers: dict[str, set[int]] = {}
    for message in read(kafka, SOURCE_TOPICS):
        event = decode(message.value)
        assert event.event_type == "record.observed"
        family = event.data.names[0].family or ""
        numbers.setdefault(message.topic, set()).add(int(family.upper().removeprefix("FAMILY")))
    return numbers


def dead_letters(kafka: KafkaSettings) -> list[DeadLetter]:
    """Return every dead letter."""
    return [from_message(message.key, message.value, message.headers) for message in read(kafka, (DEAD_LETTERS,))]
