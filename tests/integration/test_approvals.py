"""The approvals service: things leave by people with the right who have just logged in, and nobody gets round it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from psycopg import errors

from connectors.postgres import connect
from projections.approvals.app import ApprovalsApplication
from projections.exports.manifest import verify_manifest
from projections.service.app import ServiceSettings
from projections.service.tokens import TokenRules
from schemas.errors import ConfigurationError
from schemas.settings import PostgresSettings
from tests.factories.approvals_service import ApprovalsDesk
from tests.factories.directory_service import BASE_URL, pupil, running, teenager

pytestmark = pytest.mark.integration
TODAY = datetime.now(UTC).date()
DAYS = timedelta(days=90)
SPEC = {"project": "p1", "kind": "counts", "columns": ["sex"], "as_of": TODAY.isoformat()}
SPEC |= {"expires": (TODAY + DAYS).isoformat()}
PROJECT = {"project": "p1", "purpose": "research", "recipient": "accredited-research-environment"}
NOWHERE = {"disclosure": "D0123456789ab", "release": "R0123456789ab"}


@pytest.fixture
def desk(postgres: PostgresSettings, tmp_path: Path) -> Iterator[ApprovalsDesk]:
    with running(ApprovalsDesk(postgres, tmp_path)) as desk:
        assert isinstance(desk, ApprovalsDesk)
        yield desk


def disclosure_of(number: str, **more: Any) -> dict[str, Any]:
    asked = {"child_number": number, "gateway": "section_47", "recipient": "borough-700", "items": ["names", "carers"]}
    return asked | {"proportionality": "urgent_risk", "requested_by": "officer-9"} | more


def deeds(desk: ApprovalsDesk, number: str) -> dict[str, tuple[APIRoute, dict[str, Any]]]:
    """Return each route with a body that can be read; the disclosure and the release that they name do not exist."""
    bodies = {"authorise": disclosure_of(number), "open": PROJECT, "end": {"project": "p1"}, "request": SPEC}
    bodies |= {"approve": {"release": NOWHERE["release"]}, "/v1/releases/make": {"release": NOWHERE["release"]}}
    bodies |= {"/v1/disclosures/make": {"disclosure": NOWHERE["disclosure"], "requested_by": "officer-9"}}
    routes = [each for each in desk.app.api.routes if isinstance(each, APIRoute) and each.path != "/health"]
    return {each.path: (each, bodies.get(each.path) or bodies[each.path.rpartition("/")[2]]) for each in routes}


def done(desk: ApprovalsDesk, since: int = 0) -> list[tuple[str, str, str]]:
    """Return what the trail has: the action, the decision (or the refusal's code), by whom."""
    return [
        (each["action"], each.get("refusal", each["decision"]), each["who"]["user"]) for each in desk.entries()[since:]
    ]


def test_every_deed_needs_a_token_the_right_by_name_and_a_login_of_the_last_five_minutes(desk: ApprovalsDesk) -> None:
    (number,) = desk.directory.add(teenager())
    worker, manager = desk.employ("worker", "social_care"), desk.manager("manager-1")
    rightless = desk.employ("manager-2", "management_team", organisation="bolton")
    now = int(time.time())
    assert len(deeds(desk, number)) == 7
    for path, (route, body) in deeds(desk, number).items():
        assert desk.request("POST", path, body=body).status_code == 401
        for wrong in (worker, rightless, desk.employ("lapsed", "management_team", trained_until=None)):
            assert desk.ask(path, wrong, body).status_code == 403, path
        weak = desk.ask(path, manager, body, acr="AAL2")
        old = desk.ask(path, manager, body, auth_time=now - 301)
        assert (weak.status_code, old.status_code) == (401, 401)
        assert 'max_age="300"' in old.headers["www-authenticate"]
        assert old.json()["error"]["code"] == "step_up_required"
        assert route.methods == {"POST"}
    assert {what for _, what, _ in done(desk)} >= {"step_up_required", "deed_not_permitted", "training_lapsed"}
    assert "permitted" not in {what for _, what, _ in done(desk)}
    for table in ("disclosure.authorisation", "export.project", "export.release", "export.approval"):
        assert desk.sql(f"table {table}") == []


def test_one_child_is_disclosed_once_by_two_people_of_whom_each_has_just_logged_in(desk: ApprovalsDesk) -> None:
    (number,) = desk.directory.add(teenager())
    first, second = desk.manager("manager-1"), desk.manager("manager-2")
    own = desk.ask("/v1/disclosures/authorise", first, disclosure_of(number, requested_by="Manager-1"))
    assert (own.status_code, own.json()["error"]["code"]) == (409, "own_request")
    authorised = desk.ask("/v1/disclosures/authorise", first, disclosure_of(number))
    body = {"disclosure": authorised.json()["disclosure"], "requested_by": "officer-9"}
    said = {"gateway": "section_47", "recipient": "borough-700", "requested_by": "officer-9"}
    assert desk.entries()[-1]["query"] == said
    assert desk.ask("/v1/disclosures/make", first, body).json()["error"]["code"] == "own_authorisation"
    old = desk.ask("/v1/disclosures/make", second, body, auth_time=int(time.time()) - 301)
    assert (old.status_code, "Hargreaves" in old.text) == (401, False)
    told = desk.ask("/v1/disclosures/make", second, body).json()
    assert told.keys() == {"disclosure", "child_number", "names", "carers"}
    assert told["carers"][0]["value"]["name"]["given"] == "Denise"
    again = desk.ask("/v1/disclosures/make", second, body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "disclosed_before")
    assert done(desk) == [
        ("authorised_disclosure", "own_request", first),
        ("authorised_disclosure", "permitted", first),
        ("disclosed", "own_authorisation", first),
        ("disclosed", "step_up_required", second),
        ("disclosed", "permitted", second),
        ("disclosed", "disclosed_before", second),
    ]
    made = desk.entries()[-2]
    assert (made["child"], made["fields"]) == (number, ["carers", "names"])
    assert made["who"] == {"user": second, "role": "management_team", "organisation": "bolton", "acr": "AAL3"} | {
        "amr": ["hwk", "user"]
    }


def test_a_release_leaves_after_two_others_who_have_just_logged_in_approved_it_signed_and_once(
    desk: ApprovalsDesk,
) -> None:
    desk.directory.add(*({f"school:N{n}": pupil("Moss", f"Ann{n}", date(2014, 1, 2))} for n in range(24)))
    asking, *approving = [desk.manager(f"manager-{n}") for n in range(3)]
    assert desk.ask("/v1/projects/open", asking, PROJECT).status_code == 200
    body = {"release": desk.ask("/v1/releases/request", asking, SPEC).json()["release"]}
    assert desk.ask("/v1/releases/approve", asking, body).json()["error"]["code"] == "own_request"
    for number, person in enumerate(approving, start=1):
        early = desk.ask("/v1/releases/make", asking, body)
        assert (early.status_code, early.json()["error"]["code"]) == (409, "approvals_missing")
        assert desk.ask("/v1/releases/approve", person, body, auth_time=int(time.time()) - 301).status_code == 401
        assert desk.ask("/v1/releases/approve", person, body).json()["approvals"] == number
    made = desk.ask("/v1/releases/make", asking, body).json()
    facts = verify_manifest(made["manifest"].encode(), made["data"].encode(), desk.signer.public_key())
    assert (facts["requested_by"], facts["approved_by"]) == (asking, approving)
    assert desk.ask("/v1/releases/make", asking, body).json()["error"]["code"] == "released_before"
    assert desk.ask("/v1/projects/end", asking, {"project": "p1"}).status_code == 200
    assert [what for what, how, _ in done(desk) if how == "permitted"] == [
        *("opened_project", "requested_release", "approved_release", "approved_release", "exported", "destroyed_keys"),
    ]


def test_nobody_may_do_in_sql_what_the_service_is_to_check(desk: ApprovalsDesk) -> None:
    """Every database role but the service's own, which becomes one of three for the time of a deed."""
    bypasses = (
        "insert into disclosure.authorisation (id) values ('D1')",
        "update disclosure.authorisation set used_by = 'x'",
        "select disclosure.items_of('D1')",
        "insert into export.release (id) values ('R1')",
        "insert into export.approval (release_id, approved_by) values ('R1', 'x')",
        "select export.rows('p1', '2026-11-28', 'R1')",
    )
    roles = [name for (name,) in desk.sql("select rolname from pg_roles where rolname like 'contactpoint\\_%'")]
    apart = {f"contactpoint_{each}" for each in ("approvals", "exporter", "authoriser", "discloser")}
    assert apart < set(roles)
    with connect(desk.postgres, autocommit=True) as connection:
        for role in sorted(set(roles) - apart):
            connection.execute(f"set role {role}".encode())
            for statement in bypasses:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
            connection.execute("reset role")


def test_the_service_does_not_start_where_another_account_could_do_without_it(desk: ApprovalsDesk) -> None:
    desk.sql("create role analyst_9 login; grant contactpoint_exporter to analyst_9")
    try:
        again = ApprovalsDesk(desk.postgres, desk.signing_key.parent)
        with pytest.raises(ConfigurationError, match="analyst_9"), running(again):
            pass
    finally:
        desk.sql("drop role analyst_9")


def test_the_service_does_not_start_as_an_account_that_may_read_the_directory(desk: ApprovalsDesk) -> None:
    settings = ServiceSettings(desk.postgres, BASE_URL, TokenRules("i", "a"))
    app = ApprovalsApplication(settings, desk.app.keys, desk.clock, signing_key=desk.signing_key)
    desk.app = app
    with pytest.raises(ConfigurationError, match="may read tables"), running(desk):
        pass


def test_while_the_trail_is_not_kept_nothing_leaves_and_nothing_is_used_up(desk: ApprovalsDesk) -> None:
    (number,) = desk.directory.add(teenager())
    first, second = desk.manager("manager-1"), desk.manager("manager-2")
    authorised = desk.ask("/v1/disclosures/authorise", first, disclosure_of(number)).json()
    body = {"disclosure": authorised["disclosure"], "requested_by": "officer-9"}
    desk.sql("update audit.pulse set witness_limit = '0 seconds'")
    stopped = desk.ask("/v1/disclosures/make", second, body)
    assert (stopped.status_code, desk.entries()[-1]["refusal"]) == (503, "audit_unavailable")
    desk.sql("update audit.pulse set witness_limit = '4 hours'")
    desk.sql("alter table audit.pending add constraint away check (false) not valid")
    away = desk.ask("/v1/disclosures/make", second, body)
    assert (away.status_code, "Hargreaves" in away.text) == (503, False)
    desk.sql("alter table audit.pending drop constraint away")
    assert "Hargreaves" in desk.ask("/v1/disclosures/make", second, body).text
