"""The API against its own OpenAPI document, by schemathesis: whatever is sent, the answer is one that it describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from projections.service.http import HEADERS
from schemas.settings import PostgresSettings
from tests.factories.approvals_service import ApprovalsDesk
from tests.factories.directory_service import BASE_URL, Desk, running, teenager

EXAMPLES = 12
# Checks that cannot hold here, each with why:
EXPLAINED = {
    "positive_data_acceptance",  # a document cannot say that a surname needs a second term, or what a check symbol is
    "ignored_auth",  # sends requests of its own, which have no proof of possession; R1's test does it with ours
    "unsupported_method",  # the same; test_no_method_writes_on_any_path does it with ours
}


@pytest.fixture(params=["directory", "approvals"])
def desk(request: pytest.FixtureRequest, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(postgres) if request.param == "directory" else ApprovalsDesk(postgres, tmp_path)
    with running(made) as desk:
        desk.directory.add(teenager())
        if isinstance(desk, ApprovalsDesk):
            desk.manager("nurse")
        else:
            desk.employ("nurse", "social_care", rights=["override_shield"])
        yield desk


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["positive", "negative"])
def test_every_answer_is_one_that_the_document_describes(desk: Desk, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(desk.app.openapi())
    excluded = [check for check in CHECKS.get_all() if check.__name__ in EXPLAINED]
    statuses: set[int] = set()
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if (mode is GenerationMode.NEGATIVE and "/health" in operation.path) or not _can(operation, mode):
            continue

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def answer(case: Any) -> None:
            response = _send(desk, case)
            statuses.add(response.status_code)
            assert response.status_code != 500
            assert set(HEADERS) <= set(response.headers.raw)
            case.validate_response(response, excluded_checks=excluded)

        answer()
    assert statuses <= {200, 401, 403, 404, 409, 413, 422}
    assert 422 in statuses if mode is GenerationMode.NEGATIVE else 200 in statuses
    entries = len(desk.entries())
    assert entries > EXAMPLES


def _can(operation: Any, mode: GenerationMode) -> bool:
    """Tell whether there is anything that could be wrong: an operation without parameters has no negative case."""
    raw = operation.definition.raw
    return mode is GenerationMode.POSITIVE or "requestBody" in raw or "parameters" in raw


def _send(desk: Desk, case: Any) -> httpx.Response:
    """Send a generated request through the application, with the token and the proof that it needs."""
    arguments = case.as_transport_kwargs(base_url=BASE_URL)
    request = httpx.Request(
        arguments["method"],
        arguments["url"],
        params=arguments.get("params"),
        headers={name: value for name, value in (arguments.get("headers") or {}).items() if value is not None},
        content=json.dumps(arguments["json"]).encode() if "json" in arguments else arguments.get("data"),
    )
    token = desk.token("nurse")
    request.headers.update(desk.client.headers(request.method, BASE_URL + request.url.path, token))
    if "json" in arguments:
        request.headers["content-type"] = "application/json"
    response: httpx.Response = desk.portal.call(desk.http.send, request)
    return response
