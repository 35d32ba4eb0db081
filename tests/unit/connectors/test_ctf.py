from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import NOTHING_READ
from connectors.raw import RawAddress, RawName, RawPerson, RawRecord, RejectedItem
from tests.unit.connectors.source_samples import ctf, feed, items_of, pupil, upn

CP1252 = "<?xml version='1.0' encoding='windows-1252'?>"


def records(directory: Path, content: str | bytes, **settings: Any) -> list[RawRecord]:
    return [item for item in items_of("ctf", directory, content, **settings) if isinstance(item, RawRecord)]


def person(directory: Path, more: str, **changes: str) -> RawPerson:
    (record,) = records(directory, ctf(pupil(1, more, **changes)))
    assert record.person is not None
    return record.person


def failure(directory: Path, content: str | bytes) -> tuple[str, str]:
    (directory / "file").write_bytes(content.encode() if isinstance(content, str) else content)
    (found,) = (one for batch in feed("ctf", directory).connect().read(NOTHING_READ) for one in batch.failures)
    return found.code, found.reason


def test_a_pupil_is_named_by_the_sending_school_and_the_upn(tmp_path: Path) -> None:
    (record,) = records(tmp_path, ctf(pupil(1)))
    assert record.key == f"school-8012000:{upn(1)}"


@pytest.mark.parametrize("tag", ["Sex", "Gender"])
def test_sex_is_read_from_the_new_and_the_old_element(tag: str, tmp_path: Path) -> None:
    assert person(tmp_path, "", **({"Sex": ""} | {tag: "F"})).sex == "F"


def test_preferred_and_former_names_are_claims_of_their_own(tmp_path: Path) -> None:
    found = person(
        tmp_path,
        "<BasicDetails><PreferredForename>Zo</PreferredForename><FormerSurname>Old</FormerSurname>"
        "<MiddleNames>Ife Ada</MiddleNames></BasicDetails>",
        Surname="New",
        Forename="Zoe",
    )
    assert found.names == (
        RawName(family="New", given="Zoe", middle="Ife Ada"),
        RawName(kind="preferred", family="New", given="Zo"),
        RawName(kind="former", family="Old", given="Zoe"),
    )


def test_a_former_upn_says_which_record_this_one_replaces(tmp_path: Path) -> None:
    more = f"<BasicDetails><FormerUPN>{upn(9)}</FormerUPN></BasicDetails>"
    (record,) = records(tmp_path, ctf(pupil(1, more)))
    assert record.replaces == (upn(9),)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(
            "<BS7666Address><SAON>Flat 2</SAON><PAON>12</PAON><Street>Mill Lane</Street><Locality>Westbury</Locality>"
            "<Town>Bristol</Town><UniquePropertyReferenceNumber>100012345678</UniquePropertyReferenceNumber></BS7666Address>"
            "<PostCode>ZZ1 1AA</PostCode>",
            RawAddress(("Flat 2", "12 Mill Lane", "Westbury"), "Bristol", "ZZ1 1AA", "100012345678"),
            id="BS7666",
        ),
        pytest.param(
            "<AddressLines><AddressLine1>12 Mill Lane</AddressLine1><AddressLine3>Bristol</AddressLine3></AddressLines>"
            "<Zip>ZZ1 1AA</Zip>",
            RawAddress(("12 Mill Lane", "Bristol"), "", "ZZ1 1AA"),
            id="lines",
        ),
    ],
)
def test_both_forms_of_an_address_are_read(address: str, expected: RawAddress, tmp_path: Path) -> None:
    whereabouts = person(tmp_path, f"<Address>{address}</Address>").whereabouts
    assert whereabouts is not None
    assert whereabouts.address == expected


def test_only_contacts_with_responsibility_or_the_same_home_are_carers(tmp_path: Path) -> None:
    contact = "<Contact><Surname>{}</Surname><Responsibility>{}</Responsibility>{}</Contact>"
    home = "<Address><AddressAsPupil>true</AddressAsPupil></Address>"
    contacts = contact.format("Mother", "true", home) + contact.format("Aunt", "false", "")
    contacts += contact.format("Stepfather", "false", home)
    address = "<Address><PostCode>ZZ1 1AA</PostCode></Address>"
    (record,) = records(tmp_path, ctf(pupil(1, f"{address}<Contacts>{contacts}</Contacts>")))
    assert record.person is not None
    carers = record.person.carers or ()
    assert [carer.name.family for carer in carers] == ["Mother", "Stepfather"]
    assert carers[0].contact is not None
    assert carers[0].contact.address == RawAddress((), "", "ZZ1 1AA")
    assert record.dropped == ("Contact without parental responsibility",)


def test_a_leaving_date_ends_the_attendance_and_does_not_withdraw_the_pupil(tmp_path: Path) -> None:
    found = person(
        tmp_path,
        "<SchoolHistory><School><LEA>801</LEA><Estab>2000</Estab><EntryDate>2020-09-01</EntryDate>"
        "<LeavingDate>2026-02-27</LeavingDate></School></SchoolHistory>",
    )
    assert [(one.institution_code, one.start, one.end) for one in found.education or ()] == [
        ("8012000", "2020-09-01", "2026-02-27")
    ]


