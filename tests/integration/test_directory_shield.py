"""Shields at the directory service: what is hidden cannot be found, counted or timed, and overriding one is watched."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any

import httpx
import psycopg
import pytest

from connectors.postgres import connect
from projections.service.users import Users
from schemas.errors import RejectedError
from schemas.identity import child_number
from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, pupil, running, teenager

HIDDEN = "BL1 4QR"
NOBODYS = "ZE2 9AA"
VISIBLE = {"surname": "Hargreaves", "forename": "Jodie", "birth_date": "2011-03-09"}


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        desk.directory.add(
            *({f"school:O{n}": pupil("Other", f"Child{n}", date(2010, 1, 2), "BL2 2BB")} for n in range(30))
        )
        desk.directory.add(teenager())
        desk.directory.shield("school:P1")
        desk.employ("nurse")
        yield desk


NUMBER = child_number("health:H1")


def told(answer: httpx.Response) -> tuple[Any, ...]:
    """Return all that an answer tells, but the random request id."""
    headers = [pair for pair in answer.headers.raw if pair[0] != b"request-id"]
    return answer.status_code, answer.content, headers


def test_a_shielded_record_shows_the_six_permitted_things_on_every_path(desk: Desk) -> None:
    found = desk.post("/v1/search", "nurse", surname="Hargreaves", forename="Jodie").json()["children"]
    assert found == [
        {
            "child_number": NUMBER,
            "name": {"kind": "legal", "family": "Hargreaves", "given": "Jodie", "middle": "Anne"},
            "sex": "female",
            "birth_date": "2011-03-09",
        }
    ]
    record = desk.post("/v1/open", "nurse", child_number=NUMBER).json()["record"]
    assert set(record) == {"child_number", "shielded", "names", "sex", "birth_date", "carers"}
    texts = [
        str(desk.post(path, "nurse", child_number=NUMBER).json() | {"cursor": "letters that hold any word by chance"})
        for path in ("/v1/open", "/v1/who-else", "/v1/changes", "/v1/lineage")
    ]
    hidden = ("BL1", "Mill Brow", "Smithills", "Okafor", "Nair", "01204", "Halliwell", "nursing")
    assert not [word for word in hidden for text in texts if word in text]


def test_asking_for_a_hidden_field_equals_asking_for_nothing(desk: Desk) -> None:
    """For every combination of terms with the hidden postcode: same status, bytes and headers, same entries."""
    for size in range(1, 4):
        for names in itertools.combinations(VISIBLE, size):
            terms = {name: VISIBLE[name] for name in names} | {"surname": "Hargreaves"}
            for spelling in ("Hargreaves", "Hargreeves", "Harg*"):
                given = terms | {"surname": spelling}
                before = len(desk.entries())
                hit = told(desk.post("/v1/search", "nurse", **given, postcode=HIDDEN))
                miss = told(desk.post("/v1/search", "nurse", **given, postcode=NOBODYS))
                assert hit == miss
                assert hit[1] == b'{"children" : [], "matched" : "none"}'
                assert [entry["results"] for entry in desk.entries()[before:]] == [0, 0]
    fhir_hit, fhir_miss = matched(desk, HIDDEN), matched(desk, NOBODYS)
    assert fhir_hit == fhir_miss
    assert (fhir_hit[0], json.loads(fhir_hit[1])["total"]) == (200, 0)


def matched(desk: Desk, postcode: str) -> tuple[Any, ...]:
    """Return all that FHIR's search tells of the shielded child with this postcode."""
    patient = {"resourceType": "Patient", "name": [{"family": "Hargreaves", "given": ["Jodie"]}]}
    example = patient | {"birthDate": "2011-03-09", "address": [{"postalCode": postcode}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": example}]}
    why = {"x-purpose-of-use": "safeguarding", "x-reason": "Attended A&E tonight with an injured wrist"}
    return told(desk.request("POST", "/fhir/R4/Patient/$match", desk.token("nurse"), body, why))


def test_a_child_that_is_not_shielded_is_found_by_the_same_terms(desk: Desk) -> None:
    """The negative of the test above: it is the shield that hides, not the search."""
    found = desk.post("/v1/search", "nurse", surname="Other", forename="Child7", postcode="BL2 2BB")
    assert len(found.json()["children"]) == 1


def test_the_database_does_the_same_work_for_a_hidden_hit_and_for_a_miss(desk: Desk) -> None:
    """What it is timed by: plan nodes, rows and pages are equal, and differ in a build with row security alone."""
    assert work(desk, "directory", HIDDEN) == work(desk, "directory", NOBODYS)
    naive_build(desk)
    assert work(desk, "naive", HIDDEN) != work(desk, "naive", NOBODYS)


def naive_build(desk: Desk) -> None:
    """Make what this service must not be: one table with every field, and row security to hide the shielded rows."""
    desk.sql("create schema naive")
    desk.sql("create table naive.entry (like directory.entry including indexes)")
    desk.sql("insert into naive.entry select * from directory.entry")
    desk.sql("update naive.entry set postcode = %s where shielded", HIDDEN)
    desk.sql("vacuum analyze naive.entry")
    desk.sql("alter table naive.entry enable row level security")
    desk.sql("create policy hide on naive.entry using (not shielded)")
    desk.sql("grant usage on schema naive to contactpoint_directory")
    desk.sql("grant select on naive.entry to contactpoint_directory")


def work(desk: Desk, build: str, postcode: str) -> list[tuple[Any, ...]]:
    """Return what the database does to look a postcode up: each node with its rows and the pages that it touched."""
    query = (
        "explain (analyze, buffers, timing off, summary off, format json) "
        "with at_postcode as materialized (select * from {}.entry where postcode = %s) "
        "select document from at_postcode where surname between 'hargreaves' and 'hargreaves'"
    )
    with psycopg.connect(desk.postgres.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("vacuum analyze directory.entry")
        connection.execute("set role contactpoint_directory")
        connection.execute("select set_config('contactpoint.subject', 'nurse', false)")
        connection.execute("set enable_seqscan = off")
        for _ in range(2):  # the second time everything is in the cache
            row = connection.execute(query.format(build).encode(), [postcode]).fetchone()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck", "Shared Hit Blocks")
    yield (plan["Node Type"], *(plan.get(name) for name in counted))
    for child in plan.get("Plans", []):
        yield from _nodes(child)


OVERRIDE: dict[str, Any] = {"ground": "immediate_risk", "investigation_acknowledged": True}


def test_an_override_shows_one_record_once_and_opens_an_investigation(desk: Desk) -> None:
    worker = desk.employ("worker", "social_care", rights=["override_shield"])
    whole = desk.post("/v1/override", worker, child_number=NUMBER, **OVERRIDE).json()["record"]
    assert whole["whereabouts"]["value"]["address"]["postcode"] == HIDDEN
    assert set(desk.post("/v1/open", worker, child_number=NUMBER).json()["record"]) == {
        *("child_number", "shielded", "names", "sex", "birth_date", "carers")
    }
    investigation = desk.sql("select id, kind, subject, detail, request, child_number from service.investigation")
    entry = next(each for each in desk.entries() if each["action"] == "overrode_shield")
    assert investigation[0][1:] == ("shield_override", worker, "immediate_risk", entry["request"], NUMBER)
    assert desk.sql("select investigation from service.alert") == [(investigation[0][0],)]
    _it_is_told_at_once_and_closed_once_by_somebody_else(desk, worker, str(investigation[0][0]))


def _it_is_told_at_once_and_closed_once_by_somebody_else(desk: Desk, worker: str, reference: str) -> None:
    with connect(desk.postgres, autocommit=True) as listening, connect(desk.postgres, autocommit=True) as connection:
        lea, herself = Users(connection, "lea"), Users(connection, worker.capitalize())
        with closing(Users(listening, "lea").alerts(seconds=30)) as alerts:
            desk.post("/v1/override", worker, child_number=NUMBER, **OVERRIDE)
            another = next(alerts)
        assert {each["id"] for each in lea.investigations()} == {reference, another}
        refused: list[tuple[Callable[[], None], str]] = [
            (lambda: herself.close(reference, "justified"), "own_account"),
            (lambda: herself.grant(worker, ["mediate"]), "own_account"),
            (lambda: lea.close(reference, "fine"), "outcome_unknown"),
            (lambda: lea.close(worker, "justified"), "no_open_investigation"),
        ]
        for ask, code in refused:
            with pytest.raises(RejectedError) as error:
                ask()
            assert error.value.code == code
        lea.close(reference, "justified")
        assert [each["id"] for each in lea.investigations()] == [another]


def test_an_override_needs_the_right_a_ground_the_warning_and_a_login_just_now(desk: Desk) -> None:
    worker = desk.employ("worker", "social_care", rights=["override_shield"])

    def answer(person: str = worker, token: str | None = None, **changed: Any) -> tuple[int, str]:
        found = desk.post("/v1/override", person, token, **{"child_number": NUMBER, **OVERRIDE, **changed})
        return found.status_code, found.json()["error"]["code"]

    assert answer("nurse") == (403, "override_not_permitted")
    assert answer(ground="curiosity") == (403, "ground_not_given")
    assert answer(investigation_acknowledged=False) == (422, "malformed")
    stale = desk.token(worker, auth_time=desk.clock() - 310)
    assert answer(token=stale) == (401, "step_up_required")
    assert desk.sql("select count(*) from service.investigation") == [(0,)]
    assert [each["refusal"] for each in desk.entries()][-4:] == [
        *("override_not_permitted", "ground_not_given", "malformed", "step_up_required")
    ]


def test_an_override_of_a_child_that_is_not_shielded_shows_nothing(desk: Desk) -> None:
    worker = desk.employ("worker", "social_care", rights=["override_shield"])
    assert desk.post("/v1/override", worker, child_number=child_number("school:O1"), **OVERRIDE).json() == {}
