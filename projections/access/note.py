"""Signed notes of C2SP: checkpoints signed by the log, cosigned by a witness; Ed25519.

https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature (v1),
https://c2sp.org/tlog-proof. Pure, but for the key's own arithmetic.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.errors import ConfigurationError, RejectedError

LOG: Final = 0x01
WITNESS: Final = 0x04
Kind = Literal[0x01, 0x04]
_DASH = "— "
_TIME = 8  # bytes of a cosignature's time
LEAF_CONTEXT = b"contactpoint/leaf/v1\n"  # a signed leaf can never be read as a signed checkpoint


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with the name and the kind of signature that it is trusted for."""

    name: str
    kind: Kind
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that begin each of its signatures."""
        return sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:4]

    def to_text(self) -> str:
        """Return C2SP's vkey."""
        return f"{self.name}+{self.key_id.hex()}+{_b64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read a vkey; raise ConfigurationError when it is none."""
        name, _, rest = text.strip().partition("+")
        key_id, _, key = rest.partition("+")
        raw = _bytes(key)
        if len(raw) == 33 and raw[0] in {LOG, WITNESS}:
            found = cls(name, WITNESS if raw[0] == WITNESS else LOG, raw[1:])
            if found.key_id.hex() == key_id:
                return found
        raise ConfigurationError("this is no public key of a signed note (name+id+key)")

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether this key signed the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and what it is trusted for; its text form is golang.org/x/mod/sumdb/note's skey."""

    name: str
    kind: Kind
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.kind, self._key().public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Sign bytes."""
        return self._key().sign(message)

    def to_text(self) -> str:
        """Return the skey: keep it secret."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{_b64(bytes([self.kind]) + self.seed)}"

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read an skey; raise ConfigurationError when it is none."""
        parts = text.strip().split("+", 4)
        raw = _bytes(parts[4]) if len(parts) == 5 and parts[:2] == ["PRIVATE", "KEY"] else b""
        if len(raw) == 33 and raw[0] in {LOG, WITNESS}:
            return cls(parts[2], WITNESS if raw[0] == WITNESS else LOG, raw[1:])
        raise ConfigurationError("this is no private key of a signed note (PRIVATE+KEY+name+id+key)")

    def _key(self) -> Ed25519PrivateKey:
        return _private_key(self.seed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint states: the log's origin, the number of leaves, the root."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """Return the note's text, which is what is signed."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A checkpoint whose signatures hold, and who gave them (a witness with the time, seconds since 1970)."""

    checkpoint: Checkpoint
    signed_by: tuple[tuple[Verifier, int | None], ...]


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the signed note."""
    body = checkpoint.body()
    return f"{body}\n{signature_line(signer, signer.sign(body.encode()))}"


def cosign(checkpoint: Checkpoint, signer: Signer, time: int) -> str:
    """Return a witness's signature line for the checkpoint at this time (seconds since 1970)."""
    return signature_line(signer, time.to_bytes(_TIME, "big") + signer.sign(_cosigned(checkpoint.body(), time)))


def signature_line(signer: Signer, signature: bytes) -> str:
    """Return one line of a note's signatures."""
    return f"{_DASH}{signer.name} {_b64(signer.verifier.key_id + signature)}\n"


def open_note(note: str, verifiers: Iterable[Verifier]) -> OpenedNote:
    """Check a note against trusted keys; signatures by others are passed over.

    Raises RejectedError for a text that is no checkpoint, a signature that does not hold, or none by a trusted key.
    """
    body, blank, lines = note.partition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise RejectedError("note_malformed", "the text is not a signed note")
    text = body + "\n"
    known = {(each.name, each.key_id): each for each in verifiers}
    signed: list[tuple[Verifier, int | None]] = []
    for line in lines[:-1].split("\n"):  # not splitlines: other controls do not end a line
        if not line.startswith(_DASH):
            raise RejectedError("note_malformed", "a line of the note's signatures is none")
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        raw = _bytes(encoded)
        verifier = known.get((name, raw[:4]))
        if verifier is not None:
            signed.append((verifier, _check(verifier, raw[4:], text)))
    if not signed:
        raise RejectedError("note_unsigned", "no trusted key has signed this checkpoint")
    return OpenedNote(parse_checkpoint(text), tuple(signed))


def checkpoint_of(note: str) -> Checkpoint:
    """Return what a signed note says, whoever signed it; RejectedError when it is no checkpoint."""
    return parse_checkpoint(note.partition("\n\n")[0] + "\n")


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; raise RejectedError when it is none."""
    lines = text.split("\n")
    if len(lines) >= 4 and lines[1].isascii() and lines[1].isdigit() and str(int(lines[1])) == lines[1]:
        root = _bytes(lines[2])
        if lines[0] and len(root) == 32:
            return Checkpoint(lines[0], int(lines[1]), root)
    raise RejectedError("checkpoint_malformed", "the note is not a checkpoint")


def format_proof(leaf: int, path: Sequence[bytes], note: str) -> str:
    """Return an inclusion proof that can be verified offline (c2sp.org/tlog-proof@v1)."""
    hashes = "".join(f"{_b64(each)}\n" for each in path)
    return f"c2sp.org/tlog-proof@v1\nindex {leaf}\n{hashes}\n{note}"


@cache
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)  # derives the public half: as dear as a signature


def _check(verifier: Verifier, signature: bytes, text: str) -> int | None:
    time = None
    message = text.encode()
    if verifier.kind == WITNESS:
        time, signature = int.from_bytes(signature[:_TIME], "big"), signature[_TIME:]
        message = _cosigned(text, time)
    if not verifier.verify(signature, message):
        raise RejectedError("note_forged", f"the signature by {verifier.name} does not hold")
    return time


def _cosigned(body: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    """Decode base64 in its one canonical form: nothing else for what is not, so that a note cannot be varied."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if _b64(raw) == text else b""
