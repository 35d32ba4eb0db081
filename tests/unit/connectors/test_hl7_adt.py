from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.raw import (
    RawAddress,
    RawIdentifier,
    RawName,
    RawPerson,
    RawPrimaryCare,
    RawRecord,
    RawWhereabouts,
    RejectedItem,
)
from schemas.moments import from_micros
from tests.unit.connectors.source_samples import adt, items_of

FACTS_SAMPLE = (
    "MSH|^~\\&|PAS|RX1|CP|CPHUB|20260302091500||ADT^A28^ADT_A05|MSG00001|P|2.4|||AL|NE|GBR|UNICODE UTF-8\n"
    "EVN|A28|20260302091400\n"
    "PID|1||9990001006^^^NHS^NH~RX1000123^^^RX1^PI||O'Neill^Zo\u00eb^If\u00e9^^Miss^^L~Smith^Zo\u00eb^^^^^A||20141103|F|||"
    "12 Mill Lane\\T\\Annexe^Westbury^Bristol^^ZZ99 3CZ^GBR^H||"
    "07700900123^PRN^CP|||||||||F||Y|2|||||N||01|20260302091400\n"
    "PD1|||Example Surgery^^A20047|G9999998^Doctor^Test\n"
    "NK1|1|Adewale^Grace^^^Ms|MTH|12 Mill Lane^Westbury^Bristol^^ZZ99 3CZ\n"
    "PV1|1|N\n"
)


def records(directory: Path, content: str, **settings: Any) -> list[RawRecord]:
    return [item for item in items_of("hl7_adt", directory, content, **settings) if isinstance(item, RawRecord)]


def person(directory: Path, pid: str, more: Sequence[str] = ()) -> RawPerson:
    (record,) = records(directory, adt(1, event="A31", pid=pid, more=more))
    assert record.person is not None
    return record.person


def rejected(directory: Path, content: str) -> str:
    (item,) = items_of("hl7_adt", directory, content)
    assert isinstance(item, RejectedItem)
    return item.code


def test_the_whole_sample_becomes_permitted_items(tmp_path: Path) -> None:
    (record,) = records(tmp_path, FACTS_SAMPLE)
    home = RawAddress(("12 Mill Lane&Annexe", "Westbury"), "Bristol", "ZZ99 3CZ")
    assert record.key == "trust-RX1:RX1000123"
    assert record.person is not None
    assert record.person.names == (
        RawName(family="O'Neill", given="Zo\u00eb", middle="If\u00e9"),
        RawName(kind="alias", family="Smith", given="Zo\u00eb"),
    )
    assert (record.person.birth_date, record.person.sex) == ("2014-11-03", "F")
    assert record.person.identifiers == (RawIdentifier("nhs", "9990001006", "verified"),)
    assert record.person.whereabouts == RawWhereabouts(address=home)
    assert record.person.primary_care == RawPrimaryCare("Example Surgery", "A20047")
    assert [(one.name.given, one.relationship) for one in record.person.carers or ()] == [("Grace", "MTH")]
    assert record.dropped == ("PV1", "PID-13", "PID-22")


@pytest.mark.parametrize("trailer", ["", "BTS|2\r"])
def test_the_last_message_of_a_batch_that_is_cut_off_is_refused(trailer: str, tmp_path: Path) -> None:
    items = items_of("hl7_adt", tmp_path, "BHS|^~\\&|A\r" + adt(1) + adt(2) + trailer)
    assert isinstance(items[0], RawRecord)
    assert getattr(items[1], "code", "") == ("" if trailer else "truncated")


WHOLE = adt(1, more=["PD1|||Mill Surgery", "PV1|1|N"]) + adt(2, more=["PD1|||Mill Surgery", "PV1|1|N"])


def test_a_file_without_a_batch_that_is_cut_anywhere_amid_its_last_message_refuses_that_one(tmp_path: Path) -> None:
    half = len(WHOLE) // 2
    for end in range(half + 4, len(WHOLE)):
        first, last = items_of("hl7_adt", tmp_path / str(end), WHOLE[:end])
        assert isinstance(first, RawRecord)
        assert isinstance(last, RejectedItem)
        assert last.code in {"truncated", "identity_missing"}
        assert last.original.replace(b"\r", b" ") == WHOLE[half:end].replace("\r", " ").strip().encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WHOLE, id="terminated"),
        pytest.param(WHOLE.replace("\r", "\r\n") + " \n", id="lines"),
        pytest.param("".join(f"\x0b{adt(n)}\x1c\r" for n in (1, 2)), id="frames"),
        pytest.param("".join(f"\x0b{adt(n)}\x1c" for n in (1, 2)), id="frames without a line end"),
        pytest.param("\x0b" + adt(1) + "\x1c\r\x0b" + adt(2).rstrip("\r") + "\x1c", id="a frame ends a segment"),
        pytest.param(adt(1) + adt(2), id="nobody sends PV1"),
        pytest.param(adt(1, more=["PV1|1|N"]) + adt(1) + adt(2), id="not all send PV1"),
        pytest.param(adt(1, more=["PV1|1|N"]) + adt(2, event="A31"), id="another event"),
        pytest.param("BHS|^~\\&|A\r" + adt(1, more=["PV1|1|N"]) + adt(2) + "BTS|2", id="the trailer says it is whole"),
    ],
)
def test_a_whole_file_is_taken_whole(content: str, tmp_path: Path) -> None:
    assert all(isinstance(item, RawRecord) for item in items_of("hl7_adt", tmp_path, content))


