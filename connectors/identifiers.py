"""Check digits of the identifiers that the sources carry (rules and evidence: `facts/source-formats.md` §1.4)."""

from __future__ import annotations

import re

UPN_ALPHABET = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN = re.compile(r"^[A-Z][0-9]{11}[0-9A-Z]$")
_TEN_DIGITS = re.compile(r"^[0-9]{10}$")
_SAME_DIGIT = re.compile(r"^(\d)\1{9}$")
_NOT_ISSUED_ULN = "9999999999"


def upn_check_letter(rest: str) -> str:
    """Return the check letter for the 12 symbols that follow it; a temporary number's last symbol is a letter."""
    values = (UPN_ALPHABET.index(symbol) if symbol.isalpha() else int(symbol) for symbol in rest)
    return UPN_ALPHABET[sum(weight * value for weight, value in enumerate(values, start=2)) % 23]


def is_upn(text: str) -> bool:
    """Tell whether the text is a unique pupil number, permanent or temporary."""
    if not _UPN.match(text) or (text[-1].isalpha() and text[-1] not in UPN_ALPHABET):
        return False
    return text[0] == upn_check_letter(text[1:])


def is_temporary_upn(text: str) -> bool:
    """Tell whether a valid unique pupil number is a temporary one."""
    return text[-1].isalpha()


def is_uln(text: str) -> bool:
    """Tell whether the text is a unique learner number (DfE "ULN Validation", January 2019)."""
    if not _TEN_DIGITS.match(text) or text == _NOT_ISSUED_ULN:
        return False
    remainder = sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1), strict=False)) % 11
    return remainder != 0 and int(text[9]) == 10 - remainder


def is_nhs_number(text: str) -> bool:
    """Tell whether the text passes the NHS number's check digit and is not one digit ten times."""
    if not _TEN_DIGITS.match(text) or _SAME_DIGIT.match(text):
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1), strict=False)) % 11
    return check != 10 and int(text[9]) == check % 11


def is_synthetic_nhs_number(text: str) -> bool:
    """Tell whether an NHS number is in the range that is never issued to people."""
    return text.startswith("9")
