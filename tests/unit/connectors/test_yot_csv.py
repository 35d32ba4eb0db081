from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import NOTHING_READ, FileFailure
from connectors.raw import RawAddress, RawIdentifier, RawName, RawRecord, RejectedItem, SnapshotEnd
from schemas.errors import ConfigurationError
from schemas.moments import from_micros
from tests.unit.connectors.source_samples import FULL_REFRESH, YOT_HEADER, YOT_TABLE, feed, items_of, yot, yot_row


def records(directory: Path, content: str | bytes, **settings: Any) -> list[RawRecord]:
    return [item for item in items_of("yot_csv", directory, content, **settings) if isinstance(item, RawRecord)]


def failure(directory: Path, content: bytes, name: str = "file", **settings: Any) -> FileFailure:
    (directory / name).write_bytes(content)
    source = feed("yot_csv", directory, **settings)
    (found,) = (one for batch in source.connect().read(NOTHING_READ) for one in batch.failures)
    return found


def test_a_row_becomes_one_sensitive_involvement_without_the_offence(tmp_path: Path) -> None:
    (record,) = records(tmp_path, yot(yot_row(7, NHSNumber="9990001006")))
    assert record.key == "yot-1E01:00007"
    assert record.person is not None
    assert record.person.names == (RawName(family="Family7", given="Given7"),)
    assert (record.person.birth_date, record.person.sex) == ("2009-11-03", "M")
    assert record.person.identifiers == (RawIdentifier("nhs", "9990001006"),)
    (involvement,) = record.person.involvements or ()
    assert (involvement.service, involvement.practitioner, involvement.sensitive) == (
        "Youth offending team",
        "Pat Lee",
        True,
    )
    assert record.dropped == ("Offence",)
    assert "theft" not in str(record.person)


def test_leading_zeros_of_ids_stay(tmp_path: Path) -> None:
    assert [one.source_id for one in records(tmp_path, yot(yot_row(7)))] == ["00007"]


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ","), ("cp1252", ";"), ("utf-16", "\t"), ("iso8859-2", "|")],
)
def test_declared_encodings_and_delimiters(encoding: str, delimiter: str, tmp_path: Path) -> None:
    content = yot(yot_row(1, Surname="Nov\u00e1k"), yot_row(2)).replace(",", delimiter).encode(encoding)
    table = {"encoding": "utf-8" if encoding == "utf-8-sig" else encoding, "delimiter": delimiter}
    found = records(tmp_path, content, yot_csv=table)
    assert [one.person.names[0].family for one in found if one.person and one.person.names] == ["Nov\u00e1k", "Family2"]


def test_a_byte_order_mark_before_quoted_column_names_is_left_out(tmp_path: Path) -> None:
    content = yot(yot_row(1), header=YOT_HEADER.replace("YOTID", '"YOTID"')).encode("utf-8-sig")
    assert len(records(tmp_path, content)) == 1


def test_a_quoted_field_may_hold_line_breaks_and_delimiters(tmp_path: Path) -> None:
    items = items_of("yot_csv", tmp_path, yot(yot_row(1, Offence='"a,\r\nb ""c"""'), yot_row(2)))
    assert [item.place.rsplit(" ", 1)[1] for item in items if isinstance(item, RawRecord)] == ["2", "4"]


def test_a_quote_that_never_closes_does_not_swallow_the_file(tmp_path: Path) -> None:
    rows = [yot_row(number) for number in range(1, 201)]
    rows[99] = yot_row(100, Surname='"Family100')
    items = items_of("yot_csv", tmp_path, yot(*rows))
    assert [item.code for item in items if isinstance(item, RejectedItem)] == ["csv_invalid"]
    assert len(items) == 200


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    assert len(items_of("yot_csv", tmp_path, yot(yot_row(1), "", ",,,,,,,,,,", yot_row(2)))) == 2


def test_a_missing_column_fails_the_file_with_its_name(tmp_path: Path) -> None:
    found = failure(tmp_path, yot(yot_row(1)).replace("DOB", "Born").encode())
    assert (found.file, found.place, found.code) == ("file", "line 1", "column_missing")
    assert found.reason.startswith("missing column: DOB; the file has: YOTID, ClientID,")


