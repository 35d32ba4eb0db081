"""The API: every route has a policy, searches are POST, nothing writes, and an answer is sent only after its commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from projections.service import reads
from projections.service.body_route import BodyRoute
from projections.service.case import Asked, Read, Refusal, Unavailable
from projections.service.cursor import CursorError
from projections.service.decision import Action
from projections.service.desk import Desk
from projections.service.errors import error, refused
from projections.service.http import CALLER, OPEN_PATHS
from projections.service.models import (
    ChangesAnswer,
    ChangesBody,
    ChildBody,
    ErrorAnswer,
    LineageAnswer,
    OverrideBody,
    RecordAnswer,
    SearchAnswer,
    SearchBody,
    SourcesAnswer,
)
from projections.service.terms import Terms, TermsError
from schemas.errors import FatalError

_HEADERS = frozenset({"x-purpose-of-use", "x-reason"})

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Response]])
ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "No valid token, or a new authentication is needed (RFC 9470)."},
    403: {"model": ErrorAnswer, "description": "Refused; the code says which rule does not hold."},
    413: {"model": ErrorAnswer, "description": "The request is too large."},
    422: {"model": ErrorAnswer, "description": "The request cannot be read, or its terms do not suffice."},
    429: {"model": ErrorAnswer, "description": "A limit of use is reached."},
    503: {"model": ErrorAnswer, "description": "The database or the audit trail is away: nothing is answered."},
}


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


def policy(action: Action) -> Callable[[Handler], Handler]:
    """Say which action a route is, so that the decision function can judge it."""

    def _mark(handler: Handler) -> Handler:
        handler.__dict__["policy"] = action
        return handler

    return _mark


def make_api(service: Service) -> FastAPI:
    """Return the API's routes."""
    api = FastAPI(
        title="ContactPoint directory service",
        version="1",
        description="Find a child by what you legitimately know, and who else works with the child. Read only.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_health(api)
    _add_search(api, service)
    _add_records(api, service)
    _add_errors(api, service)
    return api


def check_policies(api: FastAPI) -> None:
    """Raise FatalError for a route without a policy, or with a method that is not for reading."""
    for route in api.routes:
        if not isinstance(route, APIRoute):
            raise FatalError(f"{route!r} is no route of the API")
        if route.path not in OPEN_PATHS and route_policy(route) is None:
            raise FatalError(f"route {route.path} has no policy")
        if not (route.methods or set()) <= {"GET", "POST"}:
            raise FatalError(f"route {route.path} has a method that writes")


def route_policy(route: APIRoute) -> Action | None:
    """Return the action of a route."""
    found = getattr(route.endpoint, "policy", None)
    return found if isinstance(found, Action) else None


def _add_health(api: FastAPI) -> None:
    @api.get("/health", response_model=dict[str, str])
    async def health() -> Response:
        """Tell that the process answers; it says nothing about the directory."""
        return JSONResponse({"status": "up"})


def _add_search(api: FastAPI, service: Service) -> None:
    @_body_route(api, "/v1/search", Action.SEARCH, SearchAnswer)
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
    @_body_route(api, "/v1/open", Action.OPEN, RecordAnswer)
    async def open_record(request: Request, body: ChildBody) -> Response:
        """Open a child's record."""
        return await service.answer(request, _asked(Action.OPEN, body), reads.OpenRecord())

    @_body_route(api, "/v1/who-else", Action.WHO_ELSE, RecordAnswer)
    async def who_else(request: Request, body: ChildBody) -> Response:
        """List who else works with a child, and how to reach them."""
        return await service.answer(request, _asked(Action.WHO_ELSE, body), reads.OpenRecord(reads.INVOLVED))

    @_body_route(api, "/v1/changes", Action.CHANGES, ChangesAnswer)
    async def changes(request: Request, body: ChangesBody) -> Response:
        """Tell which parts of a child's record changed since a cursor."""
        read = reads.Changes(key=service.cursor_key, cursor=body.cursor)
        return await service.answer(request, _asked(Action.CHANGES, body), read)

    @_body_route(api, "/v1/lineage", Action.LINEAGE, LineageAnswer)
    async def lineage(request: Request, body: ChildBody) -> Response:
        """Tell what became of a child number: merged, split or retired, when and why."""
        return await service.answer(request, _asked(Action.LINEAGE, body), reads.Lineage())

    @_body_route(api, "/v1/override", Action.OVERRIDE, RecordAnswer)
    async def override(request: Request, body: OverrideBody) -> Response:
        """See behind a child's shield, once. This opens an investigation at once."""
        return await service.answer(request, _asked(Action.OVERRIDE, body, body.ground), reads.Override())


def _body_route(api: FastAPI, path: str, action: Action, answer: type[Any]) -> Callable[[Handler], Handler]:
    """Register what answers a POST whose JSON body says everything."""

    def _register(handler: Handler) -> Handler:
        route: dict[str, Any] = {"methods": ["POST"], "response_model": answer, "responses": ERRORS}
        api.router.add_api_route(path, policy(action)(handler), route_class_override=BodyRoute, **route)
        return handler

    return _register


def _asked(action: Action, body: ChildBody, ground: str | None = None) -> Asked:
    return Asked(action, body.purpose, body.reason, ground, child=body.child_number)


def _add_errors(api: FastAPI, service: Service) -> None:
    async def _malformed(request: Request, where: list[dict[str, str]] | None, message: str) -> Response:
        if CALLER not in request.scope:
            return error(request, 422, "malformed", message)
        route = request.scope.get("route")
        action = route_policy(route) if isinstance(route, APIRoute) else None
        await service.desk.refuse_malformed(request.scope[CALLER], action or Action.CAPABILITIES)
        return error(request, 422, "malformed", message, fields=where or [])

    @api.exception_handler(RequestValidationError)
    async def invalid(request: Request, problem: RequestValidationError) -> Response:
        """Say where and what, never with the value."""
        where = [{"where": _place(item["loc"]), "what": str(item["type"])} for item in problem.errors()]
        return await _malformed(request, where, "The request cannot be read.")

    @api.exception_handler(TermsError)
    async def terms(request: Request, problem: TermsError) -> Response:
        """Say what is missing."""
        return await _malformed(request, None, f"The search needs more: {problem}.")

    @api.exception_handler(CursorError)
    async def cursor(request: Request, problem: CursorError) -> Response:
        """Say what is wrong with the cursor."""
        return await _malformed(request, None, f"Start again without a cursor: {problem}.")

    @api.exception_handler(Unavailable)
    async def unavailable(request: Request, _: Unavailable) -> Response:
        """Answer nothing: the database or the audit trail is away."""
        return error(request, 503, "unavailable", "The service cannot answer now: try again later.")

    @api.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        """Answer a defect without telling about it; the server's log has it."""
        return error(request, 500, "failed", "The service failed; nothing was answered.")

    @api.exception_handler(HTTPException)
    async def http(request: Request, problem: HTTPException) -> Response:
        """Answer what the framework refuses (no such path or method) in our form."""
        code = {404: "no_such_path", 405: "method_not_allowed"}.get(problem.status_code, "malformed")
        if problem.status_code == 400:
            return await _malformed(request, None, "The request cannot be read.")
        answer = error(request, problem.status_code, code, "There is no such path or method.")
        answer.headers.update(problem.headers or {})
        return answer


def _place(location: tuple[int | str, ...]) -> str:
    """Return where something is wrong; a name that the sender made up is not repeated."""
    return str(location[0]) if len(location) < 2 or not _is_known(location[1]) else f"{location[0]}.{location[1]}"


def _is_known(name: int | str) -> bool:
    bodies = (SearchBody, ChildBody, ChangesBody, OverrideBody)
    return name in _HEADERS or any(name in body.model_fields for body in bodies)
