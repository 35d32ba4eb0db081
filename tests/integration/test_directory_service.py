"""The directory service through its whole application on a real database."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.patient import Patient

from connectors.postgres import connect
from contactpoint.issuer import DpopClient
from projections.figures import figures
from projections.service.http import HEADERS, MAX_BODY_BYTES
from projections.service.routes import check_policies, route_policy
from schemas.errors import FatalError
from schemas.identity import child_number
from schemas.settings import PostgresSettings
from tests.factories.directory_service import BASE_URL, REASON, Desk, pupil, running, teenager
from tests.factories.looks import listed_interfaces

BORN = date(2011, 3, 9)
WHY = {"x-purpose-of-use": "safeguarding", "x-reason": REASON}
UNKNOWN = child_number("nobody:1")


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        yield desk


def body_of(route: APIRoute, number: str = UNKNOWN) -> dict[str, Any] | None:
    """Return a body that the route accepts."""
    if "POST" not in (route.methods or set()):
        return None
    if "match" in route.path:
        patient = {"resourceType": "Patient", "name": [{"family": "Moss", "given": ["Ann"]}]}
        return {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient}]}
    common = {"purpose": "safeguarding", "reason": REASON}
    if route.path == "/v1/search":
        return common | {"surname": "Moss", "forename": "Ann"}
    further = {"ground": "immediate_risk", "investigation_acknowledged": True} if "override" in route.path else {}
    return common | {"child_number": number} | further


def paths(desk: Desk) -> list[tuple[APIRoute, str, str]]:
    """Return each route but health with a method and a path."""
    routes = [route for route in desk.app.api.routes if isinstance(route, APIRoute) and route.path != "/health"]
    return [(route, next(iter(route.methods or set())), route.path.replace("{name}", "0" * 32)) for route in routes]


def test_a_nurse_in_bolton_reaches_parents_school_nurse_and_social_worker(desk: Desk) -> None:
    """She has a teenager's name and date of birth and nothing else (facts/contactpoint-rules.md §0)."""
    (number,) = desk.directory.add(teenager())
    desk.directory.add({"school:P2": pupil("Hargreaves", "Jody", date(2012, 5, 5))})
    nurse = desk.employ("nurse-bolton")
    found = desk.post("/v1/search", nurse, surname="Hargreaves", forename="Jodie", birth_date="2011-03-09")
    assert [child["child_number"] for child in found.json()["children"]] == [number]
    answer = desk.post("/v1/open", nurse, child_number=number)
    _an_entry_says_who_why_and_what_and_holds_no_content(desk, answer.headers["request-id"])
    record = answer.json()["record"]
    mother = record["carers"][0]["value"]
    assert (mother["name"]["given"], mother["contact"]["telephone"]) == ("Denise", ["01204 555 0134"])
    others = desk.post("/v1/who-else", nurse, child_number=number).json()["record"]
    reached = {item["value"]["service"]: item["value"]["contact"]["telephone"] for item in others["involvements"]}
    assert reached == {"School nursing": ["01204 555 0177"], "Children's social care": ["01204 555 0112"]}
    assert others["lead_professional"][0]["value"]["practitioner"] == "Priya Nair"
    assert others["responsible_authority"]["value"]["code"] == "350"
    assert "carers" not in others
    steps = [(entry["action"], entry.get("child"), entry["who"]["user"]) for entry in desk.entries()]
    assert steps == [
        ("searched", None, nurse),
        ("searched", number, nurse),
        ("opened", number, nurse),
        ("listed_involved", number, nurse),
    ]


def _an_entry_says_who_why_and_what_and_holds_no_content(desk: Desk, request: str) -> None:
    entry = desk.entries()[-1]
    assert entry.pop("who") == {
        "user": "nurse-bolton", "role": "health", "organisation": "RMC01", "acr": "AAL3", "amr": ["hwk", "user"],
    }  # fmt: skip
    assert {"names", "carers", "whereabouts"} <= set(entry.pop("fields"))
    assert len(entry.pop("policy")) > 3
    child = child_number("health:H1")
    assert entry == {
        "action": "opened", "decision": "permitted", "child": child, "purpose": "safeguarding", "reason": REASON,
        "request": request, "results": 1,
    }  # fmt: skip


