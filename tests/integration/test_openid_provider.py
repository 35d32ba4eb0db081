"""The directory service with an independent OpenID provider, end to end (R3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contactpoint.issuer import DpopClient
from projections.service.jwks import PublishedKeys, fetch_from
from projections.service.tokens import TokenRules
from schemas.settings import PostgresSettings
from tests.factories.directory_service import BASE_URL, Desk, running, teenager
from tests.factories.openid_provider import Browser, follow_challenge, provider


@pytest.fixture
def issuer() -> Iterator[str]:
    with provider(BASE_URL) as address:
        yield address


@pytest.fixture
def desk(postgres: PostgresSettings, issuer: str) -> Iterator[Desk]:
    desk = Desk(postgres)
    keys = PublishedKeys(fetch_from(f"{issuer}/jwks"), desk.clock)
    with running(desk.trusting(TokenRules(issuer, BASE_URL), keys)):
        yield desk


def test_a_client_follows_the_challenge_through_the_provider_and_gets_in(desk: Desk, issuer: str) -> None:
    (number,) = desk.directory.add(teenager())
    nurse = Browser(issuer, desk.employ("nurse"), desk.client)
    weak = nurse.log_in()
    refused = desk.post("/v1/open", "nurse", weak, child_number=number)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "acr_too_low")
    nurse.authenticator = "hardware-key"
    strong = nurse.log_in(**follow_challenge(refused.headers["www-authenticate"]))
    opened = desk.post("/v1/open", "nurse", strong, child_number=number)
    assert opened.json()["record"]["child_number"] == number
    who = desk.entries()[-1]["who"]
    assert (who["user"], who["acr"], who["amr"]) == ("nurse", "AAL3", ["hwk", "user"])


def test_its_tokens_are_of_no_use_to_another_client_and_to_who_has_no_account(desk: Desk, issuer: str) -> None:
    (number,) = desk.directory.add(teenager())
    desk.employ("nurse")
    own, thief = desk.client, DpopClient(desk.clock)
    token = Browser(issuer, "nurse", own, "hardware-key").log_in(acr_values="AAL3")
    desk.client = thief
    assert desk.post("/v1/open", "nurse", token, child_number=number).status_code == 401
    stranger = Browser(issuer, "stranger", thief, "hardware-key").log_in(acr_values="AAL3")
    assert desk.post("/v1/open", "stranger", stranger, child_number=number).json()["error"]["code"] == "user_unknown"


def test_an_override_asks_for_a_login_just_now_and_the_provider_gives_one(desk: Desk, issuer: str) -> None:
    (number,) = desk.directory.add(teenager())
    desk.directory.shield("school:P1")
    desk.employ("worker", "social_care", rights=["override_shield"])
    worker = Browser(issuer, "worker", desk.client, "hardware-key")
    token = worker.log_in(acr_values="AAL3")
    override = {"child_number": number, "ground": "immediate_risk", "investigation_acknowledged": True}
    desk.clock.ahead = 301
    stale = desk.post("/v1/override", "worker", token, **override)
    assert stale.json()["error"]["code"] == "step_up_required"
    desk.clock.ahead = 0
    again = worker.log_in(**follow_challenge(stale.headers["www-authenticate"]), prompt="login")
    assert desk.post("/v1/override", "worker", again, **override).json()["record"]["whereabouts"]
