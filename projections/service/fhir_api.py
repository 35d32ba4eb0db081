"""The FHIR R4 routes: read a `Patient`, and `$match`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Header, Path, Request
from pydantic import AfterValidator
from starlette.responses import JSONResponse, Response

from projections.service import fhir, reads
from projections.service.api import Service
from projections.service.case import Asked, Refusal
from projections.service.decision import Action
from projections.service.errors import error, refused
from projections.service.http import CALLER
from projections.service.routes import ERRORS, policy, required_policy

Purpose = Annotated[str, Header(alias="x-purpose-of-use", pattern=r"^[a-z_]{1,40}$")]
_EXTENDED = re.compile(r"utf-8'[a-z0-9-]*'(.*)", re.IGNORECASE)


def words_of(header: str) -> str:
    """Return the reason that a header says: in UTF-8, plain or as RFC 8187 writes it, or else in Latin-1."""
    encoded = _EXTENDED.fullmatch(header)
    try:
        words = unquote(encoded[1], errors="strict") if encoded else header.encode("latin-1").decode()
    except UnicodeDecodeError:
        words = "" if encoded else header
    if not words.isprintable() or len(words) > 500 or (encoded and not words):
        raise ValueError("a reason is at most 500 characters of UTF-8")
    return words


Reason = Annotated[str, Header(alias="x-reason", max_length=2000), AfterValidator(words_of)]
PatientName = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class FhirResponse(JSONResponse):
    """A resource."""

    media_type = "application/fhir+json"


_OUTCOME = "An OperationOutcome says what is wrong: "
FHIR_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": dict[str, Any], "description": _OUTCOME + described["description"]}
    for status, described in ERRORS.items()
}
FHIR_ERRORS[406] = {"model": dict[str, Any], "description": _OUTCOME + "resources are told as JSON alone."}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": dict[str, Any], "description": _OUTCOME + "no such id."}}


class NotAcceptableError(Exception):
    """The client takes no JSON."""


async def json_wanted(request: Request) -> None:
    """Raise NotAcceptableError unless the client takes what is told here."""
    if not fhir.takes_json(request.query_params.get("_format") or request.headers.get("accept", "")):
        raise NotAcceptableError


def add_fhir(api: FastAPI, service: Service, base_url: str) -> None:
    """Add the FHIR routes. Parameters that they do not know are passed over, as FHIR lets a server do."""

    def _described(responses: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
        described = {"response_model": dict[str, Any], "response_class": FhirResponse, "responses": responses}
        return described | {"dependencies": [Depends(json_wanted)]}

    @api.exception_handler(NotAcceptableError)
    async def not_acceptable(request: Request, _: NotAcceptableError) -> Response:
        """Say in what a resource can be told; an outcome in another form would be no clearer."""
        await service.desk.refuse_malformed(request.scope[CALLER], required_policy(request.scope["route"]))
        return error(
            request, 406, "not_acceptable", "Resources of R4 are told as application/fhir+json and in no other form."
        )

    @api.get("/fhir/R4/metadata", **_described(FHIR_ERRORS))
    @policy(Action.CAPABILITIES)
    async def metadata(request: Request) -> Response:
        """Return the CapabilityStatement."""
        found = await service.desk.answer(request.scope[CALLER], Asked(Action.CAPABILITIES), reads.Nothing())
        if isinstance(found, Refusal):
            return refused(request, found)
        return FhirResponse(fhir.capabilities(base_url, "2026-11-27"))

    @api.get("/fhir/R4/Patient/{name}", **_described(FHIR_ERRORS | UNKNOWN))
    @policy(Action.OPEN)
    async def read(request: Request, name: PatientName, purpose: Purpose, reason: Reason) -> Response:
        """Open a record that a `$match` of the same person found in the last quarter of an hour."""
        caller = request.scope[CALLER]
        number = await service.desk.child_named(caller, name)
        asked = Asked(Action.OPEN, purpose, reason, child=number)
        found = await service.desk.answer(caller, asked, reads.OpenRecord() if number else reads.Unnamed())
        if isinstance(found, Refusal):
            return refused(request, found)
        record = json.loads(found).get("record") if found else None
        if record is None:
            return error(request, 404, "unknown", "No match of yours gave this id in the last quarter of an hour.")
        return FhirResponse(fhir.patient(name, record))

    @api.post("/fhir/R4/Patient/$match", **_described(FHIR_ERRORS))
    @policy(Action.SEARCH)
    async def match(request: Request, body: dict[str, Any], purpose: Purpose, reason: Reason) -> Response:
        """Search with a Patient as the example: family name, and given name, birth date or postcode.

        With `onlyCertainMatches` names that sound alike are not looked for; when more than `count` fit, none is listed.
        """
        terms, wish = fhir.match_terms(body), fhir.match_wish(body)
        compared = terms.compared() | ({"certain": "yes"} if wish.certain else {})
        asked = Asked(Action.SEARCH, purpose, reason, query=terms.audited())
        read = reads.Match(compared, min(wish.most, reads.CEILING))
        found = await service.desk.answer(request.scope[CALLER], asked, read)
        return refused(request, found) if isinstance(found, Refusal) else FhirResponse(found)