def test_every_route_needs_a_token_and_an_eligible_person_and_each_refusal_is_audited(desk: Desk) -> None:
    stranger = desk.token("stranger")
    routes = paths(desk)
    assert len(routes) == 10
    for route, method, path in routes:
        assert desk.request(method, path, body=body_of(route), headers=WHY).status_code == 401
        answer = desk.request(method, path, stranger, body_of(route), WHY)
        assert (answer.status_code, "user_unknown" in answer.text) == (403, True), path
    refusals = [entry["refusal"] for entry in desk.entries()]
    assert refusals == ["token_missing", "user_unknown"] * len(routes)


def test_every_route_that_shows_a_child_leaves_the_entry_that_the_list_of_interfaces_says(desk: Desk) -> None:
    (number,) = desk.directory.add({"school:P3": pupil("Moss", "Ann", BORN)})
    token = desk.token(desk.employ("worker", "social_care", rights=["override_shield"]))
    ours = {f"{method} {route.path}" for route, method, _ in paths(desk)}
    shown = {name: said[2] for name, said in listed_interfaces().items() if name in ours and said[0] == "child"}
    name = ""
    for route, method, path in sorted(
        paths(desk), key=lambda each: each[1] == "GET"
    ):  # what is read was matched before
        before = len(desk.entries())
        answer = desk.request(method, path.replace("0" * 32, name), token, body_of(route, number), WHY)
        assert answer.status_code == 200, (path, answer.text)
        if "match" in path:
            name = answer.json()["entry"][0]["resource"]["id"]
        entries = {(each["action"], each.get("child", number)) for each in desk.entries()[before:]}
        wanted = shown.pop(f"{method} {route.path}", None)
        assert wanted is None or entries == {(wanted, number)}, path
    assert shown == {}


def test_no_method_writes_on_any_path(desk: Desk) -> None:
    token = desk.token(desk.employ("nurse"))
    for route, _, path in paths(desk):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LINK", "MERGE"):
            answer = desk.request(method, path, token, body_of(route), WHY)
            assert answer.status_code == 405, (method, path)


def test_a_route_without_a_policy_stops_the_application(desk: Desk) -> None:
    check_policies(desk.app.api)
    assert all(route_policy(route) for route, *_ in paths(desk))
    desk.app.api.get("/v1/forgotten")(lambda: None)
    with pytest.raises(FatalError, match="/v1/forgotten has no policy"):
        check_policies(desk.app.api)


def test_every_answer_has_the_headers_and_no_error_repeats_what_was_sent(desk: Desk) -> None:
    token = desk.token(desk.employ("nurse"))
    secret = "Zebedee"
    bodies: list[Any] = [
        b'{"surname": "Zebedee"',
        b"\xff\xfe",
        b"[" * 9_000,
        {"surname": secret},
        {"purpose": secret, "reason": REASON, "surname": "X", "forename": "Y"},
        {"purpose": "welfare", "reason": REASON, "surname": secret, "birth_date": "31/12/2011"},
        {"purpose": "welfare", "reason": REASON, "surname": "Moss", "forename": "Ann", "Zebedee": 1},
        {"purpose": "welfare", "reason": REASON, "surname": "Ze*", "forename": secret},
        b" " * (MAX_BODY_BYTES + 1),
    ]
    answers = [desk.request("POST", "/v1/search", token, body) for body in bodies]
    assert [answer.status_code for answer in answers] == [422] * 8 + [413]
    assert "as YYYY-MM-DD" in answers[5].text
    answers += [desk.request("GET", path, token) for path in ("/health", "/v1/nowhere", "/v1/search", "/v1/sources")]
    assert [answer.status_code for answer in answers[-4:]] == [200, 404, 405, 200]
    for answer in answers:
        assert {name.encode(): value.encode() for name, value in answer.headers.items()}.items() >= dict(
            HEADERS
        ).items()
        assert secret not in answer.text
        assert "Traceback" not in answer.text
    assert [entry["refusal"] for entry in desk.entries()] == ["malformed"] * 9


