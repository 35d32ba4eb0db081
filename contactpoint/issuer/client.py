"""A client that holds a DPoP key: it proves at each request that its token is its own (RFC 9449)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from contactpoint.issuer.keys import ALGORITHM, public_jwk
from projections.service.dpop import thumbprint
from projections.service.tokens import base64url


class DpopClient:
    """One client with its key; the clock gives seconds since 1970."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = public_jwk(self._private)

    @property
    def confirmation(self) -> dict[str, str]:
        """Return what a token's `cnf` must say to belong to this client."""
        return {"jkt": thumbprint(self.public)}

    def proof(self, method: str, url: str, token: str, **changed: Any) -> str:
        """Return a proof for one request with this token; claims in `changed` replace the right ones."""
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": self._clock(),
            "ath": base64url(hashlib.sha256(token.encode()).digest()),
        }
        return self.sign({name: value for name, value in (claims | changed).items() if value is not None})

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return claims signed with this client's key; `header` replaces parts of the proof's header."""
        headers = {"typ": "dpop+jwt", "jwk": self.public} | header
        return jwt.encode(claims, self._private, algorithm=ALGORITHM, headers=headers)

    def headers(self, method: str, url: str, token: str) -> dict[str, str]:
        """Return the two headers of a request: the token and the proof for it."""
        return {"authorization": f"DPoP {token}", "dpop": self.proof(method, url, token)}
