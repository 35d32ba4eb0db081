"""What the routes of every service share: a policy each, bodies that are checked, and errors in one form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from projections.service.body_route import BodyRoute
from projections.service.case import Refuses, Unavailable
from projections.service.decision import Action
from projections.service.errors import error
from projections.service.http import CALLER, OPEN_PATHS
from projections.service.models import ErrorAnswer
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


def policy(action: Action) -> Callable[[Handler], Handler]:
    """Say which action a route is, so that the decision function can judge it."""

    def _mark(handler: Handler) -> Handler:
        handler.__dict__["policy"] = action
        return handler

    return _mark


def new_api(
    title: str, described: str, desk: Callable[[], Refuses], speaking: Mapping[type[Exception], str] | None = None
) -> FastAPI:
    """Return an API with a health check and our form of errors; `desk` enters what cannot be read.

    `speaking` are the errors whose words the caller is told, each with how the sentence begins.
    """
    api = FastAPI(
        title=title,
        version="1",
        description=described,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_health(api)
    _add_errors(api, desk, speaking or {})
    return api


def body_route(
    api: FastAPI, path: str, action: Action, answer: type[Any], errors: dict[int | str, dict[str, Any]] = ERRORS
) -> Callable[[Handler], Handler]:
    """Register what answers a POST whose JSON body says everything."""

    def _register(handler: Handler) -> Handler:
        route: dict[str, Any] = {"methods": ["POST"], "response_model": answer, "responses": errors}
        api.router.add_api_route(path, policy(action)(handler), route_class_override=BodyRoute, **route)
        return handler

    return _register


def check_policies(api: FastAPI) -> None:
    """Raise FatalError for a route without a policy, or with a method that is not for reading."""
    for route in api.routes:
        if not isinstance(route, APIRoute):
            raise FatalError(f"{route!r} is no route of the API")
        if route.path not in OPEN_PATHS:
            required_policy(route)
        if not (route.methods or set()) <= {"GET", "POST"}:
            raise FatalError(f"route {route.path} has a method that writes")


def route_policy(route: APIRoute) -> Action | None:
    """Return the action of a route."""
    found = getattr(route.endpoint, "policy", None)
    return found if isinstance(found, Action) else None


def required_policy(route: APIRoute) -> Action:
    """Return the action of a route that has one."""
    action = route_policy(route)
    if action is None:
        raise FatalError(f"route {route.path} has no policy")
    return action


def _add_health(api: FastAPI) -> None:
    @api.get("/health", response_model=dict[str, str])
    async def health() -> Response:
        """Tell that the process answers; it says nothing about the directory."""
        return JSONResponse({"status": "up"})


def _add_errors(api: FastAPI, desk: Callable[[], Refuses], speaking: Mapping[type[Exception], str]) -> None:
    async def _malformed(request: Request, where: list[dict[str, str]] | None, message: str) -> Response:
        if CALLER not in request.scope:
            return error(request, 422, "malformed", message)
        route = request.scope.get("route")
        action = route_policy(route) if isinstance(route, APIRoute) else None
        await desk().refuse_malformed(request.scope[CALLER], action or Action.CAPABILITIES)
        return error(request, 422, "malformed", message, fields=where or [])

    @api.exception_handler(RequestValidationError)
    async def invalid(request: Request, problem: RequestValidationError) -> Response:
        """Say where and what, never with the value; in words of ours where there are some."""
        known = _known(request.scope.get("route"))
        ours = tuple(speaking)

        def _what(item: Mapping[str, Any]) -> str:
            cause = item.get("ctx", {}).get("error")
            return str(cause) if isinstance(cause, ours) else str(item["type"])

        where = [{"where": _place(item["loc"], known), "what": _what(item)} for item in problem.errors()]
        return await _malformed(request, where, "The request cannot be read.")

    async def spoken(request: Request, problem: Exception) -> Response:
        """Say what is missing, in the words of the problem."""
        return await _malformed(request, None, f"{speaking[type(problem)]}: {problem}.")

    for kind in speaking:
        api.add_exception_handler(kind, spoken)

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


def _known(route: object) -> frozenset[str]:
    """Return the names that a request to this route may use: those of its headers and of its body."""
    return _HEADERS | (route.body.model_fields.keys() if isinstance(route, BodyRoute) else frozenset())


def _place(location: tuple[int | str, ...], known: frozenset[str]) -> str:
    """Return where something is wrong; a name that the sender made up is not repeated."""
    return f"{location[0]}.{location[1]}" if len(location) > 1 and location[1] in known else str(location[0])
