from __future__ import annotations

from pathlib import Path

import pytest

from connectors.files import FileConnector
from connectors.registry import FORMATS, format_entry
from ingest.settings import load_feed, load_feeds
from schemas.errors import ConfigurationError

SCHOOLS = 'name = "schools"\nconnector = "ctf"\ndirectory = "inbox"\nsource = "school-{lea}{estab}"\n'
YOT = """name = "yot-1e01"
connector = "yot_csv"
directory = "inbox"
source = "yot-{YOTID}"
[yot_csv]
encoding = "cp1252"
[yot_csv.columns]
source_id = "ClientID"
surname = "Surname"
forename = "Forename"
date_of_birth = "DOB"
last_modified = "LastModified"
"""


def load(directory: Path, text: str) -> Path:
    path = directory / "feed.toml"
    path.write_text(text)
    return path


def complaint(directory: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_feed(load(directory, text))
    return str(caught.value)


def test_the_directory_is_relative_to_the_file(tmp_path: Path) -> None:
    feed = load_feed(load(tmp_path, SCHOOLS))
    assert feed.directory == tmp_path / "inbox"
    assert (feed.kind, feed.topic) == ("schools", "source.schools")
    assert isinstance(feed.connect(), FileConnector)


def test_a_whole_yot_feed_loads(tmp_path: Path) -> None:
    feed = load_feed(load(tmp_path, YOT))
    assert feed.topic == "source.yot"
    assert feed.max_withdrawn_share == 0.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            SCHOOLS + 'patern = "*"', "patern: no such key; allowed here: accept_synthetic,", id="unknown key"
        ),
        pytest.param(
            SCHOOLS + "[ctf]\nx = 1", "ctf.x: no such key; allowed here: fallback_encoding", id="key of a table"
        ),
        pytest.param(
            SCHOOLS.replace('"ctf"', '"cvs"'), "connector: Input should be 'ctf', 'hl7_adt', ", id="connector"
        ),
        pytest.param(SCHOOLS.replace('name = "schools"', ""), "name: Field required", id="missing key"),
        pytest.param(
            SCHOOLS.replace("{estab}", "{foo}"), "unknown placeholder {foo}; allowed: {estab}, {lea}", id="source"
        ),
        pytest.param(SCHOOLS.replace("{estab}", "{estab"), "is not a template", id="template"),
        pytest.param(SCHOOLS + "under_age = 30", "under_age: Input should be less than or equal to 25", id="age"),
        pytest.param(SCHOOLS + 'time_zone = "Mars"', "time_zone: 'Mars' is not a time zone", id="zone"),
        pytest.param(SCHOOLS + "[paxlst]", "[paxlst] is given, but the connector is 'ctf'", id="another's table"),
        pytest.param(YOT.split("[yot_csv]", 1)[0], "the table [yot_csv] is missing", id="no table"),
        pytest.param(YOT.replace("cp1252", "utf-9"), "yot_csv.encoding: 'utf-9' is not an encoding", id="encoding"),
        pytest.param(YOT.replace("surname", "nachname"), "yot_csv.columns.nachname: no such key; allowed", id="column"),
        pytest.param(
            SCHOOLS + "[ctf]\nfallback_encoding = 'rot13'", "'rot13' is not an encoding", id="no text encoding"
        ),
        pytest.param(SCHOOLS + 'pattern = "../*"', "pattern: '../*' is not a pattern of files inside", id="outside"),
        pytest.param(SCHOOLS + 'pattern = "/etc/*"', "pattern: '/etc/*' is not a pattern of files", id="from the root"),
        pytest.param(
            YOT.replace("[yot_csv.columns]", 'date_format = "%d/%m"\n[yot_csv.columns]'),
            "yot_csv.date_format: '%d/%m' does not hold a day, a month and a year",
            id="date format",
        ),
        pytest.param(
            SCHOOLS.replace('"ctf"', '"paxlst"').replace("{lea}{estab}", "{carrier}") + 'authority = "700"',
            "authority is given, but a border_agency may not say who is responsible",
            id="authority",
        ),
        pytest.param("name = ", "is not TOML in UTF-8", id="not TOML"),
    ],
)
def test_a_mistake_is_answered_with_file_key_and_what_is_allowed(text: str, expected: str, tmp_path: Path) -> None:
    message = complaint(tmp_path, text)
    assert message.startswith(str(tmp_path / "feed.toml"))
    assert expected in message


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, "a = 1\nb = 2").splitlines()) == 6


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_feed(tmp_path / "none.toml")


def test_feeds_of_a_directory_need_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SCHOOLS)
    (tmp_path / "b.toml").write_text(YOT)
    assert [feed.name for feed in load_feeds(tmp_path)] == ["schools", "yot-1e01"]
    (tmp_path / "c.toml").write_text(SCHOOLS)
    with pytest.raises(ConfigurationError, match="'schools' is taken by"):
        load_feeds(tmp_path)


def test_an_unknown_format_lists_the_known_ones() -> None:
    assert {format_entry(name).kind for name in FORMATS} == {"schools", "health", "yot", "eborders"}
    with pytest.raises(ConfigurationError, match="unknown connector 'cvs'; known: ctf, hl7_adt, paxlst, yot_csv"):
        format_entry("cvs")
