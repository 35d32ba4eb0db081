"""Access tokens and proofs of possession: the good ones are accepted, every forged or stale one is refused."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contactpoint.issuer import DpopClient, Issuer
from contactpoint.issuer.keys import SigningKey
from projections.service.dpop import ProofChecker
from projections.service.jwks import STALE_SECONDS, PublishedKeys, fetch_from
from projections.service.tokens import KEY_UNKNOWN, Token, TokenChecker, TokenError, TokenRules, check_certificate
from schemas.errors import ConfigurationError

AUDIENCE = "https://directory.example"
ISSUER = "https://login.example"


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000

    def __call__(self) -> int:
        return self.now


class Bench:
    """An issuer, a client with its key, and the checkers of the service, all on one clock."""

    def __init__(self, *, fetched: bool = True) -> None:
        self.clock = Clock()
        self.issuer = Issuer(ISSUER, AUDIENCE, self.clock)
        self.client = DpopClient(self.clock)
        self.fetch: Callable[[], Any] = self.issuer.jwks
        self.keys = PublishedKeys(self.answer, self.clock)
        self.tokens = TokenChecker(TokenRules(ISSUER, AUDIENCE), self.keys, self.clock)
        self.proofs = ProofChecker(AUDIENCE, self.clock)
        if fetched:
            self.keys.refresh()

    def answer(self) -> Any:
        return self.fetch()

    def good(self, **changed: Any) -> str:
        return self.issuer.token("nurse-1", self.client.confirmation, **changed)

    def check(self, token: str) -> Token:
        """Check a token as the service does: an unknown key is asked for once."""
        try:
            return self.tokens.check(token)
        except TokenError as error:
            if error.code != KEY_UNKNOWN or not self.keys.may_ask():
                raise
        self.keys.refresh()
        return self.tokens.check(token)

    def refusal(self, token: str) -> str:
        with pytest.raises(TokenError) as caught:
            self.check(token)
        return caught.value.code


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_good_token_is_accepted_twice_and_says_how_the_person_authenticated(bench: Bench) -> None:
    text = bench.good()
    token = bench.check(text)
    assert (token.subject, token.acr, token.methods) == ("nurse-1", "AAL3", ("hwk", "user"))
    assert token.session().authenticated_at == bench.clock.now - 30
    assert bench.check(text) is token


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exp": 1_789_999_000}, "ExpiredSignatureError"),
        ({"exp": 1_790_000_000 - 5}, "ExpiredSignatureError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"exp": "1790000600"}, "times"),
        ({"exp": 1_790_003_601}, "lives_too_long"),
        ({"aud": "https://other.example"}, "InvalidAudienceError"),
        ({"aud": [AUDIENCE]}, "InvalidAudienceError"),
        ({"aud": [AUDIENCE, "https://other.example"]}, "InvalidAudienceError"),
        ({"aud": None}, "MissingRequiredClaimError"),
        ({"iss": "https://evil.example"}, "InvalidIssuerError"),
        ({"iss": None}, "MissingRequiredClaimError"),
        ({"iat": 1_790_000_060}, "ImmatureSignatureError"),
        ({"nbf": 1_790_000_060}, "ImmatureSignatureError"),
        ({"auth_time": 1_790_000_060}, "ImmatureSignatureError"),
        ({"auth_time": None}, "MissingRequiredClaimError"),
        ({"auth_time": True}, "times"),
        ({"acr": None}, "MissingRequiredClaimError"),
        ({"acr": 3}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": None}, "MissingRequiredClaimError"),
        ({"client_id": None}, "MissingRequiredClaimError"),
        ({"jti": None}, "MissingRequiredClaimError"),
        ({"cnf": None}, "MissingRequiredClaimError"),
        ({"cnf": {}}, "not_bound"),
        ({"cnf": "jkt"}, "claims"),
        ({"cnf": {"jkt": 7}}, "not_bound"),
        ({"cnf": {"x5t#S256": "é" * 43}}, "not_bound"),
        ({"cnf": {"x5t#S256": "A" * 43, "jkt": 7}}, "not_bound"),
        ({"amr": "hwk"}, "claims"),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(bench: Bench, changed: dict[str, Any], code: str) -> None:
    assert bench.refusal(bench.good(**changed)) == code


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"typ": "JWT"}, "type"),
        ({"typ": "id+jwt"}, "type"),
        ({"kid": "another"}, "key_unknown"),
        ({"kid": None}, "key_unknown"),
        ({"kid": 5}, "key_unknown"),
        ({"jku": "https://evil.example/jwks"}, "key_in_header"),
        ({"jwk": {"kty": "EC"}}, "key_in_header"),
        ({"x5u": "https://evil.example/cert"}, "key_in_header"),
        ({"crit": ["b64"]}, "key_in_header"),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_header_is_refused(bench: Bench, header: dict[str, Any], code: str) -> None:
    claims = bench.issuer.claims("nurse-1", bench.client.confirmation)
    key = bench.issuer._keys[0]
    headers = {"typ": "at+jwt", "kid": key.kid} | header
    parts = [json.dumps(part).encode() for part in (headers | {"alg": "ES256"}, claims)]
    signing = ".".join(_base64(part) for part in parts)
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signing.encode(), key.private)
    assert bench.refusal(f"{signing}.{_base64(signature)}") == code


def test_a_token_signed_otherwise_is_refused(bench: Bench) -> None:
    claims = bench.issuer.claims("nurse-1", bench.client.confirmation)
    own = bench.issuer._keys[0]
    headers = {"typ": "at+jwt", "kid": own.kid}
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = [
        jwt.encode(claims, SigningKey().private, algorithm="ES256", headers=headers),
        jwt.encode(claims, rsa_key, algorithm="RS256", headers=headers),
        _hmac_signed(claims, headers, own),
        jwt.encode(claims, "", algorithm="none", headers=headers),
        jwt.encode(claims, ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers=headers),
        bench.good()[:-4] + "AAAA",
        bench.good().rsplit(".", 1)[0] + ".",
    ]
    assert all(bench.refusal(token) for token in forged)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "é.é.é", "x" * 100_000, "....", "e30.e30.e30", "bnVsbA.e30.e30"]
)
def test_what_is_no_token_is_refused(bench: Bench, text: str) -> None:
    assert bench.refusal(text) in {"form", "too_long", "algorithm"}


def test_a_claim_or_header_that_is_given_twice_is_refused(bench: Bench) -> None:
    head, claims, signature = bench.good().split(".")
    for twice in (_twice(head, "typ") + f".{claims}", f"{head}." + _twice(claims, "sub")):
        assert bench.refusal(f"{twice}.{signature}") == "duplicate_name"


def test_a_token_that_was_accepted_is_refused_once_it_expires(bench: Bench) -> None:
    text = bench.good()
    bench.check(text)
    bench.clock.now += 605
    assert bench.refusal(text) == "ExpiredSignatureError"


def test_keys_rotate_with_an_overlap_that_loses_no_request(bench: Bench) -> None:
    old = bench.good()
    bench.check(old)
    bench.clock.now += 6
    bench.issuer.rotate()
    new = bench.good()
    assert bench.check(new).subject == bench.check(old).subject
    bench.issuer.withdraw_old_keys()
    bench.keys.refresh()
    assert bench.check(new).subject == "nurse-1"
    assert bench.refusal(old) == "key_unknown"


def test_while_the_provider_is_away_held_keys_serve_until_they_are_stale_and_nothing_opens(bench: Bench) -> None:
    bench.check(bench.good())

    def away() -> Any:
        raise ConnectionRefusedError

    bench.fetch = away
    bench.clock.now += 3_000
    bench.keys.refresh()
    assert bench.check(bench.good()).subject == "nurse-1"
    bench.clock.now += STALE_SECONDS
    assert bench.refusal(bench.good()) == "key_unknown"
    never = Bench(fetched=False)
    never.fetch = away
    assert never.refusal(never.good()) == "key_unknown"


@pytest.mark.parametrize("answer", [{}, {"keys": {}}, {"keys": [1, {"kty": "oct", "k": "AA"}, {"kty": "EC"}]}, []])
def test_a_key_set_without_usable_keys_opens_nothing(answer: Any) -> None:
    bench = Bench(fetched=False)
    bench.fetch = lambda: answer
    assert bench.refusal(bench.good()) == "key_unknown"


def test_keys_are_fetched_over_tls_or_from_this_machine_only() -> None:
    with pytest.raises(ConfigurationError, match="https"):
        fetch_from("http://login.example/jwks")
    with pytest.raises(ConfigurationError, match="https"):
        fetch_from("file:///etc/passwd")


def _prove(bench: Bench, proof: str | None, token: str, path: str = "/v1/open") -> bytes:
    return bench.proofs.check(proof, method="POST", path=path, token_text=token, token=bench.check(token)).digest


URL = AUDIENCE + "/v1/open"


def test_a_proof_for_this_request_and_token_is_accepted(bench: Bench) -> None:
    text = bench.good()
    assert _prove(bench, bench.client.proof("POST", URL, text), text)
    assert _prove(bench, bench.client.proof("POST", URL + "?x=1#y", text), text)


def test_a_repeated_proof_has_the_same_digest_and_another_one_another(bench: Bench) -> None:
    text = bench.good()
    proof = bench.client.proof("POST", URL, text)
    assert _prove(bench, proof, text) == _prove(bench, proof, text)
    assert _prove(bench, proof, text) != _prove(bench, bench.client.proof("POST", URL, text), text)


@pytest.mark.parametrize(
    "changed",
    [
        {"htm": "GET"},
        {"htu": AUDIENCE + "/v1/search"},
        {"htu": "https://evil.example/v1/open"},
        {"htu": "http://directory.example/v1/open"},
        {"htu": "https://["},
        {"htu": 7},
        {"iat": 1_790_000_061},
        {"iat": 1_789_999_939},
        {"iat": "now"},
        {"ath": "AAAA"},
        {"ath": "é"},
        {"ath": None},
        {"jti": None},
        {"jti": "short"},
        {"jti": "x" * 201},
    ],
    ids=str,
)
def test_a_proof_with_a_wrong_claim_is_refused(bench: Bench, changed: dict[str, Any]) -> None:
    text = bench.good()
    with pytest.raises(TokenError):
        _prove(bench, bench.client.proof("POST", URL, text, **changed), text)


def test_a_stolen_token_is_refused_with_any_proof_but_its_owners(bench: Bench) -> None:
    text, thief = bench.good(), DpopClient(bench.clock)
    other = bench.good()
    proof = bench.client.proof("POST", URL, text)
    claims = jwt.decode(proof, options={"verify_signature": False})
    stolen = [
        None,
        thief.proof("POST", URL, text),
        thief.sign(claims, jwk=bench.client.public),
        bench.client.proof("POST", URL, other),
        bench.client.sign(claims, typ="JWT"),
        bench.client.sign(claims, jwk=bench.client.public | {"d": "AAAA"}),
        bench.client.sign(claims, jwk={"kty": "oct", "k": "AAAA"}),
        proof + "A",
        "x" * 5_000,
    ]
    for each in stolen:
        with pytest.raises(TokenError):
            _prove(bench, each, text)


def test_a_token_bound_to_a_certificate_needs_that_certificate(bench: Bench) -> None:
    mark = "m" * 43
    token = bench.check(bench.issuer.token("nurse-1", {"x5t#S256": mark}))
    check_certificate(token, mark)
    for other in ("another", None):
        with pytest.raises(TokenError, match="certificate"):
            check_certificate(token, other)
    with pytest.raises(TokenError, match="certificate"):
        check_certificate(bench.check(bench.good()), mark)


def _hmac_signed(claims: dict[str, Any], headers: dict[str, Any], key: SigningKey) -> str:
    """Return the classic forgery: HS256 with the provider's public key as the secret."""
    public = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = ".".join(_base64(json.dumps(part).encode()) for part in (headers | {"alg": "HS256"}, claims))
    return f"{signing}.{_base64(hmac.digest(public, signing.encode(), 'sha256'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _twice(part: str, name: str) -> str:
    found = json.loads(base64.urlsafe_b64decode(part + "=="))
    return _base64(json.dumps(found)[:-1].encode() + f', "{name}": "evil"}}'.encode())


def test_looking_a_key_up_never_waits_for_the_provider(bench: Bench) -> None:
    token, hanging, go_on = bench.good(), threading.Event(), threading.Event()
    bench.check(token)

    def slow() -> Any:
        hanging.set()
        go_on.wait(30)
        return bench.issuer.jwks()

    bench.fetch = slow
    fetching = threading.Thread(target=bench.keys.refresh)
    fetching.start()
    assert hanging.wait(30)
    assert bench.tokens.check(token).subject == "nurse-1"
    go_on.set()
    fetching.join()
