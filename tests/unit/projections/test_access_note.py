"""Signed notes and the witness: what C2SP's own example says, and what a witness refuses."""

from __future__ import annotations

import base64
from http import HTTPStatus
from pathlib import Path

import pytest

from projections.access.merkle import Frontier, consistency_proof, fetch_from, leaf_hash
from projections.access.note import (
    LOG,
    WITNESS,
    Checkpoint,
    Signer,
    Verifier,
    cosign,
    open_note,
    parse_checkpoint,
    sign_checkpoint,
)
from projections.access.witness import Witness, add_checkpoint_body, begin, read_cosignature
from schemas.errors import ConfigurationError, RejectedError

LOG_KEY = Signer("contactpoint.example/audit", LOG, b"l" * 32)
WITNESS_KEY = Signer("witness.example/w1", WITNESS, b"w" * 32)
HASHES = [leaf_hash(b"%d" % number) for number in range(40)]
FORK = [*HASHES[:9], leaf_hash(b"other"), *HASHES[10:]]


def checkpoint(size: int, leaves: list[bytes] = HASHES) -> Checkpoint:
    return Checkpoint(LOG_KEY.name, size, Frontier().grow(leaves[:size])[0].root())


def request(old: int, size: int, leaves: list[bytes] = HASHES) -> bytes:
    fetch = fetch_from(lambda _, first, count: leaves[first : first + count])
    return add_checkpoint_body(
        old, consistency_proof(fetch, old, size), sign_checkpoint(checkpoint(size, leaves), LOG_KEY)
    )


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    begin(tmp_path / "witness.json", LOG_KEY.verifier)
    return Witness(WITNESS_KEY, LOG_KEY.verifier, tmp_path / "witness.json", lambda: 1_800_000_000)


def test_the_checkpoint_and_the_key_of_c2sp_s_documents_are_read_as_they_say() -> None:
    key = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert key.key_id.hex() == "c74f20a3"
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    found = parse_checkpoint(text)
    assert (found.origin, found.size, found.body()) == ("example.com/behind-the-sofa", 20852163, text)


@pytest.mark.parametrize("signer", [LOG_KEY, WITNESS_KEY])
def test_keys_survive_being_written_and_read(signer: Signer) -> None:
    assert Signer.parse(signer.to_text()) == signer
    assert Verifier.parse(signer.verifier.to_text()) == signer.verifier


@pytest.mark.parametrize("text", ["", "a+b+c", WITNESS_KEY.to_text(), LOG_KEY.verifier.to_text().replace("+", "+0", 1)])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Verifier.parse(text)


NOTE = sign_checkpoint(checkpoint(5), LOG_KEY) + cosign(checkpoint(5), WITNESS_KEY, 7)
TRUSTED = [LOG_KEY.verifier, WITNESS_KEY.verifier]


@pytest.mark.parametrize("bit", range(8))
def test_a_note_with_any_bit_changed_is_refused_or_has_lost_a_signature(bit: int) -> None:
    assert [time for _, time in open_note(NOTE, TRUSTED).signed_by] == [None, 7]
    for place in range(len(NOTE.encode())):
        raw = bytearray(NOTE.encode())
        raw[place] ^= 1 << bit
        try:
            opened = open_note(raw.decode("utf-8", errors="replace"), TRUSTED)
        except RejectedError:
            continue
        assert opened.checkpoint == checkpoint(5)
        assert len(opened.signed_by) < 2


def test_a_note_by_a_stranger_is_not_trusted() -> None:
    stranger = Signer(LOG_KEY.name, LOG, b"x" * 32)
    with pytest.raises(RejectedError, match="no trusted key"):
        open_note(sign_checkpoint(checkpoint(5), stranger), [LOG_KEY.verifier])


def test_a_witness_cosigns_what_extends_what_it_saw_and_remembers_it(witness: Witness, tmp_path: Path) -> None:
    for old, new in ((0, 3), (3, 3), (3, 17), (17, 40)):
        reply = witness.add_checkpoint(request(old, new))
        assert reply.status is HTTPStatus.OK
        assert read_cosignature(checkpoint(new), reply.body, WITNESS_KEY.verifier) == 1_800_000_000
    again = Witness(WITNESS_KEY, LOG_KEY.verifier, tmp_path / "witness.json", lambda: 0)
    assert again.size == 40
    assert open_note(again.latest(), [WITNESS_KEY.verifier]).checkpoint == checkpoint(40)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (request(12, 20, FORK), HTTPStatus.UNPROCESSABLE_ENTITY),
        (request(12, 12, FORK), HTTPStatus.CONFLICT),
        (request(5, 7), HTTPStatus.CONFLICT),
        (request(0, 40), HTTPStatus.CONFLICT),
        (add_checkpoint_body(12, [], sign_checkpoint(checkpoint(20), LOG_KEY)), HTTPStatus.UNPROCESSABLE_ENTITY),
        (add_checkpoint_body(12, [], sign_checkpoint(checkpoint(20), WITNESS_KEY)), HTTPStatus.FORBIDDEN),
        (request(12, 20).replace(b"old 12", b"old 30"), HTTPStatus.BAD_REQUEST),
        (b"", HTTPStatus.BAD_REQUEST),
        (b"old x\n\nnote\n\n", HTTPStatus.BAD_REQUEST),
        (b"old 12\n!\n\nnote\n\n", HTTPStatus.BAD_REQUEST),
        (b"\xff", HTTPStatus.BAD_REQUEST),
    ],
)
def test_a_witness_refuses_all_else_and_forgets_nothing(witness: Witness, body: bytes, status: HTTPStatus) -> None:
    witness.add_checkpoint(request(0, 12))
    reply = witness.add_checkpoint(body)
    assert (reply.status, witness.size) == (status, 12)
    assert witness.add_checkpoint(request(12, 40)).status is HTTPStatus.OK


def test_a_witness_serves_one_log_only(witness: Witness) -> None:
    other = Checkpoint("other.example/log", 1, HASHES[0])
    assert witness.add_checkpoint(add_checkpoint_body(0, [], sign_checkpoint(other, LOG_KEY))).status == 404


@pytest.mark.parametrize("state", [None, b"", b"{}", b'{"origin": "x", "size": 1, "root": "!"}'])
def test_a_witness_without_its_memory_does_not_start(tmp_path: Path, state: bytes | None) -> None:
    path = tmp_path / "witness.json"
    if state is not None:
        path.write_bytes(state)
    with pytest.raises(ConfigurationError, match="forgot"):
        Witness(WITNESS_KEY, LOG_KEY.verifier, path, lambda: 0)


def test_the_state_of_a_witness_is_never_begun_twice(witness: Witness, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="never forgets"):
        begin(tmp_path / "witness.json", LOG_KEY.verifier)


def test_a_signature_line_is_base64_of_key_and_signature() -> None:
    line = sign_checkpoint(checkpoint(1), LOG_KEY).splitlines()[-1]
    raw = base64.b64decode(line.rpartition(" ")[2])
    assert raw[:4] == LOG_KEY.verifier.key_id
    assert len(raw) == 68