def test_the_sending_school_is_where_the_pupil_is(tmp_path: Path) -> None:
    found = person(tmp_path, "")
    assert [(one.institution, one.end) for one in found.education or ()] == [("Hill School", "")]


def test_what_the_law_does_not_list_is_dropped_by_name(tmp_path: Path) -> None:
    more = "<BasicDetails><Ethnicity>WBRI</Ethnicity></BasicDetails><SENhistory><SEN>secret</SEN></SENhistory><Phones/>"
    (record,) = records(tmp_path, ctf(pupil(1, more)))
    assert record.dropped == ("SENhistory", "Phones", "BasicDetails/Ethnicity")
    assert "secret" not in str(record.person)


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        pytest.param({"UPN": "", "ApplicationReference": "801-2026-09"}, "801-2026-09", id="application reference"),
        pytest.param({"UPN": ""}, "~", id="digest of name and birth"),
    ],
)
def test_a_pupil_without_a_upn_still_has_an_identity(changes: dict[str, str], start: str, tmp_path: Path) -> None:
    (record,) = records(tmp_path, ctf(pupil(1, **changes)))
    assert record.source_id.startswith(start)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ctf(pupil(1, Surname="Ad\u00e9w\u00e1l\u00e9")).encode(), id="utf-8, undeclared"),
        pytest.param(ctf(pupil(1, Surname="Ad\u00e9w\u00e1l\u00e9")).encode("utf-8-sig"), id="byte order mark"),
        pytest.param(ctf(pupil(1, Surname="Ad\u00e9w\u00e1l\u00e9")).encode("utf-16"), id="utf-16"),
        pytest.param(
            ctf(pupil(1, Surname="Ad\u00e9w\u00e1l\u00e9"), declaration=CP1252).encode("cp1252"), id="declared"
        ),
    ],
)
def test_names_survive_every_declared_encoding(content: bytes, tmp_path: Path) -> None:
    (record,) = records(tmp_path, content)
    assert record.person is not None
    assert record.person.names is not None
    assert record.person.names[0].family == "Ad\u00e9w\u00e1l\u00e9"


def test_cp1252_under_a_utf8_declaration_is_rejected_with_advice(tmp_path: Path) -> None:
    (item,) = items_of("ctf", tmp_path, ctf(pupil(1, Surname="Ad\u00e9")).encode("cp1252"))
    assert isinstance(item, RejectedItem)
    assert item.code == "undecodable"
    assert "ctf.fallback_encoding" in item.reason


def test_with_a_fallback_encoding_only_the_wrong_pupil_is_read_with_it(tmp_path: Path) -> None:
    right, wrong = pupil(1, Surname="Ad\u00e9").encode(), pupil(2, Surname="Ad\u00e9").encode("cp1252")
    content = ctf("@").encode().replace(b"@", right + wrong)
    found = records(tmp_path, content, ctf={"fallback_encoding": "cp1252"})
    assert [one.person.names[0].family for one in found if one.person and one.person.names] == ["Ad\u00e9", "Ad\u00e9"]


def test_pupils_before_the_cut_of_a_truncated_file_arrive(tmp_path: Path) -> None:
    content = ctf(pupil(1), pupil(2), pupil(3))
    items = items_of("ctf", tmp_path, content[: content.index("Family3")])
    assert [type(item) for item in items] == [RawRecord, RawRecord, RejectedItem, RejectedItem]
    assert [item.code for item in items if isinstance(item, RejectedItem)] == ["truncated", "truncated"]


def test_a_file_cut_between_two_pupils_is_told_from_a_whole_one(tmp_path: Path) -> None:
    items = items_of("ctf", tmp_path, ctf(pupil(1), end="\n"))
    assert [type(item) for item in items] == [RawRecord, RejectedItem]
    assert items[1].place.endswith("after Pupil 1")


def test_a_whole_file_without_pupils_has_no_items(tmp_path: Path) -> None:
    assert items_of("ctf", tmp_path, ctf()) == []


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'
    assert failure(tmp_path, ctf(pupil(1, Surname="&a;"), declaration=bomb))[0] == "doctype"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param("<html></html>", "not_a_ctf", id="another root"),
        pytest.param("", "not_a_ctf", id="empty"),
        pytest.param("<CTfile><Hea", "time_missing", id="cut in its header"),
        pytest.param(ctf(pupil(1), time="yesterday"), "time_missing", id="no time"),
        pytest.param(ctf(pupil(1)).replace("<LEA>801</LEA>", ""), "source_unknown", id="no sender"),
        pytest.param(
            ctf(pupil(1), declaration="<?xml version='1.0' encoding='x-no'?>"), "encoding_unknown", id="charset"
        ),
        pytest.param(b"\xff\xfe\x00\xd8\x00", "undecodable", id="broken utf-16"),
    ],
)
def test_a_file_that_is_no_ctf_fails_with_a_reason(content: str | bytes, code: str, tmp_path: Path) -> None:
    assert failure(tmp_path, content)[0] == code


def test_a_later_file_has_later_versions_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "b").write_text(ctf(pupil(1), time="2026-01-01T00:00:00"))
    items = items_of("ctf", tmp_path, ctf(pupil(1)), name="a")
    assert [isinstance(item, RawRecord) for item in items] == [True, True]
    versions = [item.version for item in items if isinstance(item, RawRecord)]
    assert versions[0] > versions[1]
