"""The API: every route has a policy, searches are POST, nothing writes, and an answer is sent only after its commit."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from projections.service import reads
from projections.service.case import Asked, Read, Refusal
from projections.service.cursor import CursorError
from projections.service.decision import Action
from projections.service.desk import Desk
from projections.service.errors import refused
from projections.service.http import CALLER
from projections.service.models import (
    ChangesAnswer,
    ChangesBody,
    ChildBody,
    LineageAnswer,
    OverrideBody,
    RecordAnswer,
    SearchAnswer,
    SearchBody,
    SourcesAnswer,
)
from projections.service.routes import ERRORS, body_route, new_api, policy
from projections.service.terms import Terms, TermsError


class Service:
    """The parts that the routes share; `desk` and `cursor_key` are there once the application has started."""

    desk: Desk
    cursor_key: bytes

    async def answer(self, request: Request, asked: Asked, read: Read) -> Response:
        """Let the desk decide and read; return the answer or the refusal."""
        found = await self.desk.answer(request.scope[CALLER], asked, read)
        if isinstance(found, Refusal):
            return refused(request, found)
        if isinstance(found, str):
            return Response(found, media_type="application/json")
        return JSONResponse(found)


def make_api(service: Service) -> FastAPI:
    """Return the API's routes."""
    api = new_api(
        "ContactPoint directory service",
        "Find a child by what you legitimately know, and who else works with the child. Read only.",
        lambda: service.desk,
        {TermsError: "The search needs more", CursorError: "Start again without a cursor"},
    )
    _add_search(api, service)
    _add_records(api, service)
    return api


def _add_search(api: FastAPI, service: Service) -> None:
    @body_route(api, "/v1/search", Action.SEARCH, SearchAnswer)
    async def search(request: Request, body: SearchBody) -> Response:
        """Search for a child: exactly first, and only when nothing fits by names that sound alike or are misspelt."""
        terms = Terms(body.surname, body.forename, body.birth_date, body.postcode, body.child_number)
        compared = terms.compared()
        asked = Asked(Action.SEARCH, body.purpose, body.reason, query=terms.audited())
        return await service.answer(request, asked, reads.Search(compared))

    @api.get("/v1/sources", response_model=SourcesAnswer, responses=ERRORS)
    @policy(Action.SOURCES)
    async def sources(request: Request) -> Response:
        """Tell how fresh the directory is: when it last took something in from each source."""
        return await service.answer(request, Asked(Action.SOURCES), reads.Sources())


def _add_records(api: FastAPI, service: Service) -> None:
    @body_route(api, "/v1/open", Action.OPEN, RecordAnswer)
    async def open_record(request: Request, body: ChildBody) -> Response:
        """Open a child's record."""
        return await service.answer(request, _asked(Action.OPEN, body), reads.OpenRecord())

    @body_route(api, "/v1/who-else", Action.WHO_ELSE, RecordAnswer)
    async def who_else(request: Request, body: ChildBody) -> Response:
        """List who else works with a child, and how to reach them."""
        return await service.answer(request, _asked(Action.WHO_ELSE, body), reads.OpenRecord(reads.INVOLVED))

    @body_route(api, "/v1/changes", Action.CHANGES, ChangesAnswer)
    async def changes(request: Request, body: ChangesBody) -> Response:
        """Tell which parts of a child's record changed since a cursor."""
        read = reads.Changes(key=service.cursor_key, cursor=body.cursor)
        return await service.answer(request, _asked(Action.CHANGES, body), read)

    @body_route(api, "/v1/lineage", Action.LINEAGE, LineageAnswer)
    async def lineage(request: Request, body: ChildBody) -> Response:
        """Tell what became of a child number: merged, split or retired, when and why."""
        return await service.answer(request, _asked(Action.LINEAGE, body), reads.Lineage())

    @body_route(api, "/v1/override", Action.OVERRIDE, RecordAnswer)
    async def override(request: Request, body: OverrideBody) -> Response:
        """See behind a child's shield, once. This opens an investigation at once."""
        return await service.answer(request, _asked(Action.OVERRIDE, body, body.ground), reads.Override())


def _asked(action: Action, body: ChildBody, ground: str | None = None) -> Asked:
    return Asked(action, body.purpose, body.reason, ground, child=body.child_number)
