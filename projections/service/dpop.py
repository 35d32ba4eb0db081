"""Proofs of possession (RFC 9449): the client signs method, address, time and token of each request with its key."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.exceptions import PyJWTError

from projections.service.tokens import Token, TokenError, base64url, from_base64url, json_part

WINDOW_SECONDS = 60  # how far a proof's own time may be from ours; for so long its id is remembered
_MAX_PROOF_BYTES = 4_096
_ALGORITHM = "ES256"
_CLAIMS = {"jti", "htm", "htu", "iat", "ath"}
_MEMBERS = ("crv", "kty", "x", "y")  # of an EC key, in the order of RFC 7638


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that held; `digest` is to be remembered for twice the window, so that it is used once."""

    digest: bytes


class ProofChecker:
    """Checks proofs against the address under which clients know this service, such as https://directory.example."""

    def __init__(self, base_url: str, clock: Callable[[], int]) -> None:
        self._base_url = base_url.rstrip("/")
        self._clock = clock

    def check(self, proof: str | None, *, method: str, path: str, token_text: str, token: Token) -> Proof:
        """Return the proof; raise TokenError when it is missing, stale, or for another request, token or key."""
        if proof is None or len(proof) > _MAX_PROOF_BYTES:
            raise TokenError("proof_missing")
        header = json_part(proof, 0)
        if header.get("typ") != "dpop+jwt" or header.get("alg") != _ALGORITHM:
            raise TokenError("proof_type")
        public = header.get("jwk")
        if not isinstance(public, dict) or "d" in public:
            raise TokenError("proof_key")
        mark = thumbprint(public)
        if token.key is None or not hmac.compare_digest(mark, token.key):
            raise TokenError("proof_key")
        claims = _claims(proof, public)
        self._check_claims(claims, method, path, token_text)
        return Proof(hashlib.sha256(f"{mark}.{claims['jti']}".encode()).digest())

    def _check_claims(self, claims: Mapping[str, Any], method: str, path: str, token_text: str) -> None:
        if not isinstance(claims["jti"], str) or not 8 <= len(claims["jti"]) <= 200:
            raise TokenError("proof_id")
        if type(claims["iat"]) is not int or abs(self._clock() - claims["iat"]) > WINDOW_SECONDS:
            raise TokenError("proof_time")
        if claims["htm"] != method or not self._same_address(claims["htu"], path):
            raise TokenError("proof_request")
        expected = base64url(hashlib.sha256(token_text.encode()).digest())
        if not isinstance(claims["ath"], str) or not hmac.compare_digest(claims["ath"].encode(), expected.encode()):
            raise TokenError("proof_token")

    def _same_address(self, htu: object, path: str) -> bool:
        if not isinstance(htu, str):
            return False
        try:
            parts = urlsplit(htu)
        except ValueError:
            return False
        return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}" == f"{self._base_url.lower()}{path}"


def thumbprint(public: Mapping[str, Any]) -> str:
    """Return the RFC 7638 thumbprint of an EC key; raise TokenError when a member is missing."""
    members = [public.get(name) for name in _MEMBERS]
    if not all(isinstance(value, str) for value in members):
        raise TokenError("proof_key")
    return _thumbprint(*map(str, members))


@lru_cache(maxsize=10_000)
def _thumbprint(crv: str, kty: str, x: str, y: str) -> str:
    text = json.dumps({"crv": crv, "kty": kty, "x": x, "y": y}, separators=(",", ":"))
    return base64url(hashlib.sha256(text.encode()).digest())


def _claims(proof: str, public: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims, once the signature holds; `jwt.decode` would parse every proof a second time."""
    claims = json_part(proof, 1)
    signed, _, signature = proof.rpartition(".")
    try:
        key = _key(*(public[name] for name in _MEMBERS))
        holds = key.Algorithm.verify(signed.encode(), key.key, from_base64url(signature))
    except (PyJWTError, ValueError):
        holds = False
    if not holds:
        raise TokenError("proof_signature")
    if not set(claims) >= _CLAIMS:
        raise TokenError("proof_claims")
    return claims


@lru_cache(maxsize=10_000)
def _key(crv: str, kty: str, x: str, y: str) -> jwt.PyJWK:
    return jwt.PyJWK.from_dict({"crv": crv, "kty": kty, "x": x, "y": y}, algorithm=_ALGORITHM)
