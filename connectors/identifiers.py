"""Check digits of the identifiers that the sources carry (rules and evidence: `facts/source-formats.md` §1.4)."""

from __future__ import annotations

import re
from operator import mul

UPN_ALPHABET = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN_VALUES = {symbol: value for symbols in ("0123456789", UPN_ALPHABET) for value, symbol in enumerate(symbols)}
_UPN = re.compile(rf"^[{UPN_ALPHABET}][0-9]{{11}}[0-9{UPN_ALPHABET}]$")
_TEN_DIGITS = re.compile(r"^[0-9]{10}$")
_NOT_ISSUED_ULN = "9999999999"


def upn_check_letter(rest: str) -> str:
    """Return the check letter for the 12 symbols that follow it; a temporary number's last symbol is a letter."""
    return UPN_ALPHABET[sum(map(mul, map(_UPN_VALUES.__getitem__, rest), range(2, 14))) % 23]


def is_upn(text: str) -> bool:
    """Tell whether the text is a unique pupil number, permanent or temporary."""
    return bool(_UPN.match(text)) and text[0] == upn_check_letter(text[1:])


def is_temporary_upn(text: str) -> bool:
    """Tell whether a valid unique pupil number is a temporary one."""
    return text[-1].isalpha()


def is_uln(text: str) -> bool:
    """Tell whether the text is a unique learner number (DfE "ULN Validation", January 2019)."""
    if not _TEN_DIGITS.match(text) or text == _NOT_ISSUED_ULN:
        return False
    remainder = _weighted_sum(text) % 11
    return remainder != 0 and int(text[9]) == 10 - remainder


def is_nhs_number(text: str) -> bool:
    """Tell whether the text passes the NHS number's check digit and is not one digit ten times."""
    if not _TEN_DIGITS.match(text) or text == text[0] * 10:
        return False
    check = 11 - _weighted_sum(text) % 11
    return check != 10 and int(text[9]) == check % 11


def _weighted_sum(text: str) -> int:
    """Return the first nine digits, weighted from 10 down to 2, in one sum."""
    return sum(map(mul, map(int, text[:9]), range(10, 1, -1)))


def is_synthetic_nhs_number(text: str) -> bool:
    """Tell whether an NHS number is in the range that is never issued to people."""
    return text.startswith("9")
