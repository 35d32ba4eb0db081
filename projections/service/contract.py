"""The API's OpenAPI document, made without a database."""

from __future__ import annotations

from typing import Any

from projections.service.api import Service, make_api
from projections.service.fhir_api import add_fhir
from projections.service.routes import check_policies


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of the service."""
    service = Service()
    api = make_api(service)
    add_fhir(api, service, "https://directory.example")
    check_policies(api)
    return describe(api.openapi())


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Add how callers authenticate: sender-constrained tokens, by DPoP or by a client certificate."""
    dpop = {
        "type": "http",
        "scheme": "DPoP",
        "description": "RFC 9449: a token of a key, and a proof each time.",
    }
    mtls = {"type": "http", "scheme": "bearer", "description": "RFC 8705: a token of the client's TLS certificate."}
    document["components"]["securitySchemes"] = {"dpop": dpop, "mtls": mtls}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path == "/health" else [{"dpop": []}, {"mtls": []}]
    return document
