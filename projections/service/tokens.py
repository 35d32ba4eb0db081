"""Access tokens: JWTs of one OpenID provider, for this service alone, bound to the client that presents them.

RFC 9068 (`at+jwt`), RFC 8705 (bound to a client certificate) and RFC 9449 (bound to a DPoP key). A token says who the
person is and how they authenticated; what they may do is read from the database at each request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jwt
from jwt.types import Options

from projections.service.decision import Session

MAX_TOKEN_BYTES = 8_192
KEY_UNKNOWN = "key_unknown"
MAX_LIFETIME_SECONDS = 3_600  # a key that was withdrawn is then out of use within the hour, whatever else fails
_CACHED = 10_000
_REQUIRED = ["iss", "aud", "sub", "exp", "iat", "jti", "client_id", "acr", "auth_time", "cnf"]
_KEYS_IN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_NAME = re.compile(r"[A-Za-z0-9:/_.@|-]{1,100}")  # what the audit trail can name
_CODE = re.compile(r"[A-Za-z0-9/_.-]{1,40}")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 in base64url, as RFC 7638 and RFC 8705 write it
_OPTIONS = Options(require=_REQUIRED, strict_aud=True, verify_signature=True)


class TokenError(Exception):
    """A token that is not accepted; `code` is a stable word for the log, the token itself is never quoted."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Keys(Protocol):
    """The provider's public keys by `kid`."""

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of this id, or None when the provider does not publish it; this never waits."""
        ...

    def may_ask(self) -> bool:
        """Tell whether the provider may be asked again for an unknown key."""
        ...

    def refresh(self) -> None:
        """Ask the provider for its keys; this waits for it."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say: its issuer, its audience, and the one family of signatures that is accepted."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("ES256",)
    leeway_seconds: int = 5


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature and claims hold; that it belongs to this client is checked at each request."""

    subject: str
    client: str
    acr: str
    methods: tuple[str, ...]
    authenticated_at: int
    expires_at: int
    certificate: str | None  # base64url of the SHA-256 of the client certificate that it is bound to
    key: str | None  # RFC 7638 thumbprint of the DPoP key that it is bound to

    def session(self) -> Session:
        """Return how the person authenticated, for the decision; call it once the binding was checked."""
        return Session(self.acr, self.authenticated_at, bound=True)


class _Held(NamedTuple):
    """A token whose signature held, by which key."""

    token: Token
    key: jwt.PyJWK
    kid: str


class TokenChecker:
    """Checks tokens. Signatures that held are remembered until the token expires; the clock is read at each call."""

    def __init__(self, rules: TokenRules, keys: Keys, clock: Callable[[], int]) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def check(self, text: str) -> Token:
        """Return what the token says; raise TokenError when anything about it is wrong."""
        if len(text) > MAX_TOKEN_BYTES:
            raise TokenError("too_long")
        held = self._held.get(text)
        if held is not None and self._keys.find(held.kid) is held.key:
            self._held.move_to_end(text)
            if self._clock() >= held.token.expires_at + self._rules.leeway_seconds:
                raise TokenError("ExpiredSignatureError")
            return held.token
        key = self._key(json_part(text, 0))
        token = self._verify(text, key)
        self._held[text] = _Held(token, key, str(key.key_id))
        if len(self._held) > _CACHED:
            self._held.popitem(last=False)
        return token

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        if header.get("alg") not in self._rules.algorithms:
            raise TokenError("algorithm")
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise TokenError("type")
        if not _KEYS_IN_HEADERS.isdisjoint(header):
            raise TokenError("key_in_header")
        kid = header.get("kid")
        key = self._keys.find(kid) if isinstance(kid, str) else None
        if key is None or key.algorithm_name != header["alg"]:
            raise TokenError(KEY_UNKNOWN)
        return key

    def _verify(self, text: str, key: jwt.PyJWK) -> Token:
        json_part(text, 1)  # a claim that is given twice is read differently by different readers
        try:
            claims = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                options={**_OPTIONS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError as error:
            raise TokenError(type(error).__name__) from None
        self._check_times(claims)
        return _token(claims)

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """Check the times against the clock that was passed in (PyJWT would read the machine's)."""
        now, leeway = self._clock(), self._rules.leeway_seconds
        times = [claims[name] for name in ("exp", "iat", "auth_time")] + [claims.get("nbf", claims["iat"])]
        if not all(type(value) is int for value in times):
            raise TokenError("times")
        expires, issued, authenticated, not_before = times
        if now >= expires + leeway:
            raise TokenError("ExpiredSignatureError")
        if max(issued, authenticated, not_before) > now + leeway:
            raise TokenError("ImmatureSignatureError")
        if expires - issued > MAX_LIFETIME_SECONDS:
            raise TokenError("lives_too_long")


def _token(claims: Mapping[str, Any]) -> Token:
    confirmation, methods = claims["cnf"], claims.get("amr", [])
    words = [claims[name] for name in ("sub", "client_id", "acr", "jti")]
    if not all(isinstance(word, str) and word for word in words) or not isinstance(confirmation, dict):
        raise TokenError("claims")
    if not isinstance(methods, list) or not all(isinstance(method, str) for method in methods):
        raise TokenError("claims")
    if not all(map(_NAME.fullmatch, words)) or not all(map(_CODE.fullmatch, methods)) or len(methods) > 10:
        raise TokenError("claims")
    certificate, key = confirmation.get("x5t#S256"), confirmation.get("jkt")
    bound = [each for each in (certificate, key) if each is not None]
    if not bound or not all(isinstance(each, str) and _DIGEST.fullmatch(each) for each in bound):
        raise TokenError("not_bound")
    return Token(
        subject=words[0],
        client=words[1],
        acr=words[2],
        methods=tuple(methods),
        authenticated_at=claims["auth_time"],
        expires_at=claims["exp"],
        certificate=certificate,
        key=key,
    )


def check_certificate(token: Token, thumbprint: str | None) -> None:
    """Raise TokenError unless the connection was made with the certificate that the token is bound to (RFC 8705)."""
    if token.certificate is None or thumbprint is None or not hmac.compare_digest(token.certificate, thumbprint):
        raise TokenError("certificate")


def certificate_thumbprint(der: bytes) -> str:
    """Return the `x5t#S256` of a certificate in DER."""
    return base64url(hashlib.sha256(der).digest())


def base64url(data: bytes) -> str:
    """Return base64url without padding, as JOSE writes it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_part(text: str, index: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a compact JWT, unverified.

    Raises TokenError when it is malformed or gives a name twice, which different readers read differently.
    """
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():
        raise TokenError("form")
    try:
        found = _JSON.decode(from_base64url(parts[index]).decode())
    except (binascii.Error, ValueError, RecursionError):
        raise TokenError("form") from None
    if not isinstance(found, dict):
        raise TokenError("form")
    return found


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64url without padding; raise binascii.Error for anything else."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenError("duplicate_name")
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_once)
