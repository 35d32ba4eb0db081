"""The commands of what leaves: keys, and mistakes answered in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner

from connectors.toml_file import read_toml
from contactpoint.cli.app import app
from projections.exports.manifest import csv_bytes, signed_manifest
from projections.exports.specification import ReleaseSpec
from schemas.errors import ConfigurationError

RUN = CliRunner()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    assert RUN.invoke(app, ["release", "new-key", str(tmp_path / "key.pem")]).exit_code == 0
    return tmp_path / "key.pem"


def test_a_manifest_is_verified_with_the_public_key_that_was_made(key: Path, tmp_path: Path) -> None:
    signer = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(signer, Ed25519PrivateKey)
    data, manifest = tmp_path / "d.csv", tmp_path / "m.json"
    data.write_bytes(csv_bytes([("sex", "children"), ("female", "25")]))
    manifest.write_bytes(signed_manifest({"release": "R1"}, data.read_bytes(), signer))
    arguments = ["release", "verify", str(data), str(manifest), f"{key}.pub", "--output", "json"]
    verified = RUN.invoke(app, arguments)
    assert verified.exit_code == 0
    data.write_bytes(b"female,30")
    assert RUN.invoke(app, arguments).exit_code != 0


def test_the_signing_key_can_be_read_by_its_owner_alone_and_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    assert RUN.invoke(app, ["release", "new-key", str(key)]).exit_code != 0
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('kind = "counts"', "project"),
        ('columns = ["surname"]', "columns"),
        ("k = 3", "k"),
        ("= =", "is not TOML"),
    ],
)
def test_a_mistake_in_a_request_names_the_file_and_the_key(text: str, says: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as refused:
        read_toml(spec, ReleaseSpec)
    assert str(spec) in str(refused.value)
