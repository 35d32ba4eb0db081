"""Routes that read one JSON body by themselves."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from projections.service.body_route import BodyRoute
from projections.service.models import ChildBody

GOOD = b'{"purpose": "welfare", "reason": "r", "child_number": "0123456789ABC"}'


async def echo(request: Request, body: ChildBody) -> Response:
    return JSONResponse([request.url.path, body.child_number])


@pytest.mark.parametrize(
    ("kind", "content", "where"),
    [
        ("application/json", GOOD, None),
        ("Application/Problem+JSON; charset=utf-8", GOOD, None),
        ("text/json", GOOD, ["body"]),
        ("application/jsonp", GOOD, ["body"]),
        ("", GOOD, ["body"]),
        ("application/json", b"", ["body"]),
        ("application/json", b"[]", ["body"]),
        ("application/json", GOOD.replace(b"ABC", b"abc"), ["body", "child_number"]),
        ("application/json", GOOD.replace(b"reason", b"why"), ["body", "reason"]),
    ],
)
def test_a_body_is_taken_as_json_only_where_the_sender_says_so(
    kind: str, content: bytes, where: list[str] | None
) -> None:
    api = FastAPI()
    api.router.add_api_route("/x", echo, methods=["POST"], response_model=None, route_class_override=BodyRoute)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://x") as client:
            return await client.post("/x", content=content, headers={"content-type": kind})

    answer = asyncio.run(ask())
    assert (answer.json() if where is None else answer.json()["detail"][0]["loc"]) == (where or ["/x", "0123456789ABC"])
