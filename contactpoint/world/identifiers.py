"""Identifiers with right check digits, many at a time (the arithmetic of `facts/source-formats.md` §1.4).

NHS numbers come from the range 900 000 0000 to 999 999 9999, which is never issued to anybody. Local authority codes
700 to 849 and the establishments below them are made up, and with them every unique pupil number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UPN_ALPHABET = "ABCDEFGHJKLMNPQRTUVWXYZ"
_LETTERS = np.array(list(UPN_ALPHABET), dtype=object)
_WEIGHTS = np.arange(10, 1, -1)
_FIRST_NHS = 900_000_000
_FIRST_ULN = 100_000_000
# Both prime, so that multiples of the step visit every number below the modulus once.
_MODULUS = 99_999_989
_STEP = 61_803_399


def _scattered(count: int, first: int, start: int) -> NDArray[np.int64]:
    """Return `count` different nine-digit numbers that are not in order."""
    return first + (start + np.arange(count, dtype=np.int64) * _STEP) % _MODULUS


def _weighted_sums(nine_digits: NDArray[np.int64]) -> NDArray[np.int64]:
    digits = nine_digits[:, None] // 10 ** np.arange(8, -1, -1) % 10
    return np.asarray(digits @ _WEIGHTS, np.int64)


def nhs_numbers(count: int, seed: int) -> NDArray[np.int64]:
    """Return different ten-digit NHS numbers from the synthetic range."""
    stems = _scattered(count + count // 8 + 64, _FIRST_NHS, seed * 7919)
    check = (11 - _weighted_sums(stems) % 11) % 11
    valid = check < 10
    return np.asarray((stems[valid] * 10 + check[valid])[:count], np.int64)


def learner_numbers(count: int, seed: int) -> NDArray[np.int64]:
    """Return different ten-digit unique learner numbers."""
    stems = _scattered(count + count // 8 + 64, _FIRST_ULN, seed * 104_729)
    remainder = _weighted_sums(stems) % 11
    valid = remainder != 0
    return np.asarray((stems[valid] * 10 + (10 - remainder[valid]))[:count], np.int64)


def pupil_numbers(lea: NDArray[np.int64], estab: NDArray[np.int64], year: NDArray[np.int64], serial: NDArray[np.int64],
                  *, temporary: bool = False) -> NDArray[np.object_]:  # fmt: skip
    """Return unique pupil numbers: check letter, authority, establishment, year, serial number below 1000.

    A temporary number has two serial digits and a letter instead of the third.
    """
    last = serial % 23 if temporary else serial % 10
    serial = serial % 100 if temporary else serial // 10
    body = ((lea * 10_000 + estab) * 100 + year % 100) * 100 + serial
    digits = body[:, None] // 10 ** np.arange(10, -1, -1) % 10
    check = (digits @ np.arange(2, 13) + last * 13) % 23
    heads = _LETTERS[check]
    tails = _LETTERS[last] if temporary else last.astype(str).astype(object)
    return np.array(
        [f"{head}{number:011d}{tail}" for head, number, tail in zip(heads, body, tails, strict=True)], object
    )
