from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydifact.parser import Parser

from connectors.base import NOTHING_READ
from connectors.edifact import Separators, component, encoding_of, read, separators, split
from connectors.raw import Flaw, RawName, RawRecord, RejectedItem
from schemas.moments import from_micros
from tests.unit.connectors.source_samples import feed, items_of, passenger, paxlst

USUAL = Separators(":", "+", "?", "'")
value = st.text("ABC019 .-?'+:", max_size=8)


def elements(content: str) -> list[list[list[str]]]:
    return [split(segment.content.decode(), marks) for segment, marks in read(io.BytesIO(content.encode()), 1000)]


def records(directory: Path, content: str | bytes, **settings: Any) -> list[RawRecord]:
    return [item for item in items_of("paxlst", directory, content, **settings) if isinstance(item, RawRecord)]


def with_separators(content: str, service: str) -> str:
    """Write a list that has no released characters with other separators."""
    marks = separators(service.encode())
    table = {":": marks.component, "+": marks.element, "'": marks.terminator}
    return f"UNA{service}" + "".join(table.get(character, character) for character in content)


@given(st.lists(st.lists(value, min_size=1, max_size=3), min_size=1, max_size=4))
def test_released_characters_come_back_as_they_were(parts: list[list[str]]) -> None:
    released = [[one.translate({ord(mark): f"?{mark}" for mark in "?'+:"}) for one in element] for element in parts]
    content = "ABC+" + "+".join(":".join(element) for element in released) + "'XYZ'"
    found = elements(content)
    assert [[one.rstrip() for one in element] for element in found[0][1:]] == [
        [one.rstrip() for one in element] for element in parts
    ]
    assert found[1] == [["XYZ"]]


def test_segments_agree_with_pydifact() -> None:
    content = paxlst(passenger(1, name="O?'NEILL:ZOE?+IFE"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every segment that it has no directory for
        found = list(Parser().parse(content))
    oracle = [[[one.tag], *(part if isinstance(part, list) else [part] for part in one.elements)] for one in found]
    assert elements(content) == oracle


@pytest.mark.parametrize("service", [":+.? '", "*|.? $", "*.,? $", "@#.! ~"])
def test_custom_separators(service: str, tmp_path: Path) -> None:
    (record,) = records(tmp_path, with_separators(paxlst(passenger(1)), service))
    assert record.key == "carrier-XX:XX123-20260302-PAX0001"
    assert record.person is not None
    assert record.person.names == (RawName(family="FAMILY1", given="GIVEN1"),)


@pytest.mark.parametrize("space", ["\n", "\r\n", " ", "\n  "])
def test_white_space_between_segments_is_no_part_of_them(space: str, tmp_path: Path) -> None:
    content = paxlst(passenger(1)).replace("'", f"'{space}").replace("UNG+", "UNG +")
    assert len(records(tmp_path, content)) == 1


def test_text_after_the_interchange_is_left_out(tmp_path: Path) -> None:
    assert len(items_of("paxlst", tmp_path, paxlst(passenger(1)) + "13Nov09\r\n")) == 1


def test_two_interchanges_in_one_file_are_both_read(tmp_path: Path) -> None:
    second = with_separators(paxlst(passenger(2)), "*|.? $")
    assert len(records(tmp_path, paxlst(passenger(1)) + "\r\n" + second)) == 2


def test_a_passenger_is_named_by_flight_day_and_reference(tmp_path: Path) -> None:
    (record,) = records(tmp_path, paxlst(passenger(1, name="ONEILL ADEWALE:ZOE:IFE:")))
    assert record.key == "carrier-XX:XX123-20260302-PAX0001"
    assert record.person is not None
    assert record.person.names == (RawName(family="ONEILL ADEWALE", given="ZOE", middle="IFE"),)
    assert (record.person.birth_date, record.person.sex) == ("2014-11-03", "F")
    assert from_micros(record.version).isoformat() == "2026-03-02T09:15:00.000001+00:00"


def test_a_number_of_a_travel_document_goes_nowhere(tmp_path: Path) -> None:
    bad = [*passenger(2), "ATT+2++F\0"]
    items = items_of("paxlst", tmp_path, paxlst(passenger(1), bad))
    assert [type(item) for item in items] == [RawRecord, RejectedItem]
    assert "123456789" not in str(items)


def test_a_passenger_without_a_reference_keeps_one_identity(tmp_path: Path) -> None:
    first, second = records(tmp_path, paxlst(passenger(1, ref=""), passenger(1, ref="", sex="M")))
    assert first.key == second.key
    assert first.source_id.startswith("XX123-20260302-~")


def test_a_repeated_passenger_is_a_later_version(tmp_path: Path) -> None:
    first, second = records(tmp_path, paxlst(passenger(1), passenger(1, sex="M")))
    assert (first.key, first.version) == (second.key, second.version - 1)


def test_crew_are_read_like_passengers(tmp_path: Path) -> None:
    crew = ["NAD+FM+++CREW:CHRIS", *passenger(1)[1:]]
    assert [one.person.names for one in records(tmp_path, paxlst(crew)) if one.person] == [
        (RawName(family="CREW", given="CHRIS"),)
    ]


def test_what_the_law_does_not_list_is_dropped_by_name(tmp_path: Path) -> None:
    (record,) = records(tmp_path, paxlst(passenger(1)))
    assert record.dropped == ("GEI", "LOC", "NAT", "DOC")


def test_a_cut_file_rejects_the_last_passenger_and_keeps_those_before(tmp_path: Path) -> None:
    content = paxlst(passenger(1), passenger(2))
    items = items_of("paxlst", tmp_path, content[: content.index("GIVEN2") + 3])
    assert [type(item) for item in items] == [RawRecord, RejectedItem]
    assert [item.code for item in items if isinstance(item, RejectedItem)] == ["truncated"]


def flaws(directory: Path, content: str) -> list[str]:
    return [item.code for item in items_of("paxlst", directory, content) if isinstance(item, Flaw)]


def test_a_list_whose_totals_are_right_has_no_flaw(tmp_path: Path) -> None:
    assert flaws(tmp_path, paxlst(passenger(1), passenger(2))) == []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        pytest.param("CNT+42:2", "CNT+42:136", ["CNT: FL_count"], id="passengers"),
        pytest.param("CNT+42:2", "CNT+41:2", ["CNT: FM_count"], id="crew"),
        pytest.param("CNT+42:2", "CNT+42:", ["CNT: FL_count"], id="no number"),
        pytest.param("CNT+42:2", "CNT+7:9", [], id="another total"),
        pytest.param("UNT+26+1", "UNT+99+1", ["UNT: segment_count"], id="segments"),
    ],
)
def test_a_total_that_does_not_fit_is_told_and_rejects_nobody(
    right: str, wrong: str, told: list[str], tmp_path: Path
) -> None:
    content = paxlst(passenger(1), passenger(2))
    assert right in content
    content = content.replace(right, wrong)
    assert flaws(tmp_path, content) == told
    assert len(records(tmp_path, content)) == 2


