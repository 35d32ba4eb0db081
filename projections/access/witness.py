"""The witness: a second key that cosigns a checkpoint only if it extends the last one it has seen.

It speaks C2SP's witness protocol (https://c2sp.org/tlog-witness, `add-checkpoint`) and has neither the database nor the
log's key: another user, another disk, best another organisation. Its state is one file, written through to the disk
before an answer leaves; a witness without the file does not start, for it would believe anything.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import orjson

from projections.access.merkle import EMPTY_ROOT, verify_consistency
from projections.access.note import WITNESS, Checkpoint, Signer, Verifier, cosign, open_note
from schemas.errors import ConfigurationError, RejectedError

LONGEST_PROOF = 63
LARGEST_REQUEST = 16_384


class Conflict(NamedTuple):
    """The witness has cosigned a checkpoint of another size than the one we named."""

    size: int


Answer = str | Conflict


class Reply(NamedTuple):
    """A status and a body of the HTTP interface."""

    status: HTTPStatus
    body: str
    kind: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Request:
    old: int
    proof: tuple[bytes, ...]
    note: str


class Witness:
    """Cosigns checkpoints of one log. `clock` gives seconds since 1970. Safe to use from several threads."""

    def __init__(self, signer: Signer, log: Verifier, state: Path, clock: Callable[[], float]) -> None:
        self._signer = signer
        self._log = log
        self._path = state
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._load()

    @property
    def size(self) -> int:
        """The size of the largest tree that it has cosigned."""
        return self._seen.size

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer one add-checkpoint request."""
        try:
            request = _parse(body)
            checkpoint = open_note(request.note, [self._log]).checkpoint
        except RejectedError as error:
            unsigned = error.code in {"note_unsigned", "note_forged"}
            return Reply(HTTPStatus.FORBIDDEN if unsigned else HTTPStatus.BAD_REQUEST, f"{error.reason}\n")
        if checkpoint.origin != self._log.name:
            return Reply(HTTPStatus.NOT_FOUND, "unknown log\n")
        if request.old > checkpoint.size:
            return Reply(HTTPStatus.BAD_REQUEST, "the old size is larger than the new one\n")
        with self._lock:
            return self._decide(request, checkpoint)

    def latest(self) -> str:
        """Return the newest checkpoint that it has cosigned, as a note with its signature alone."""
        with self._lock:
            line = cosign(self._seen, self._signer, int(self._clock()))
            return f"{self._seen.body()}\n{line}"

    def _decide(self, request: _Request, new: Checkpoint) -> Reply:
        seen = self._seen
        if request.old != seen.size or (new.size == seen.size and new.root != seen.root):
            return Reply(HTTPStatus.CONFLICT, f"{seen.size}\n", "text/x.tlog.size")
        if not verify_consistency(seen.size, seen.root, new.size, new.root, request.proof):
            return Reply(HTTPStatus.UNPROCESSABLE_ENTITY, "the checkpoint does not extend the one that was seen\n")
        if new.size > seen.size:
            self._save(new)
            self._seen = new
        return Reply(HTTPStatus.OK, cosign(new, self._signer, int(self._clock())))

    def _load(self) -> Checkpoint:
        try:
            kept = orjson.loads(self._path.read_bytes())
            return Checkpoint(kept["origin"], int(kept["size"]), base64.b64decode(kept["root"], validate=True))
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"{self._path} cannot be read: a witness that forgot what it saw proves nothing; restore the file"
            raise ConfigurationError(message) from error

    def _save(self, checkpoint: Checkpoint) -> None:
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(_state(checkpoint))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def begin(state: Path, log: Verifier) -> None:
    """Make the state of a witness that has seen nothing of a log yet; raise ConfigurationError when there is one."""
    try:
        with state.open("xb") as file:
            file.write(_state(Checkpoint(log.name, 0, EMPTY_ROOT)))
    except FileExistsError as error:
        message = f"{state} exists: a witness never forgets what it saw"
        raise ConfigurationError(message) from error


def _state(checkpoint: Checkpoint) -> bytes:
    root = base64.b64encode(checkpoint.root).decode()
    return orjson.dumps({"origin": checkpoint.origin, "size": checkpoint.size, "root": root})


def add_checkpoint_body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """Return the body of an add-checkpoint request."""
    lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in proof)
    return f"old {old}\n{lines}\n{note}".encode()


def read_cosignature(checkpoint: Checkpoint, lines: str, witness: Verifier) -> int:
    """Return the time (seconds since 1970) of the witness's signature; raise RejectedError when it does not hold."""
    opened = open_note(f"{checkpoint.body()}\n{lines}", [witness])
    return next(time for verifier, time in opened.signed_by if verifier.kind == WITNESS and time is not None)


def _parse(body: bytes) -> _Request:
    try:
        head, _, note = body.decode().partition("\n\n")
        first, *proof = head.split("\n")
        word, _, size = first.partition(" ")
        if word != "old" or not size.isascii() or not size.isdigit() or len(proof) > LONGEST_PROOF or not note:
            raise RejectedError("request_malformed", "the request is malformed")
        return _Request(int(size), tuple(base64.b64decode(line, validate=True) for line in proof), note)
    except (UnicodeDecodeError, binascii.Error) as error:
        raise RejectedError("request_malformed", "the request is malformed") from error