def test_a_frame_that_is_open_at_the_end_of_the_file_is_a_part(tmp_path: Path) -> None:
    assert rejected(tmp_path, "\x0b" + adt(1)) == "truncated"


def test_a_supplier_that_never_ends_its_last_segment_is_taken_if_the_feed_says_so(tmp_path: Path) -> None:
    content = adt(1).rstrip("\r")
    assert rejected(tmp_path / "usual", content) == "truncated"
    settings = {"terminates_last_segment": False}
    assert len(records(tmp_path / "told", content, hl7_adt=settings)) == 1


@pytest.mark.parametrize("item", ["names", "birth_date", "sex", "identifiers", "whereabouts", "death_date", "carers"])
def test_an_empty_field_says_nothing(item: str, tmp_path: Path) -> None:
    assert getattr(person(tmp_path, "PID|1||RX1^^^RX1^PI"), item) is None


@pytest.mark.parametrize(
    ("pid", "item", "deleted"),
    [
        pytest.param('PID|1||RX1^^^RX1^PI||""', "names", (), id="names"),
        pytest.param('PID|1||RX1^^^RX1^PI||A^B|||""', "sex", "", id="sex"),
        pytest.param('PID|1||RX1^^^RX1^PI||A^B||""', "birth_date", "", id="birth"),
        pytest.param('PID|1||RX1^^^RX1^PI||A^B||||||""', "whereabouts", RawWhereabouts(status=""), id="address"),
    ],
)
def test_two_quotes_delete_the_value(pid: str, item: str, deleted: object, tmp_path: Path) -> None:
    assert getattr(person(tmp_path, pid), item) == deleted


def test_two_quotes_in_one_component_leave_the_others(tmp_path: Path) -> None:
    found = person(tmp_path, 'PID|1||RX1^^^RX1^PI||Khan^Ali^""')
    assert found.names == (RawName(family="Khan", given="Ali"),)


def test_a_message_is_partial_and_its_order_comes_from_the_event(tmp_path: Path) -> None:
    (record,) = records(tmp_path, adt(1, event="A31", time="20260302091401"))
    assert record.partial
    assert from_micros(record.version).isoformat() == "2026-03-02T09:14:01.000001+00:00"


@pytest.mark.parametrize(
    ("event_time", "pid_time", "expected"),
    [
        pytest.param("", "20260301080000", "2026-03-01T08:00:00", id="PID-33"),
        pytest.param("", "", "2026-03-02T09:15:00", id="MSH-7"),
        pytest.param("rubbish", "", "2026-03-02T09:15:00", id="unreadable EVN-2"),
    ],
)
def test_without_an_event_time_the_next_best_one_orders(
    event_time: str, pid_time: str, expected: str, tmp_path: Path
) -> None:
    pid = "PID|1||RX1^^^RX1^PI||Khan^Ali" + "|" * 28 + pid_time
    (record,) = records(tmp_path, adt(1, time=event_time, pid=pid))
    assert from_micros(record.version).isoformat().startswith(expected)


def test_a29_withdraws_the_record(tmp_path: Path) -> None:
    (record,) = records(tmp_path, adt(1, event="A29"))
    assert (record.kind, record.source_id) == ("withdrawn", "RX1")


def test_a40_merges_each_loser_into_its_survivor(tmp_path: Path) -> None:
    pairs = ["MRG|RX8^^^RX1^PI~RX9^^^RX1^PI", "PID|2||RX2^^^RX1^PI||B^B", "MRG|1234"]
    found = records(tmp_path, adt(1, event="A40^ADT_A39", more=pairs))
    assert [(one.kind, one.source_id, one.merged_into) for one in found] == [
        ("merged", "RX8", "RX1"),
        ("merged", "RX9", "RX1"),
        ("observed", "RX1", ""),
        ("merged", "1234", "RX2"),
        ("observed", "RX2", ""),
    ]


@pytest.mark.parametrize("kind", ["A28^ADT_A39", "A40^ADT_A40"])
def test_a_merge_segment_under_a_merge_structure_is_a_merge(kind: str, tmp_path: Path) -> None:
    found = records(tmp_path, adt(1, event=kind, more=["MRG|RX9^^^RX1^PI"]))
    assert [one.kind for one in found] == ["merged", "observed"]


def test_a_record_merged_into_itself_is_rejected(tmp_path: Path) -> None:
    assert rejected(tmp_path, adt(1, event="A40", more=["MRG|RX1^^^RX1^PI"])) == "merge_incomplete"


@pytest.mark.parametrize("event", ["A28", "A28^ADT_A05", "A31", "A08^ADT_A01", "A04", "A01"])
def test_snapshots_under_every_event_in_use(event: str, tmp_path: Path) -> None:
    assert [one.kind for one in records(tmp_path, adt(1, event=event))] == ["observed"]


