"""The issuer's keys, and the access tokens that it signs with the newest of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"


class SigningKey:
    """A P-256 key pair with an id."""

    def __init__(self, kid: str | None = None) -> None:
        self.kid = kid or secrets.token_hex(8)
        self.private = ec.generate_private_key(ec.SECP256R1())

    def public_jwk(self) -> dict[str, str]:
        """Return the public key as the key set publishes it."""
        return {**public_jwk(self.private), "kid": self.kid, "use": "sig", "alg": ALGORITHM}


class Issuer:
    """Signs access tokens (RFC 9068) for subjects that its caller names; the clock gives seconds since 1970."""

    def __init__(self, url: str, audience: str, clock: Callable[[], int]) -> None:
        self.url = url
        self.audience = audience
        self._clock = clock
        self._keys = [SigningKey()]

    def rotate(self) -> None:
        """Sign with a new key from now on, and go on publishing the old one beside it."""
        self._keys.insert(0, SigningKey())

    def withdraw_old_keys(self) -> None:
        """Publish only the newest key."""
        del self._keys[1:]

    def jwks(self) -> dict[str, Any]:
        """Return the key set."""
        return {"keys": [key.public_jwk() for key in self._keys]}

    def claims(self, subject: str, confirmation: dict[str, str], **changed: Any) -> dict[str, Any]:
        """Return the claims of a good token of this moment, with those in `changed` put in their place.

        `confirmation` binds it: {"jkt": ...} to a DPoP key or {"x5t#S256": ...} to a certificate. A claim that is
        changed to None is left out.
        """
        now = self._clock()
        claims = {
            "iss": self.url,
            "aud": self.audience,
            "sub": subject,
            "client_id": "case-management-demo",
            "iat": now,
            "exp": now + 600,
            "auth_time": now - 30,
            "acr": "AAL3",
            "amr": ["hwk", "user"],
            "jti": secrets.token_hex(16),
            "cnf": confirmation,
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return the claims as a token signed with the newest key; `header` adds to its header."""
        key = self._keys[0]
        headers = {"typ": "at+jwt", "kid": key.kid} | header
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)

    def token(self, subject: str, confirmation: dict[str, str], **changed: Any) -> str:
        """Return a signed access token; arguments are those of `claims`."""
        return self.sign(self.claims(subject, confirmation, **changed))


def public_jwk(private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the public half of a key as a JWK with its required members only."""
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: jwk[name] for name in ("crv", "kty", "x", "y")}
