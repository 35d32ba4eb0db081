"""Time stamps by a real authority: `openssl ts` with a root and a signing certificate made for the test."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from projections.access.note import LOG, WITNESS, Checkpoint, Signer, cosign, sign_checkpoint
from projections.access.stamps import stamp, stamped, verify_stamp
from schemas.errors import RejectedError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")

CONFIG = """
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""
LOG_KEY = Signer("contactpoint.example/audit", LOG, b"l" * 32)
CHECKPOINT = Checkpoint(LOG_KEY.name, 3, b"r" * 32)
NOTE = sign_checkpoint(CHECKPOINT, LOG_KEY)


def certificate(name: str, issuer: x509.Name, key: rsa.RSAPrivateKey, by: rsa.RSAPrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    root = by is key
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
    )
    if not root:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(by, hashes.SHA256())


class Authority:
    """A time stamping authority in a folder, asked through openssl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        root_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
        self.root = certificate("root", name, root_key, root_key)
        leaf = certificate("authority", name, key, root_key)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(pem)
        (folder / "cert.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")

    def __call__(self, request: bytes) -> bytes:
        (self.folder / "request.tsq").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "request.tsq"]
        command += ["-signer", "cert.pem", "-inkey", "key.pem", "-out", "answer.tsr"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "answer.tsr").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_checkpoint_is_stamped_and_the_stamp_holds_for_it_whoever_cosigns_later(authority: Authority) -> None:
    answer = stamp(NOTE, authority, authority.root)
    assert abs(verify_stamp(NOTE, answer, authority.root) - datetime.now(UTC)) < timedelta(hours=1)
    cosigned = NOTE + cosign(CHECKPOINT, Signer("w", WITNESS, b"w" * 32), 7)
    verify_stamp(cosigned, answer, authority.root)


def test_openssl_verifies_a_stamp_over_the_same_bytes(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "3.tsr").write_bytes(stamp(NOTE, authority, authority.root))
    (tmp_path / "3.note").write_bytes(stamped(NOTE))
    (tmp_path / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    command = ["openssl", "ts", "-verify", "-data", "3.note", "-in", "3.tsr", "-CAfile", "root.pem"]
    command += ["-untrusted", str(authority.folder / "cert.pem")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr


def test_a_stamp_does_not_hold_for_another_checkpoint_root_or_byte(authority: Authority, tmp_path: Path) -> None:
    answer = stamp(NOTE, authority, authority.root)
    other = sign_checkpoint(Checkpoint(LOG_KEY.name, 4, b"r" * 32), LOG_KEY)
    for note, given, root in (
        (other, answer, authority.root),
        (NOTE, answer, Authority(tmp_path).root),
        (NOTE, answer[:-9] + bytes([answer[-9] ^ 1]) + answer[-8:], authority.root),
        (NOTE, b"", authority.root),
    ):
        with pytest.raises(RejectedError):
            verify_stamp(note, given, root)


def test_an_answer_to_another_request_is_not_accepted(authority: Authority) -> None:
    old = stamp(NOTE, authority, authority.root)
    with pytest.raises(RejectedError, match="does not hold"):
        stamp(NOTE, lambda _: old, authority.root)