def test_the_event_segment_is_asked_when_the_header_names_no_event(tmp_path: Path) -> None:
    header = "MSH|^~\\&|PAS|RX1|||20260302091500||ADT|M|P|2.4"
    assert [one.kind for one in records(tmp_path, adt(1, event="A31", header=header))] == ["observed"]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param("9990001006^^^NHS^NH~RX5^^^RX1^PI", "RX5", id="authority"),
        pytest.param("9990001006^^^NHS^NH~RX5^^^^MR", "RX5", id="type"),
        pytest.param("9990001006^^^^NH", "9990001006", id="only an NHS number"),
        pytest.param("1234", "1234", id="no authority, no type"),
        pytest.param("OTH9^^^OTH^PI~RX5^^^RX1^PI", "RX5", id="another trust's id first"),
    ],
)
def test_the_local_id_names_the_record(ids: str, expected: str, tmp_path: Path) -> None:
    (record,) = records(tmp_path, adt(1, pid=f"PID|1||{ids}||Khan^Ali"))
    assert record.source_id == expected


@pytest.mark.parametrize(
    ("status", "verification"),
    [("01", "verified"), ("1", "verified"), ("05", "in_doubt"), ("08", "unverified"), ("", "unverified")],
)
def test_only_a_traced_nhs_number_is_verified(status: str, verification: str, tmp_path: Path) -> None:
    found = person(tmp_path, "PID|1||RX1^^^RX1^PI~9990001006^^^NHS^NH||A^B" + "|" * 27 + status)
    assert found.identifiers == (RawIdentifier("nhs", "9990001006", verification),)


def test_an_nhs_number_of_type_ni_with_a_check_digit_is_read(tmp_path: Path) -> None:
    found = person(tmp_path, "PID|1||RX1^^^RX1^PI~2083964527^06^^^NI||A^B")
    assert found.identifiers == (RawIdentifier("nhs", "2083964527"),)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("20000101000000", "2000-01-01"), ("19760121+^D", "1976-01-21"), ("2014", "2014")],
)
def test_dates_of_birth_as_they_are_seen(written: str, expected: str, tmp_path: Path) -> None:
    assert person(tmp_path, f"PID|1||RX1^^^RX1^PI||A^B||{written}").birth_date == expected


def test_the_home_address_is_taken_and_empty_repetitions_are_not(tmp_path: Path) -> None:
    addresses = "~^^^^^^~1 Work Rd^^Leeds^^ZZ1 1AA^^B~2 Home Rd^^Leeds^^ZZ1 1AB^^H"
    found = person(tmp_path, f"PID|1||RX1^^^RX1^PI||A^B||||||{addresses}")
    assert found.whereabouts == RawWhereabouts(address=RawAddress(("2 Home Rd",), "Leeds", "ZZ1 1AB"))


def test_a_bad_address_is_only_the_last_known_one(tmp_path: Path) -> None:
    found = person(tmp_path, "PID|1||RX1^^^RX1^PI||A^B||||||2 Old Rd^^Leeds^^ZZ1 1AB^^BA")
    assert found.whereabouts is not None
    assert found.whereabouts.status == "last_known"


def test_next_of_kin_who_are_not_carers_are_left_out(tmp_path: Path) -> None:
    kin = ["NK1|1|Khan^Ada|MTH", "NK1|2|Khan^Sib|SIB", "NK1|3|Boss^Big|EMR", "NK1|4||FTH"]
    found = person(tmp_path, "PID|1||RX1^^^RX1^PI||Khan^Ali", kin)
    assert [one.name.given for one in found.carers or ()] == ["Ada"]


def test_a_deleted_practice_is_empty_and_not_unknown(tmp_path: Path) -> None:
    assert person(tmp_path, "PID|1||RX1^^^RX1^PI||A^B", ['PD1|||""']).primary_care == RawPrimaryCare()
    assert person(tmp_path, "PID|1||RX1^^^RX1^PI||A^C", ["PD1|||"]).primary_care is None


def test_the_local_authority_can_be_configured(tmp_path: Path) -> None:
    content = adt(1, pid="PID|1||RX5^^^RX1^PI~H7^^^HOSP7^PI||Khan^Ali")
    (record,) = records(tmp_path, content, hl7_adt={"local_authority": "HOSP7"})
    assert record.source_id == "H7"


@pytest.mark.parametrize("mode", ["T", "D", ""])
def test_what_is_not_live_is_rejected_unless_the_feed_says_so(mode: str, tmp_path: Path) -> None:
    content = adt(1, header=f"MSH|^~\\&|PAS|RX1|||20260302091500||ADT^A28|M|{mode}|2.4")
    assert rejected(tmp_path / "live", content) == "not_live"
    assert len(records(tmp_path / "test", content, hl7_adt={"processing_ids": [mode]})) == 1


def test_laboratory_results_are_not_taken(tmp_path: Path) -> None:
    assert (
        rejected(tmp_path, adt(1, header="MSH|^~\\&|PAS|RX1|||20260302091500||ORU^R01|M|P|2.4")) == "event_unsupported"
    )
