from __future__ import annotations

from contextlib import nullcontext, suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.raw import (
    RawAddress,
    RawCarer,
    RawContact,
    RawEducation,
    RawIdentifier,
    RawInvolvement,
    RawName,
    RawPerson,
    RawPrimaryCare,
    RawWhereabouts,
)
from ingest.normalise import is_in_scope, normalise
from ingest.policy import Policy
from schemas.errors import RejectedError
from schemas.records import (
    Address,
    Carer,
    CurrentAddress,
    LastKnownAddress,
    NoKnownAddress,
    PersonRecord,
    PrimaryCare,
)

SAID_ON = date(2026, 3, 2)
NAMES = (RawName(family="Khan", given="Ali"),)
text = st.one_of(st.text(max_size=12), st.sampled_from(["UNKNOWN", "", "2014-11-03", "ZZ99 3VZ", "A" * 300, "\x00"]))
names = st.builds(RawName, kind=st.sampled_from(["legal", "former"]), family=text, given=text, middle=text, start=text)
addresses = st.builds(RawAddress, lines=st.lists(text, max_size=9).map(tuple), town=text, postcode=text, uprn=text)
contacts = st.builds(RawContact, telephone=st.lists(text, max_size=7).map(tuple), email=text, address=addresses)
identifiers = st.builds(RawIdentifier, scheme=st.sampled_from(["nhs", "upn", "uln"]), value=text)
carers = st.builds(RawCarer, name=names, relationship=text, contact=contacts)
education = st.builds(RawEducation, institution=text, institution_code=text, start=text)
involvements = st.builds(RawInvolvement, service=text, practitioner=text, contact=contacts)
people = st.builds(
    RawPerson,
    names=st.lists(names, max_size=3).map(tuple),
    birth_date=text,
    sex=text,
    identifiers=st.lists(identifiers, max_size=3).map(tuple),
    whereabouts=st.none() | st.builds(RawWhereabouts, address=addresses, start=text),
    carers=st.lists(carers, max_size=20).map(tuple),
    education=st.lists(education, max_size=3).map(tuple),
    primary_care=st.none() | st.builds(RawPrimaryCare, practice=text, practice_code=text),
    involvements=st.lists(involvements, max_size=3).map(tuple),
    responsible_authority=text,
)


def clean(policy: Policy | None = None, **items: Any) -> tuple[PersonRecord, tuple[str, ...]]:
    found = normalise(RawPerson(**({"names": NAMES} | items)), policy or Policy(), SAID_ON)
    return found.person, found.notes


@given(people)
def test_whatever_a_source_writes_becomes_a_valid_record_or_is_refused(raw: RawPerson) -> None:
    with suppress(RejectedError):
        found = normalise(raw, Policy(), SAID_ON)
        assert PersonRecord.model_validate_json(found.person.model_dump_json()) == found.person
        assert not any(note.endswith("contract") for note in found.notes)


def test_one_bad_item_is_left_out_and_noted_and_the_rest_stays() -> None:
    person, notes = clean(birth_date="3/11/14", sex="F", identifiers=(RawIdentifier("nhs", "123"),))
    assert (person.birth_date, person.sex, person.identifiers) == (None, "female", ())
    assert notes == ("birth_date: not_a_date", "identifiers.nhs: check_digit")


def test_the_feed_s_authority_is_responsible_where_the_record_names_none() -> None:
    policy = Policy(authority="E08000001")
    assert clean(policy)[0].responsible_authority == "E08000001"
    assert clean(policy, responsible_authority="E08000003")[0].responsible_authority == "E08000003"
    assert clean()[0].responsible_authority is None


def test_notes_hold_no_values() -> None:
    _, notes = clean(birth_date="secret", sex="secret", responsible_authority="se cret", death_date="secret")
    assert len(notes) == 4
    assert "secret" not in str(notes)


def test_a_record_about_nobody_is_refused() -> None:
    with pytest.raises(RejectedError, match="neither a name nor an identifier"):
        clean(names=(RawName(family="UNKNOWN", given="."),), birth_date="2014-11-03")


def test_an_identifier_alone_is_enough() -> None:
    person, _ = clean(names=(), identifiers=(RawIdentifier("nhs", "4505577104"),))
    assert [one.value for one in person.identifiers] == ["4505577104"]


@pytest.mark.parametrize("given_name", ["Baby", "BABY BOY", "Twin 1", "Infant Of Grace", "b/o Grace", "Baby Girl 2"])
def test_names_given_to_babies_for_the_moment_are_temporary(given_name: str) -> None:
    person, _ = clean(names=(RawName(family="Johnson", given=given_name),))
    assert person.names[0].kind == "temporary"


@pytest.mark.parametrize("given_name", ["Babette", "Twinkle", "Girlie"])
def test_names_that_only_begin_like_that_are_names(given_name: str) -> None:
    assert clean(names=(RawName(family="Khan", given=given_name),))[0].names[0].kind == "legal"


@pytest.mark.parametrize(
    ("family", "given_name", "test"),
    [("TEST", "Test", True), ("ZZZTEST", "Ali", True), ("Test", "Ali", False), ("Tester", "Testa", False)],
)
def test_test_records_are_refused_unless_the_feed_accepts_them(family: str, given_name: str, test: bool) -> None:
    found = (RawName(family=family, given=given_name),)
    assert clean(Policy(accept_synthetic=True), names=found)[0].names
    with pytest.raises(RejectedError, match="test record") if test else nullcontext():
        clean(names=found)


