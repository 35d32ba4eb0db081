"""Record keys and child numbers: the two names by which everything is found.

A record key is `<source>:<source_id>`. A child number is a function of the record key of the cluster's founder, and of
the severances that made it a new identity, so that every replay of one log gives the same numbers, whichever worker
computes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from schemas.errors import RejectedError

# Crockford's base 32: no I, L, O, U, so that a number read aloud or from paper is not mistaken.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BODY_LENGTH = 12  # 60 bits: for 11 million children the chance of any collision is about 5 in 100,000
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]  # two symbols at a time: half the work
_HASH = blake2b(digest_size=8, person=b"child-number")  # to be copied, which is quicker than to be made
CHECK_ALPHABET = ALPHABET + "*~$=U"  # Crockford's check symbols for the values 32 to 36


class RecordKey(NamedTuple):
    """The name of one source system's record about one person."""

    source: str
    source_id: str

    def __str__(self) -> str:
        return f"{self.source}:{self.source_id}"

    @classmethod
    def parse(cls, text: str) -> RecordKey:
        """Split `source:source_id` at its first colon; raise RejectedError when a part is missing."""
        source, colon, source_id = text.partition(":")
        if not (source and colon and source_id):
            raise RejectedError("record_key_invalid", "a record key has the form <source>:<source_id>")
        return cls(source, source_id)


def number_basis(founder_key: str, severances: Iterable[str] = ()) -> str:
    """Return what a cluster's child number is made from: its founder's key and, of a new identity, what severed it.

    `severances` are the event ids, sorted. Nobody had this number before the newest of them, and nobody has it after.
    """
    return "\x1f".join((founder_key, *severances))


def basis_hash(basis: str) -> bytes:
    """Return the eight bytes of which a child number says the first 60 bits."""
    hashed = _HASH.copy()
    hashed.update(basis.encode())
    return hashed.digest()


def child_number(basis: str) -> str:
    """Return the child number (13 symbols, the last a check symbol) made from this: most often the founder's key."""
    value = int.from_bytes(basis_hash(basis)) >> 4
    # Written out: this runs for most records of every batch.
    return (
        f"{_PAIRS[value >> 50]}{_PAIRS[value >> 40 & 1023]}{_PAIRS[value >> 30 & 1023]}{_PAIRS[value >> 20 & 1023]}"
        f"{_PAIRS[value >> 10 & 1023]}{_PAIRS[value & 1023]}{CHECK_ALPHABET[value % 37]}"
    )


def is_child_number(text: str) -> bool:
    """Tell whether the text has a child number's length, alphabet and check symbol (Crockford, modulo 37)."""
    if len(text) != _BODY_LENGTH + 1 or any(symbol not in ALPHABET for symbol in text[:-1]):
        return False
    value = 0
    for symbol in text[:-1]:
        value = value * 32 + ALPHABET.index(symbol)
    return text[-1] == CHECK_ALPHABET[value % 37]
