"""Around the API: who calls (by tokens and proofs), how large a request may be, and the headers of every answer.

Pure ASGI, so that it also holds for paths that do not exist and for answers to errors.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections.service.case import Caller, Refuses, Unavailable
from projections.service.decision import Action
from projections.service.dpop import ProofChecker
from projections.service.tokens import KEY_UNKNOWN, Keys, Token, TokenChecker, TokenError, check_certificate

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 16_384
OPEN_PATHS = frozenset({"/health"})
CERTIFICATE = "contactpoint.certificate"  # in the scope: x5t#S256 of the client's certificate
CALLER = "contactpoint.caller"

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_AWAY = 503
_OURS = frozenset(name for name, _ in HEADERS)


class SecureHeaders:
    """Puts the headers on every answer, also on one to an error inside, and a request id for the audit trail."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = scope["contactpoint.request"] = secrets.token_hex(16)
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in _OURS]
                message["headers"] = [*kept, *HEADERS, (b"request-id", request.encode())]
                if message["status"] == _AWAY:
                    message["headers"].append((b"retry-after", b"1"))
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Unavailable:
            await send_error(with_headers, scope, 503, "unavailable", "The service cannot answer now: try again later.")
        except Exception as error:  # noqa: BLE001 - whoever logged it whole would log its text, which can quote a record
            *_, frame = traceback.extract_tb(error.__traceback__)
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            log.error("request_failed", error_type=type(error).__name__, place=place)  # noqa: TRY400 - the same
            if not started:
                await send_error(with_headers, scope, 500, "failed", "The service failed; nothing was answered.")


class Guard:
    """Lets a request in once its token holds and belongs to its client; what it may do is decided further inside."""

    def __init__(
        self, app: ASGIApp, keys: Keys, tokens: TokenChecker, proofs: ProofChecker, desk: Callable[[], Refuses]
    ) -> None:
        self._app = app
        self._keys = keys
        self._tokens = tokens
        self._proofs = proofs
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the caller in its scope, or answer 401 or 413."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        scheme = "DPoP"
        try:
            headers = _single(scope["headers"])
            scheme = "Bearer" if headers.get("authorization", "").lower().startswith("bearer ") else "DPoP"
            scope[CALLER] = await self._authenticated(scope, headers)
        except TokenError as error:
            await self._desk().refuse_unknown(scope["contactpoint.request"], f"token_{error.code}"[:40])
            challenge = f'{scheme} error="invalid_token"' + (', algs="ES256"' if scheme == "DPoP" else "")
            await send_error(send, scope, 401, "invalid_token", "No valid token came with the request.", challenge)
            return
        body = await _body(receive)
        if body is None:
            await self._desk().refuse_malformed(scope[CALLER], Action.CAPABILITIES)
            await send_error(send, scope, 413, "too_large", f"A request has at most {MAX_BODY_BYTES} bytes.")
            return
        await self._app(scope, _replay(body, receive), send)

    async def _authenticated(self, scope: Scope, headers: Mapping[str, str]) -> Caller:
        """Return the caller. A key that is not known is asked for once, beside the requests that need no new key."""
        try:
            return self._caller(scope, headers)
        except TokenError as error:
            if error.code != KEY_UNKNOWN or not self._keys.may_ask():
                raise
        await asyncio.to_thread(self._keys.refresh)
        return self._caller(scope, headers)

    def _caller(self, scope: Scope, headers: Mapping[str, str]) -> Caller:
        asking, proof = self._participant(scope, headers.get("authorization"), headers.get("dpop"))
        proofs = [proof]
        mediator = None
        if "mediated-for" in headers:
            # The person at the keyboard is the mediator; whom they act for is authenticated in the same way.
            text = f"DPoP {headers['mediated-for']}"
            mediator, (asking, proof) = asking, self._participant(scope, text, headers.get("mediated-for-proof"))
            proofs.append(proof)
            if mediator.subject == asking.subject:
                raise TokenError("mediated_for_oneself")
        used = tuple(each for each in proofs if each is not None)
        return Caller(asking, mediator, used, scope["contactpoint.request"])

    def _participant(self, scope: Scope, credentials: str | None, proof: str | None) -> tuple[Token, bytes | None]:
        scheme, _, text = (credentials or "").partition(" ")
        if not text:
            raise TokenError("missing")
        token = self._tokens.check(text)
        if scheme.lower() not in {"dpop", "bearer"} or (scheme.lower() == "dpop") != (token.key is not None):
            raise TokenError("scheme")  # a token of a DPoP key is not a bearer token (RFC 9449 §7.2)
        if token.certificate is not None:
            check_certificate(token, scope.get(CERTIFICATE))
        if token.key is None:
            return token, None
        held = self._proofs.check(proof, method=scope["method"], path=scope["path"], token_text=text, token=token)
        return token, held.digest


def _single(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers that matter; raise TokenError when one of them comes twice or is not ASCII."""
    found: dict[str, str] = {}
    for raw_name, raw in headers:
        name = raw_name.decode("latin-1").lower()
        if name not in {"authorization", "dpop", "mediated-for", "mediated-for-proof"}:
            continue
        if name in found or not raw.isascii():
            raise TokenError("headers")
        found[name] = raw.decode("ascii").strip()
    return found


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, or None when it is too large."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def _again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return _again


def media_type(path: str) -> str:
    """Return the media type of answers on a path."""
    return "application/fhir+json" if path.startswith("/fhir/") else "application/json"


# https://hl7.org/fhir/R4/valueset-issue-type.html
_ISSUES = {401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 406: "not-supported",
           413: "too-long", 422: "invalid", 429: "throttled", 503: "transient"}  # fmt: skip


def error_body(path: str, status: int, code: str, message: str, **more: Any) -> dict[str, Any]:
    """Return an error as the caller's kind of client reads it; it holds nothing of the request."""
    if path.startswith("/fhir/"):
        message = " ".join([message, *(f"{each['where']}: {each['what']}." for each in more.get("fields", ()))])
        kind = _ISSUES.get(status, "exception")
        issue = {"severity": "error", "code": kind, "details": {"text": message}, "diagnostics": code}
        return {"resourceType": "OperationOutcome", "issue": [issue]}
    return {"error": {"code": code, "message": message, **more}}


async def send_error(
    send: Send, scope: Scope, status: int, code: str, message: str, challenge: str | None = None
) -> None:
    """Answer with an error."""
    body = json.dumps(error_body(scope["path"], status, code, message)).encode()
    kind = media_type(scope["path"]).encode()
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if challenge is not None:
        headers.append((b"www-authenticate", challenge.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
