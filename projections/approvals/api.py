"""The API: each route is one kind of deed, asks for a login of the last five minutes, and writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from projections.approvals.desk import ApprovalsDesk, Doing
from projections.approvals.models import (
    Approved,
    AuthoriseBody,
    Authorised,
    Disclosed,
    DisclosureBody,
    Made,
    NewProjectBody,
    ProjectAnswer,
    ProjectBody,
    ReleaseBody,
    Requested,
    SpecificationBody,
)
from projections.disclosures.desk import DisclosureDesk
from projections.exports.desk import ReleaseDesk
from projections.service.case import Refusal
from projections.service.contract import describe
from projections.service.decision import Action
from projections.service.errors import error, refused
from projections.service.http import CALLER
from projections.service.models import ErrorAnswer
from projections.service.routes import ERRORS, body_route, check_policies, new_api, required_policy
from schemas.errors import RejectedError

_ERRORS: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    409: {"model": ErrorAnswer, "description": "A rule of disclosures or releases refuses it; the code says which."},
}


class Service:
    """The parts that the routes share; they are there once the application has started."""

    desk: ApprovalsDesk
    signer: Ed25519PrivateKey

    async def answer(self, request: Request, do: Callable[[Doing], BaseModel]) -> Response:
        """Let the desk decide and do it; return what it tells or the refusal."""
        action = required_policy(request.scope["route"])
        found = await self.desk.answer(request.scope[CALLER], action, do)
        if isinstance(found, Refusal):
            return refused(request, found)
        if isinstance(found, RejectedError):
            return error(request, 409, found.code, str(found))
        return Response(found.model_dump_json(), media_type="application/json")


def make_api(service: Service) -> FastAPI:
    """Return the API's routes."""
    api = new_api(
        "ContactPoint approvals service",
        "Let something leave the directory: one child's items under the law, or a release that names nobody.",
        lambda: service.desk,
    )
    _add_disclosures(api, service)
    _add_projects(api, service)
    _add_releases(api, service)
    return api


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of the service."""
    api = make_api(Service())
    check_policies(api)
    return describe(api.openapi())


def _add_disclosures(api: FastAPI, service: Service) -> None:
    @body_route(api, "/v1/disclosures/authorise", Action.AUTHORISE_DISCLOSURE, Authorised, _ERRORS)
    async def authorise(request: Request, body: AuthoriseBody) -> Response:
        """Authorise one disclosure of one child, that somebody else asked for."""

        def _do(by: Doing) -> Authorised:
            until = by.now + timedelta(days=body.days)
            reference = DisclosureDesk(by.connection).authorise(body.ask(), by.who, by.now, until)
            return Authorised(disclosure=reference, until=until)

        return await service.answer(request, _do)

    @body_route(api, "/v1/disclosures/make", Action.DISCLOSE, Disclosed, _ERRORS)
    async def disclose(request: Request, body: DisclosureBody) -> Response:
        """Tell the authorised items of the child, once; a reviewer is told of it. Not for the one who authorised it."""

        def _do(by: Doing) -> Disclosed:
            return Disclosed(
                **DisclosureDesk(by.connection).disclose(body.disclosure, body.requested_by, by.who, by.now)
            )

        return await service.answer(request, _do)


def _add_projects(api: FastAPI, service: Service) -> None:
    @body_route(api, "/v1/projects/open", Action.OPEN_PROJECT, ProjectAnswer, _ERRORS)
    async def open_project(request: Request, body: NewProjectBody) -> Response:
        """Open a project with a pseudonym key of its own."""

        def _do(by: Doing) -> ProjectAnswer:
            ReleaseDesk(by.connection).open_project(body.project, body.purpose, body.recipient, by.who)
            return ProjectAnswer(project=body.project)

        return await service.answer(request, _do)

    @body_route(api, "/v1/projects/end", Action.END_PROJECT, ProjectAnswer, _ERRORS)
    async def end_project(request: Request, body: ProjectBody) -> Response:
        """End a project: its key is destroyed, so that nobody can say any more whom its pseudonyms mean."""

        def _do(by: Doing) -> ProjectAnswer:
            ReleaseDesk(by.connection).destroy_key(body.project, by.who)
            return ProjectAnswer(project=body.project)

        return await service.answer(request, _do)


def _add_releases(api: FastAPI, service: Service) -> None:
    @body_route(api, "/v1/releases/request", Action.REQUEST_RELEASE, Requested, _ERRORS)
    async def request_release(request: Request, body: SpecificationBody) -> Response:
        """Check a release and ask two other people to approve it; or say every reason against it."""

        def _do(by: Doing) -> Requested:
            return Requested(release=ReleaseDesk(by.connection).request(body, by.who))

        return await service.answer(request, _do)

    @body_route(api, "/v1/releases/approve", Action.APPROVE_RELEASE, Approved, _ERRORS)
    async def approve_release(request: Request, body: ReleaseBody) -> Response:
        """Approve a release that somebody else asked for."""

        def _do(by: Doing) -> Approved:
            return Approved(release=body.release, approvals=ReleaseDesk(by.connection).approve(body.release, by.who))

        return await service.answer(request, _do)

    @body_route(api, "/v1/releases/make", Action.MAKE_RELEASE, Made, _ERRORS)
    async def make_release(request: Request, body: ReleaseBody) -> Response:
        """Make an approved release and its signed manifest, once."""

        def _do(by: Doing) -> Made:
            made = ReleaseDesk(by.connection).release(body.release, by.who, by.now.date(), service.signer)
            return Made(release=made.release_id, data=made.data.decode(), manifest=made.manifest.decode())

        return await service.answer(request, _do)
