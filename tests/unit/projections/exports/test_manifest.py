"""A release's manifest: signed, and worthless once a byte of it or of the data is another one."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from projections.exports.manifest import csv_bytes, signed_manifest, verify_manifest
from schemas.errors import RejectedError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DATA = csv_bytes([("sex", "children"), ("female", "25")])
MANIFEST = signed_manifest({"release": "R1", "k": 10}, DATA, KEY)


def test_a_manifest_that_holds_gives_its_facts() -> None:
    assert verify_manifest(MANIFEST, DATA, KEY.public_key())["release"] == "R1"


@pytest.mark.parametrize(
    ("manifest", "data", "code"),
    [
        (MANIFEST.replace(b"R1", b"R2"), DATA, "manifest_forged"),
        (MANIFEST, DATA.replace(b"25", b"30"), "release_altered"),
        (b"{}", DATA, "manifest_invalid"),
        (b"[", DATA, "manifest_invalid"),
        (b'{"signature": 3}', DATA, "manifest_invalid"),
    ],
)
def test_a_changed_manifest_or_release_is_refused(manifest: bytes, data: bytes, code: str) -> None:
    with pytest.raises(RejectedError) as refused:
        verify_manifest(manifest, data, KEY.public_key())
    assert refused.value.code == code
