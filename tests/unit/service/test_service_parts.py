"""The pure parts of the directory service: limits, reasons, search terms, cursors and the FHIR view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from projections.directory.entry import Entry
from projections.service import fhir
from projections.service.cursor import PARTS, CursorError, changed_since, cursor_of
from projections.service.decision import Pace, Stated
from projections.service.fhir_api import words_of
from projections.service.http import HEADERS, SecureHeaders
from projections.service.limits import Limits, Use, compare, judge_reason
from projections.service.reads import INVOLVED
from projections.service.terms import Terms, TermsError

LIMITS = Limits()
COUNTS = st.builds(Use, **{field.name: st.integers(0, 50_000) for field in fields(Use)})
ORDER = [Pace.WITHIN, Pace.STEP_UP, Pace.BLOCKED]


@given(COUNTS, st.sampled_from([field.name for field in fields(Use) if field.name != "busiest_day"]))
def test_more_use_is_never_judged_more_kindly(use: Use, name: str) -> None:
    more = replace(use, **{name: getattr(use, name) * 2 + 1})
    assert ORDER.index(compare(more, LIMITS).pace) >= ORDER.index(compare(use, LIMITS).pace)


@given(COUNTS)
def test_a_person_is_blocked_for_their_own_use_and_an_organisation_for_its_own(use: Use) -> None:
    passed = compare(use, LIMITS)
    own = replace(use, organisation_hour=0, client_hour=0)
    if passed.whose == "person" and passed.pace is Pace.BLOCKED:
        assert compare(own, LIMITS) == passed
    assert compare(Use(), LIMITS).pace is Pace.WITHIN


def test_impravatas_example_of_a_spike_is_caught() -> None:
    """2, 2, 1, 2 ... 72 (facts/security.md R21)."""
    assert compare(Use(shown_day=2, busiest_day=2), LIMITS).pace is Pace.WITHIN
    assert compare(Use(shown_day=26, busiest_day=2), LIMITS).pace is Pace.STEP_UP
    assert compare(Use(shown_day=72, busiest_day=2), LIMITS).pace is Pace.BLOCKED


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        (None, Stated.MISSING),
        ("   \n ", Stated.MISSING),
        ("too short", Stated.TOO_SHORT),
        ("aaaaaaaaaaaaaaaa", Stated.TOO_SHORT),
        ("abababababab", Stated.TOO_SHORT),
        ("Seen in A&E tonight", Stated.GIVEN),
    ],
)
def test_what_a_reason_is_worth(text: str | None, worth: Stated) -> None:
    assert judge_reason(text, Use(), LIMITS) is worth
    if worth is Stated.GIVEN:
        assert judge_reason(text, Use(same_words=LIMITS.same_words), LIMITS) is Stated.REPEATED


@given(st.builds(Terms, *[st.none() | st.text(max_size=12)] * 2, st.none() | st.dates(), *[st.none() | st.text()] * 2))
def test_terms_suffice_or_say_what_is_missing_without_quoting(terms: Terms) -> None:
    found, problem = attempt(terms.compared)
    if found is None:
        assert problem
        assert not [value for value in terms.audited().values() if len(value) > 9 and value in problem]
    else:
        assert "child_number" in found or ("surname" in found and len(found) > 1)


def attempt(call: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a call returns, or None and what its TermsError says."""
    try:
        return call(), ""
    except TermsError as error:
        return None, str(error)


VALUES = st.dictionaries(st.sampled_from(PARTS), st.text(min_size=1, max_size=5) | st.integers(1, 9), max_size=5)
KEY = b"k" * 32


def _record(parts: dict[str, Any], source: int = 0) -> dict[str, Any]:
    return {"child_number": "N1"} | {name: {"value": value, "source": source} for name, value in parts.items()}


def test_a_cursor_follows_every_part_of_an_entry() -> None:
    assert {*PARTS} == {*Entry.__struct_fields__} - {"child_number", "sources"}
    assert {*INVOLVED} < {*PARTS}


@given(VALUES, VALUES)
def test_a_cursor_names_exactly_the_parts_that_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    cursor = cursor_of(KEY, "nurse", _record(before))
    expected = [part for part in PARTS if before.get(part) != after.get(part)]
    assert changed_since(KEY, "nurse", _record(after, source=3), cursor) == expected