def test_the_last_part_of_a_list_may_count_the_people_of_all_parts(tmp_path: Path) -> None:
    end = ["CNT+42:{}", "UNT+{}+1"]
    first = paxlst(passenger(1), end=[end[0].format(9), end[1].format(18)]).replace("+01:F", "+01:C")
    for claimed, told in ((1, []), (2, []), (3, ["CNT: FL_count"])):
        second = paxlst(passenger(2), end=[end[0].format(claimed), end[1].format(18), "UNZ+2+1"])
        second = second[second.index("UNH") :].replace("+01:F", "+02:F")
        assert flaws(tmp_path / str(claimed), first + second) == told


def test_nobody_counts_people_of_whom_one_could_not_be_read(tmp_path: Path) -> None:
    content = paxlst(passenger(1), passenger(2), end=["CNT+42:1", "UNT+26+1", "UNZ+1+1"])
    assert flaws(tmp_path, content.replace("FAMILY2", "FAMILY\u00e9")) == []


def test_a_flight_status_message_without_passengers_has_no_items(tmp_path: Path) -> None:
    assert items_of("paxlst", tmp_path, paxlst().replace("BGM+745", "BGM+266+CLOB")) == []


def test_a_passenger_of_an_unnamed_flight_is_rejected(tmp_path: Path) -> None:
    (item,) = items_of("paxlst", tmp_path, paxlst(passenger(1)).replace("TDT+20+XX123", "TDT+20+"))
    assert isinstance(item, RejectedItem)
    assert item.code == "flight_unknown"


def test_without_a_day_of_departure_the_day_of_arrival_counts(tmp_path: Path) -> None:
    (record,) = records(tmp_path, paxlst(passenger(1)).replace("DTM+189:2603021015:201'", ""))
    assert record.source_id == "XX123-20260302-PAX0001"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param("hello", "not_edifact", id="text"),
        pytest.param("UNH+1'", "not_edifact", id="no UNB"),
        pytest.param("", "not_edifact", id="empty"),
        pytest.param(paxlst(passenger(1), made="noon:x"), "time_missing", id="no time"),
    ],
)
def test_a_file_that_is_no_interchange_fails(content: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(content)
    (found,) = (one for batch in feed("paxlst", tmp_path).connect().read(NOTHING_READ) for one in batch.failures)
    assert found.code == code


def test_the_syntax_names_the_encoding() -> None:
    assert (encoding_of("UNOC"), encoding_of("UNOY"), encoding_of("XXXX")) == ("iso8859-1", "utf-8", "iso8859-1")


def test_components_beyond_the_end_are_empty() -> None:
    assert component([["A"]], 0) == "A"
    assert component([["A"]], 0, 1) == component([["A"]], 1) == ""
    assert split("A+B?+C", USUAL) == [["A"], ["B+C"]]
