"""The paper that goes with a release: what it is, for whom, until when, and a signature over all of it."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from schemas.errors import ConfigurationError, RejectedError

Facts = Mapping[str, Any]


def csv_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows as CSV in UTF-8 with CRLF (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def signed_manifest(facts: Facts, data: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the manifest as JSON: the facts, the data's SHA-256, and an Ed25519 signature over their RFC 8785 form."""
    said = {**facts, "sha256": sha256(data).hexdigest()}
    signature = base64.b64encode(key.sign(rfc8785.dumps(said))).decode()
    return orjson.dumps({**said, "signature": signature}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def make_signing_key(file: Path) -> None:
    """Put a new private key into a file that only its owner reads, and its public half into `<file>.pub`.

    Raises ConfigurationError where the file is there already or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    try:
        file.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.with_name(file.name + ".pub").write_bytes(public)


def read_signing_key(file: Path) -> Ed25519PrivateKey:
    """Return the private key in a PEM file; raise ConfigurationError for anything else."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{file}: not an Ed25519 private key in PEM; `contactpoint release new-key` makes one")
    return key


def verify_manifest(manifest: bytes, data: bytes, key: Ed25519PublicKey) -> Facts:
    """Return the facts of a manifest whose signature and data hold; raise RejectedError that says what does not."""
    try:
        said = dict(orjson.loads(manifest))
        signature = base64.b64decode(said.pop("signature"), validate=True)
    except (orjson.JSONDecodeError, ValueError, KeyError, TypeError):
        raise RejectedError("manifest_invalid", "the manifest is not JSON with a signature") from None
    try:
        key.verify(signature, rfc8785.dumps(said))
    except InvalidSignature:
        raise RejectedError("manifest_forged", "the manifest's signature does not fit it and this key") from None
    if said.get("sha256") != sha256(data).hexdigest():
        raise RejectedError("release_altered", "the data are not those that the manifest was signed for")
    return said