def test_a_token_is_of_no_use_to_another_client_and_a_proof_only_once(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    token = desk.token(desk.employ("nurse"))
    body = {"purpose": "welfare", "reason": REASON, "child_number": number}
    thief = DpopClient(desk.clock)
    stolen = thief.headers("POST", BASE_URL + "/v1/open", token)
    assert desk.request("POST", "/v1/open", body=body, headers=stolen).status_code == 401
    bearer = {"authorization": f"Bearer {token}"}
    assert desk.request("POST", "/v1/open", body=body, headers=bearer).status_code == 401
    both = desk.issuer.token("nurse", desk.client.confirmation | {"x5t#S256": "A" * 43})
    assert desk.request("POST", "/v1/open", both, body).status_code == 401  # the certificate is missing
    sent = desk.client.headers("POST", BASE_URL + "/v1/open", token)
    assert desk.request("POST", "/v1/open", body=body, headers=sent).status_code == 200
    again = desk.request("POST", "/v1/open", body=body, headers=sent)
    assert (again.status_code, number in again.text) == (401, False)
    assert [entry.get("refusal") for entry in desk.entries()][-1] == "proof_replayed"


def test_a_bad_token_opens_nothing_and_stands_in_no_answer_no_log_and_no_entry(
    desk: Desk, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    nurse = desk.employ("nurse")
    good = desk.token(nurse)
    bad = [
        desk.token(nurse, **changed) for changed in CLAIMS if "auth_time" not in changed and changed != {"acr": "AAL2"}
    ]
    bad += [f"{good[:-8]}AAAAAAAA", "x" * 9_000, "not.a.token"]
    texts = [desk.post("/v1/open", nurse, token, child_number=UNKNOWN) for token in bad]
    assert [answer.status_code for answer in texts] == [401] * len(bad)
    said = "".join((*capfd.readouterr(), caplog.text, *(answer.text for answer in texts), str(desk.entries())))
    assert not [token for token in bad if token[-40:] in said]
    assert len(desk.entries()) == len(bad)


def test_weak_and_old_logins_are_asked_to_log_in_again(desk: Desk) -> None:
    nurse = desk.employ("nurse")
    for changed, max_age in (({"acr": "AAL2"}, 43_200), ({"auth_time": desk.clock() - 43_210}, 43_200)):
        answer = desk.post("/v1/open", nurse, desk.token(nurse, **changed), child_number=UNKNOWN)
        challenge = answer.headers["www-authenticate"]
        assert answer.status_code == 401
        assert 'error="insufficient_user_authentication"' in challenge
        assert f'acr_values="AAL3", max_age="{max_age}"' in challenge


def test_no_audit_no_answer(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    nurse = desk.employ("nurse")
    desk.sql("update audit.pulse set witness_limit = '0 seconds'")
    stopped = desk.post("/v1/open", nurse, child_number=number)
    assert (stopped.status_code, "Hargreaves" in stopped.text) == (503, False)
    assert desk.entries()[-1]["refusal"] == "audit_unavailable"
    desk.sql("update audit.pulse set witness_limit = '4 hours'")
    desk.sql("alter table audit.pending add constraint away check (false) not valid")
    away = desk.post("/v1/open", nurse, child_number=number)
    assert (away.status_code, "Hargreaves" in away.text) == (503, False)


def test_a_retired_number_leads_to_its_successor_and_an_unknown_one_to_nothing(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    nurse = desk.employ("nurse")
    old = child_number("school:old")
    desk.sql(
        "insert into directory.lineage values ('e1', %s, 'merged', 2, array[%s], '{}', '2026-11-02T00:00:00Z')",
        old,
        number,
    )
    assert desk.post("/v1/open", nurse, child_number=old).json() == {"successors": [number]}
    assert desk.post("/v1/open", nurse, child_number=UNKNOWN).json() == {}
    lineage = desk.post("/v1/lineage", nurse, child_number=old).json()
    assert (lineage["current"], lineage["steps"][0]["kind"]) == ([number], "merged")
    found = desk.post("/v1/search", nurse, child_number=old).json()["children"]
    assert [child["child_number"] for child in found] == [number]


def test_a_cursor_tells_which_parts_changed_and_is_of_one_person_and_child(desk: Desk) -> None:
    numbers = desk.directory.add(teenager(), {"school:X": pupil("Moss", "Ann", BORN)})
    nurse, other = desk.employ("nurse"), desk.employ("other")
    cursor = desk.post("/v1/changes", nurse, child_number=numbers[0]).json()["cursor"]
    same = desk.post("/v1/changes", nurse, child_number=numbers[0], cursor=cursor).json()
    assert (same["changed"], same["cursor"]) == ([], cursor)
    desk.directory.shield("school:P1")
    changed = desk.post("/v1/changes", nurse, child_number=numbers[0], cursor=cursor).json()["changed"]
    assert {"whereabouts", "education", "involvements"} <= set(changed)
    for person, number in ((other, numbers[0]), (nurse, numbers[1])):
        assert desk.post("/v1/changes", person, child_number=number, cursor=cursor).status_code == 422
    assert desk.post("/v1/changes", nurse, child_number=numbers[0], cursor="AAAA").status_code == 422
    desk.sql("delete from directory.entry where child_number = %s", numbers[0])  # archived, erased or held
    gone = desk.post("/v1/changes", nurse, child_number=numbers[0], cursor=cursor).json()
    assert (set(gone["changed"]) > {"names", "birth_date"}, gone.get("cursor")) == (True, None)
    assert desk.post("/v1/changes", other, child_number=numbers[0], cursor=cursor).status_code == 422


def test_figures_count_children_shields_accounts_and_entries_and_say_as_of_which_entry(desk: Desk) -> None:
    desk.directory.add(teenager(), {"school:F2": pupil("Moss", "Ann", BORN)})
    desk.directory.shield("school:P1")
    desk.employ("left")
    desk.sql("update service.person set active = false")
    desk.post("/v1/open", desk.employ("nurse"), child_number=UNKNOWN)
    desk.post("/v1/open", "left", child_number=UNKNOWN)
    with connect(desk.postgres, autocommit=True) as connection:
        found = figures(connection)
    counted = {each.what: each.number for each in found}
    ((entries,),) = desk.sql("select count(*) from audit.pending")
    assert (counted["records"], counted["children shown"], counted["children shown, shielded"]) == (3, 2, 1)
    assert (counted["accounts"], counted["accounts active"], counted["entries of refusals"]) == (2, 1, 1)
    assert {each.position for each in found if each.part in {"access", "service"}} == {
        f"entry {entries} of the trail of access"
    }


def test_sources_tell_how_fresh_they_are(desk: Desk) -> None:
    desk.sql("insert into projection.checkpoint (projection, commits, fold_version) values ('directory', 1, 1) ")
    desk.sql(
        "insert into projection.position (projection, topic, part, next_offset, advanced_at) "
        "values ('directory', 'source.health', 0, 9, now() - interval '90 seconds'), "
        "('directory', 'source.yot', 0, 0, null)"
    )
    answer = desk.request("GET", "/v1/sources", desk.token(desk.employ("nurse"))).json()["sources"]
    ages = {each["source"]: each["age_seconds"] for each in answer}
    assert ages["yot"] is None
    assert ages["health"] >= 90


def test_fhir_reads_and_matches_patients_that_another_library_accepts(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    token = desk.token(desk.employ("nurse"))
    patient: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Hargreaves"}], "birthDate": "2011-03-09"}
    body: dict[str, Any] = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient}]}
    matched = desk.request("POST", "/fhir/R4/Patient/$match", token, body, WHY)
    assert matched.headers["content-type"].startswith("application/fhir+json")
    bundle: Any = Bundle.model_validate(matched.json())
    found = bundle.entry[0].resource
    assert found.identifier[0].value == number
    read = desk.request("GET", f"/fhir/R4/Patient/{found.id}", token, headers=WHY)
    opened: Any = Patient.model_validate(read.json())
    assert opened.address[0].postalCode == "BL1 4QR"
    assert opened.contact[0].telecom[0].value == "01204 555 0134"
    patient["name"] = [{"family": "Hargreeves"}]
    for wish, total in (("count", 1), ("onlyCertainMatches", 0)):
        body["parameter"][1:] = [{"name": wish, "valueInteger": 5} if total else {"name": wish, "valueBoolean": True}]
        near = desk.request("POST", "/fhir/R4/Patient/$match", token, body, WHY)
        assert near.json()["total"] == total
    asked = desk.request("POST", "/fhir/R4/Patient/$match", token, body)
    assert "header.x-purpose-of-use: missing" in asked.json()["issue"][0]["details"]["text"]
    other = desk.token(desk.employ("other"))
    for who, name in ((other, found.id), (token, "0" * 32)):
        unknown = desk.request("GET", f"/fhir/R4/Patient/{name}", who, headers=WHY)
        assert (unknown.status_code, unknown.json()["resourceType"]) == (404, "OperationOutcome")
        assert unknown.json()["issue"][0]["code"] == "not-found"
        assert (desk.entries()[-1]["action"], desk.entries()[-1]["refusal"]) == ("opened", "id_unknown")
    capabilities = desk.request("GET", "/fhir/R4/metadata", token)
    statement: Any = CapabilityStatement.model_validate(capabilities.json())
    assert statement.fhirVersion == "4.0.1"
    assert "X-Purpose-Of-Use" in statement.rest[0].documentation


def test_fhir_is_told_as_json_or_not_at_all(desk: Desk) -> None:
    token = desk.token(desk.employ("nurse"))
    fine = (
        "_format=json",
        "_format=application/json",
        "_format=application/fhir%2Bjson",
        "_format=application/fhir+json",
    )
    asked: list[tuple[str, str | None, int]] = [(each, "application/fhir+xml", 200) for each in fine]
    asked += [("", each, 200) for each in ("application/json", "application/fhir+xml, */*;q=0.1", "")]
    asked += [("_summary=true&_pretty=true&nothing=known", "application/fhir+json; fhirVersion=4.0", 200)]
    asked += [(f"_format={each}", "application/fhir+json", 406) for each in ("xml", "application/fhir%2Bxml", "ttl")]
    asked += [
        ("", each, 406) for each in ("application/fhir+xml", "text/html", "application/fhir+json;fhirVersion=3.0")
    ]
    asked += [("", "application/xml, application/json;q=0", 406)]
    for query, accept, status in asked:
        answer = desk.request("GET", f"/fhir/R4/metadata?{query}", token, headers={"accept": accept or ""})
        assert answer.status_code == status, (query, accept)
        assert answer.headers["content-type"] == "application/fhir+json"
        assert answer.json()["resourceType"] == ("CapabilityStatement" if status == 200 else "OperationOutcome")
    for method, path in (("GET", f"/fhir/R4/Patient/{'0' * 32}"), ("POST", "/fhir/R4/Patient/$match")):
        body: dict[str, Any] | None = {} if method == "POST" else None
        assert desk.request(method, f"{path}?_format=xml", token, body, WHY).status_code == 406
    assert [each["refusal"] for each in desk.entries()[-2:]] == ["malformed", "malformed"]


def test_mediated_access_needs_both_people_and_audits_both(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    asks, helps = desk.employ("outreach-worker", "voluntary"), desk.employ("clerk", rights=["mediate"])
    body = {"purpose": "welfare", "reason": REASON, "child_number": number}

    def mediated(token: str, helper: str = helps) -> Any:
        proof = desk.client.proof("POST", BASE_URL + "/v1/open", token)
        headers = {"mediated-for": token, "mediated-for-proof": proof}
        return desk.request("POST", "/v1/open", desk.token(helper), body, headers)

    assert mediated(desk.token(asks)).status_code == 200
    entry = desk.entries()[-1]
    assert (entry["who"]["user"], entry["mediator"]["user"]) == (asks, helps)
    assert mediated(desk.token(asks, acr="AAL2")).status_code == 401
    assert mediated(desk.token("stranger")).json()["error"]["code"] == "user_unknown"
    assert mediated(desk.token(asks), asks).status_code == 401  # nobody mediates for themselves
    desk.employ("clerk")
    assert mediated(desk.token(asks)).json()["error"]["code"] == "mediation_not_permitted"


LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
WRONG: dict[str, dict[str, Any]] = {
    "untrained": {"trained_until": LONG_AGO},
    "unvetted": {"vetted_at": LONG_AGO},
    "no-agreement": {"agreed_until": LONG_AGO},
    "unlisted": {"organisation": "GONE1"},
    "blocked": {}, "suspended": {}, "elsewhere": {}, "renamed": {},
}  # fmt: skip
CLAIMS: list[dict[str, Any]] = [
    {"acr": "AAL2"}, {"acr": None}, {"auth_time": 1_500_000_000}, {"aud": "x"}, {"iss": "x"}, {"exp": 1_500_000_000},
]  # fmt: skip


def wrong_people(desk: Desk) -> list[str]:
    """Make a person for every way in which a right to look ends, and return them with one whom nobody knows."""
    for subject, changed in WRONG.items():
        desk.employ(subject, **changed)
    desk.sql("update service.person set blocked_at = now() where subject = 'blocked'")
    desk.sql("update service.person set active = false where subject = 'suspended'")
    desk.sql("update service.person set vetted_organisation = 'other' where subject = 'elsewhere'")
    desk.sql("update service.person set vetted_name = 'other' where subject = 'renamed'")
    desk.sql("update service.organisation set accredited_until = now() where organisation = 'GONE1'")
    return [*WRONG, "stranger"]


def body_at_random(rng: random.Random, route: APIRoute, number: str) -> dict[str, Any] | None:
    """Return a body that asks for the child in one of the ways there are, for any purpose."""
    body = body_of(route, number)
    if body is None:
        return body
    if "match" in route.path:
        body["parameter"][0]["resource"]["name"] = [{"family": "Hargreaves", "given": ["Jodie"]}]
        return body
    ways = ({"forename": "Jodie"}, {"birth_date": "2011-03-09"}, {"postcode": "BL1 4QR"})
    if route.path == "/v1/search":
        named = {"surname": rng.choice(("Hargreaves", "Harg*"))} | rng.choice(ways)
        body = rng.choice([named, {"child_number": number}])
    return body | {
        "purpose": rng.choice(("safeguarding", "welfare", "marketing")),
        "reason": f"{REASON} {rng.random()}",
    }


@pytest.mark.parametrize("many", [500, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])])
def test_requests_at_random_by_wrong_people_get_no_record(desk: Desk, many: int) -> None:
    """Over HTTP what test_decision.py does of the decision alone: every way to be the wrong person, every route."""
    (number,) = desk.directory.add(teenager())
    people, good, rng = wrong_people(desk), desk.employ("good"), random.Random(17)
    # No sequencer runs here; a hundred thousand requests take longer than the service would go on without one.
    desk.sql("update audit.pulse set numbering_limit = '1 day'")
    routes = [each for each in paths(desk) if each[0].path not in {"/v1/sources", "/fhir/R4/metadata"}]
    for _ in range(many):
        route, method, path = rng.choice(routes)
        subject, changed = (good, rng.choice(CLAIMS)) if rng.random() < 0.3 else (rng.choice(people), {})
        token = desk.token(subject, **changed)
        answer = desk.request(method, path, token, body_at_random(rng, route, number), WHY)
        assert answer.status_code in {401, 403}, (subject, changed, path)
        assert "Hargreaves" not in answer.text
    ((entries, refused),) = desk.sql(
        "select count(*), count(*) filter (where entry ->> 'decision' = 'refused') from audit.pending "
        "where entry ->> 'request' <> 'operator'"
    )
    assert (entries, refused) == (many, many)


@pytest.mark.parametrize("many", [200, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])])
def test_each_answer_has_one_entry_and_one_more_for_each_child_that_a_search_returned(desk: Desk, many: int) -> None:
    numbers = desk.directory.add(teenager(), *({f"school:T{n}": pupil("Hargreaves", "Jodie", BORN)} for n in range(3)))
    right, rng = [desk.employ(f"r-{n}", "social_care", rights=["override_shield"]) for n in range(3)], random.Random(23)
    people, wanted = [*right, *right, *wrong_people(desk)], Counter[str]()
    desk.sql("update audit.pulse set numbering_limit = '1 day'")  # no sequencer runs here
    routes = [each for each in paths(desk) if each[0].path not in {"/v1/sources", "/fhir/R4/metadata"}]
    for _ in range(many):
        route, method, path = rng.choice(routes)
        token = desk.token(rng.choice(people), **(rng.choice(CLAIMS) if rng.random() < 0.2 else {}))
        answer = desk.request(method, path, token, body_at_random(rng, route, rng.choice([*numbers, UNKNOWN])), WHY)
        said = answer.json()
        wanted[answer.headers["request-id"]] = 1 + len(said.get("children", said.get("entry", ())))
    assert Counter(wanted.values()).keys() >= {1, 2, 5}
    found = desk.sql("select entry ->> 'request' from audit.pending where entry ->> 'request' <> 'operator'")
    assert Counter(request for (request,) in found) == wanted
