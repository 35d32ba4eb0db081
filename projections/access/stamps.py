"""RFC 3161 time stamps: an outside authority states that a checkpoint existed at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from cryptography.x509 import Certificate
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from connectors.web import exchange
from schemas.errors import RejectedError, RetriableError

Ask = Callable[[bytes], bytes]  # the DER of a request in, the DER of the response out; raises RetriableError


def stamp(note: str, ask: Ask, root: Certificate) -> bytes:
    """Have a checkpoint stamped; return the response's DER, verified. Raises as `verify_stamp` and `ask` do."""
    builder = TimestampRequestBuilder().data(stamped(note)).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.build()
    answer = ask(request.as_bytes())
    _verify(VerifierBuilder.from_request(request), note, _decode(answer), root)
    return answer


def verify_stamp(note: str, answer: bytes, root: Certificate) -> datetime:
    """Return the time that the authority states; raise RejectedError when the stamp is not over this checkpoint."""
    response = _decode(answer)
    _verify(VerifierBuilder(), note, response, root)
    return response.tst_info.gen_time


def http_authority(url: str) -> Ask:
    """Return an Ask that posts to a time stamping authority (RFC 3161 §3.4)."""

    def ask(request: bytes) -> bytes:
        """Return the authority's reply to a time stamp request."""
        reply = exchange(url, request, {"Content-Type": "application/timestamp-query"})
        if reply.status != HTTPStatus.OK:
            raise RetriableError(f"the time stamping authority answers with status {reply.status}")
        return reply.body

    return ask


def stamped(note: str) -> bytes:
    """Return what is stamped: the checkpoint's text and the log's signature, without cosignatures that come later."""
    body, _, lines = note.partition("\n\n")
    return f"{body}\n\n{lines.splitlines()[0]}\n".encode()


def _decode(answer: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(answer)
    except ValueError as error:
        raise RejectedError("stamp_malformed", "the authority's answer is no time stamp") from error


def _verify(builder: VerifierBuilder, note: str, response: TimeStampResponse, root: Certificate) -> None:
    try:
        builder.add_root_certificate(root).build().verify_message(response, stamped(note))
    except (VerificationError, ValueError) as error:
        raise RejectedError("stamp_invalid", "the time stamp does not hold for this checkpoint") from error
