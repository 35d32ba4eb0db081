"""Dead letters as an operator sees them: each once, and until when its bytes can be read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.kafka import ReadMessage, read_to_end
from connectors.vault import KeyVault
from schemas.dead_letter import DeadLetter, from_message
from schemas.sealing import key_id_of
from schemas.settings import KafkaSettings
from schemas.topics import DEAD_LETTERS

DESTROYED = "destroyed"
WITH_RECORD = "as long as its record"
IN_THE_CLEAR = "not sealed"


class KeptLetter(NamedTuple):
    """A dead letter, and its bytes: destroyed, or readable until a day, or as long as the record they are about."""

    letter: DeadLetter
    content: str


def read_dead_letters(kafka: KafkaSettings, letter_days: int) -> list[KeptLetter]:
    """Return every dead letter once, in the order of the topic; a repeated one as it stands in its newest copy."""
    read = (
        (from_message(each.key, each.value, each.headers), each)
        for each in read_to_end(kafka, [DEAD_LETTERS], with_headers=True, whole=False)
    )
    messages = {letter.letter_id: (letter, message) for letter, message in read}
    made = _made(kafka, [message for _, message in messages.values()])
    return [KeptLetter(letter, _content(message, made, letter_days)) for letter, message in messages.values()]


def _made(kafka: KafkaSettings, messages: list[ReadMessage]) -> Mapping[bytes, tuple[datetime, bool]]:
    ids = {key_id_of(each.sealed) for each in messages if each.sealed and not each.erased}
    if not ids or kafka.vault is None:
        return {}
    with KeyVault(kafka.vault) as vault:
        return vault.made_at(ids)


def _content(message: ReadMessage, made: Mapping[bytes, tuple[datetime, bool]], letter_days: int) -> str:
    if message.sealed is None:
        return IN_THE_CLEAR
    known = made.get(key_id_of(message.sealed))
    if message.erased or known is None:
        return DESTROYED
    at, own_key = known
    return f"until {(at + timedelta(days=letter_days)).date()}" if own_key else WITH_RECORD