def test_a_file_without_column_names_does_not_show_its_first_person(tmp_path: Path) -> None:
    found = failure(tmp_path, (yot_row(1) + "\r\n").encode())
    assert found.code == "column_missing"
    assert "Family1" not in found.reason


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(yot(header=YOT_HEADER + ",DOB").encode(), "column_repeated", id="column twice"),
        pytest.param(b'"YOTID,ClientID', "csv_invalid", id="header not closed"),
    ],
)
def test_a_file_whose_columns_cannot_be_read_fails(content: bytes, code: str, tmp_path: Path) -> None:
    assert failure(tmp_path, content).code == code


def test_a_file_that_is_not_in_its_declared_wide_encoding_fails(tmp_path: Path) -> None:
    content = yot(yot_row(1)).encode("utf-16") + b"\x00\xd8\x00"
    assert failure(tmp_path, content, yot_csv={"encoding": "utf-16"}).code == "undecodable"


def test_deleted_and_merged_rows_say_so(tmp_path: Path) -> None:
    columns = YOT_TABLE["columns"] | {"merged_into": "Offence"}
    content = yot(yot_row(1, IsDeleted="Y", Offence=""), yot_row(2, Offence="00009"), yot_row(3, Offence=""))
    found = records(tmp_path, content, yot_csv={"columns": columns})
    assert [(one.kind, one.merged_into) for one in found] == [("withdrawn", ""), ("merged", "00009"), ("observed", "")]


def test_an_alias_and_an_address_are_read_where_they_are_mapped(tmp_path: Path) -> None:
    columns = YOT_TABLE["columns"] | {"alias_surname": "Offence", "address_1": "Worker", "postcode": "NHSNumber"}
    content = yot(yot_row(1, Offence="Khan", Worker="1 Hill Rd", NHSNumber="ZZ1 1AA"))
    (record,) = records(tmp_path, content, yot_csv={"columns": columns})
    assert record.person is not None
    assert (record.person.names or ())[1] == RawName("alias", "Khan", "Given1")
    assert record.person.whereabouts is not None
    assert record.person.whereabouts.address == RawAddress(("1 Hill Rd",), "", "ZZ1 1AA")


def test_a_full_refresh_ends_with_its_sources_and_takes_its_time_from_the_name(tmp_path: Path) -> None:
    content = yot(yot_row(1), yot_row(2, YOTID="1E02"), "1E01,00003,short")
    items = items_of("yot_csv", tmp_path, content, name="yot_20260302010000.csv", yot_csv=FULL_REFRESH)
    end = items[-1]
    assert isinstance(end, SnapshotEnd)
    assert end.sources == ("yot-1E01", "yot-1E02")
    assert from_micros(end.snapshot).isoformat() == "2026-03-02T01:00:00+00:00"
    assert end.nameless == 1
    assert all(item.snapshot == end.snapshot for item in items if isinstance(item, RawRecord | RejectedItem))
    assert all(item.version < end.version for item in items if isinstance(item, RawRecord))


def test_a_rejected_row_that_still_names_its_record_is_not_nameless(tmp_path: Path) -> None:
    content = yot(yot_row(1, Surname="A\0B"))
    first, end = items_of("yot_csv", tmp_path, content, name="yot_20260302010000.csv", yot_csv=FULL_REFRESH)
    assert isinstance(first, RejectedItem)
    assert isinstance(end, SnapshotEnd)
    assert (first.key, end.nameless) == ("yot-1E01:00001", 0)


def test_a_full_refresh_whose_name_has_no_time_fails(tmp_path: Path) -> None:
    found = failure(tmp_path, yot(yot_row(1)).encode(), name="latest.csv", yot_csv=FULL_REFRESH)
    assert found.code == "extract_time_missing"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param({"full_refresh": True}, "needs `extracted_at`", id="no time of extract"),
        pytest.param(
            {"columns": YOT_TABLE["columns"] | {"last_modified": None}}, "cannot be put in order", id="no order"
        ),
        pytest.param({"encoding": "klingon"}, "is not an encoding", id="encoding"),
        pytest.param({"extracted_at": "("}, "is not a regular expression", id="pattern"),
        pytest.param({"extracted_at": "x"}, "exactly one group", id="group"),
        pytest.param({"delimiter": "::"}, "Input should be", id="delimiter"),
    ],
)
def test_settings_that_cannot_work_are_refused(table: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigurationError, ValueError), match=message):
        feed("yot_csv", tmp_path, yot_csv=table)