@given(VALUES)
def test_a_cursor_of_another_person_child_key_or_form_is_refused(parts: dict[str, Any]) -> None:
    record = _record(parts)
    cursor = cursor_of(KEY, "nurse", record)
    wrong: list[tuple[bytes, str, dict[str, Any], str]] = [
        (KEY, "other", record, cursor),
        (KEY, "nurse", record | {"child_number": "N2"}, cursor),
        (b"x" * 32, "nurse", record, cursor),
        (KEY, "nurse", record, cursor[:-4]),
        (KEY, "nurse", record, "é"),
        (KEY, "nurse", record, ""),
    ]
    for arguments in wrong:
        with pytest.raises(CursorError):
            changed_since(*arguments)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceType", "name", "family", "given", "birthDate", "address", "identifier"]), inner
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_whatever_a_match_is_given_it_has_terms_or_a_clear_error(resource: Any) -> None:
    if isinstance(resource, dict):
        resource = {**resource, "resourceType": "Patient"}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": resource}]}
    found, problem = attempt(lambda: fhir.match_terms(parameters))
    assert isinstance(found, Terms) or problem
    assert attempt(lambda: fhir.match_wish({"parameter": [{"name": "count", "valueInteger": resource}]}))


def test_a_match_is_answered_as_it_wishes_or_refused() -> None:
    certain, most = {"name": "onlyCertainMatches", "valueBoolean": True}, {"name": "count", "valueInteger": 1}
    assert fhir.match_wish({"parameter": [{"name": "resource"}, certain, most]}) == (True, 1)
    assert fhir.match_wish({}) == fhir.Wish()
    for wrong in ({"name": "onlyLocals"}, {**certain, "valueBoolean": "no"}, {**most, "valueInteger": 0}, {}):
        with pytest.raises(TermsError):
            fhir.match_wish({"parameter": [wrong]})


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Seen on the ward", "Seen on the ward"),
        ("Besuch wegen Prüfung".encode().decode("latin-1"), "Besuch wegen Prüfung"),
        ("Besuch wegen Prüfung", "Besuch wegen Prüfung"),
        ("UTF-8'de'Besuch%20wegen%20Pr%C3%BCfung", "Besuch wegen Prüfung"),
        *((wrong, None) for wrong in ("utf-8''%FF", "utf-8''", "utf-8''a%00b", "a\x01b", "x" * 501)),
    ],
)
def test_a_reason_in_a_header_is_read_as_it_was_written_or_refused(header: str, words: str | None) -> None:
    if words is not None:
        assert words_of(header) == words
        return
    with pytest.raises(ValueError, match="UTF-8"):
        words_of(header)


def test_a_shielded_record_as_a_patient_holds_its_fields_and_is_marked() -> None:
    record = {
        "child_number": "N1",
        "shielded": True,
        "names": [{"kind": "legal", "family": "Moss", "given": "Ann"}],
        "sex": "not_specified",
        "birth_date": {"date": "2011-03-09", "basis": "stated"},
        "carers": [{"kind": "legal", "family": "Moss", "given": "Eve"}],
    }
    found = fhir.patient("h1", record)
    assert set(found) == {"resourceType", "id", "identifier", "name", "gender", "birthDate", "contact", "meta"}
    assert found["meta"]["security"][0]["code"] == "R"
    assert found["gender"] == "unknown"
    assert found["contact"] == [{"name": {"use": "official", "family": "Moss", "given": ["Eve"]}}]


def test_too_many_are_an_outcome_and_no_list() -> None:
    found = fhir.bundle([], {"refine": True})
    assert found["total"] == 0
    assert [entry["search"]["mode"] for entry in found["entry"]] == ["outcome"]


@pytest.mark.parametrize("path", ["/v1/open", "/fhir/R4/Patient/1"])
def test_a_failure_inside_is_answered_with_the_headers_and_neither_answer_nor_log_quotes_it(path: str) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("Key (surname)=(Zebedee) already exists")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(SecureHeaders(fails))
        async with httpx.AsyncClient(transport=transport, base_url="https://directory.example") as client:
            return await client.post(path)

    with capture_logs() as logs:
        answer = asyncio.run(ask())
    assert (answer.status_code, set(answer.headers.raw) >= set(HEADERS)) == (500, True)
    assert [(each["event"], each["error_type"], each["place"][:21]) for each in logs] == [
        ("request_failed", "ValueError", "test_service_parts.py")
    ]
    assert "Zebedee" not in str((answer.text, logs))