def test_verification_holds_only_under_the_scheme_that_was_verified() -> None:
    person, notes = clean(identifiers=(RawIdentifier("upn", "4505577104", "verified"),))
    assert [(one.scheme, one.verification) for one in person.identifiers] == [("nhs", "unverified")]
    assert notes == ("identifiers.upn: corrected",)


def test_identifiers_are_sorted_and_come_once() -> None:
    numbers = (
        RawIdentifier("uln", "1000000019"),
        RawIdentifier("nhs", "4505577104"),
        RawIdentifier("nhs", "450 557 7104"),
    )
    assert [one.scheme for one in clean(identifiers=numbers)[0].identifiers] == ["nhs", "uln"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(None, None, id="nothing said"),
        pytest.param(RawWhereabouts(status=""), None, id="deleted"),
        pytest.param(RawWhereabouts(address=RawAddress(postcode="ZZ99 3VZ")), NoKnownAddress(), id="no fixed abode"),
        pytest.param(RawWhereabouts(address=RawAddress(postcode="ZZ99 3WZ")), None, id="default postcode"),
        pytest.param(
            RawWhereabouts(address=RawAddress(("1 Hill Rd",), "Leeds", "ls11aa", "12")),
            CurrentAddress(address=Address(lines=("1 Hill Rd",), town="Leeds", postcode="LS1 1AA", uprn="12")),
            id="current",
        ),
        pytest.param(
            RawWhereabouts("last_known", RawAddress(postcode="LS1 1AA"), end="2020-01-01"),
            LastKnownAddress(address=Address(postcode="LS1 1AA"), end=date(2020, 1, 1)),
            id="last known",
        ),
    ],
)  # fmt: skip
def test_whereabouts(raw: RawWhereabouts | None, expected: object) -> None:
    assert clean(whereabouts=raw)[0].whereabouts == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(RawPrimaryCare("Hill", "A20047"), PrimaryCare(practice="Hill", practice_code="A20047"), id="both"),
        pytest.param(RawPrimaryCare("", "V81997"), None, id="no registered practice"),
        pytest.param(RawPrimaryCare("Unknown", "V81999"), None, id="unknown practice"),
        pytest.param(RawPrimaryCare(), None, id="deleted"),
        pytest.param(None, None, id="nothing said"),
    ],
)  # fmt: skip
def test_practices(raw: RawPrimaryCare | None, expected: PrimaryCare | None) -> None:
    assert clean(primary_care=raw)[0].primary_care == expected


def test_a_carer_without_a_name_is_left_out_and_noted() -> None:
    carers = (RawCarer(RawName()), RawCarer(RawName(family="Khan"), "MTH", "true"))
    person, notes = clean(carers=carers)
    assert [(one.name.family, one.parental_responsibility) for one in person.carers] == [("Khan", True)]
    assert notes == ("carers: no_name",)


@pytest.mark.parametrize(
    ("said", "expected"), [("true", True), ("false", False), ("1", True), ("", None), ("perhaps", None)]
)
def test_parental_responsibility_is_true_false_or_not_said(said: str, expected: bool | None) -> None:
    (carer,) = clean(carers=(RawCarer(RawName(family="Khan"), "", said),))[0].carers
    assert isinstance(carer, Carer)
    assert carer.parental_responsibility is expected


def test_more_parts_than_the_contract_takes_are_cut_and_noted() -> None:
    carers = tuple(RawCarer(RawName(family=f"Khan{number}")) for number in range(13))
    person, notes = clean(carers=carers)
    assert len(person.carers) == 12
    assert notes == ("carers: too_many",)


def test_contact_details_that_are_none_are_left_out() -> None:
    contact = RawContact(("07700 900123", "ring me", ""), "no address")
    person, notes = clean(involvements=(RawInvolvement("YOT", contact=contact, sensitive=True),))
    assert person.involvements[0].contact is not None
    assert person.involvements[0].contact.telephone == ("07700 900123",)
    assert person.involvements[0].sensitive
    assert notes == ("involvements.contact.telephone: not_a_number", "involvements.contact.email: not_an_address")


def test_a_feeds_own_placeholders_are_missing_values() -> None:
    policy = Policy(placeholders=frozenset({"ASK OFFICE"}))
    assert clean(policy, names=(RawName(family="Khan", given="Ask office"),))[0].names[0].given is None


@pytest.mark.parametrize(
    ("born", "in_scope"),
    [
        pytest.param(date(2008, 3, 3), True, id="eighteen tomorrow"),
        pytest.param(date(2008, 3, 2), False, id="eighteen today"),
        pytest.param(date(2026, 6, 1), True, id="not born yet"),
        pytest.param(None, True, id="not said"),
    ],
)
def test_people_are_in_scope_until_their_birthday(born: date | None, in_scope: bool) -> None:
    assert is_in_scope(born, Policy(), SAID_ON) is in_scope


def test_where_most_people_are_adults_a_birth_date_is_needed() -> None:
    assert not is_in_scope(None, Policy(needs_birth_date=True), SAID_ON)
