"""Cleaning of text, dates, postcodes and identifiers: source text to what the record contract takes, or a reason.

Every function returns the value and a note. A value of `None` with an empty note is simply missing; with a note, it was
there and could not be used. Notes are codes, never content.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from connectors.identifiers import is_nhs_number, is_synthetic_nhs_number, is_temporary_upn, is_uln, is_upn

LONGEST = 200
PLACEHOLDERS = frozenset(
    {"UNKNOWN", "NOT KNOWN", "NOTKNOWN", "N/K", "N/A", "NOT APPLICABLE", "NOT STATED", "NONE GIVEN", "TBC", "TBA", ".",
     "..", "-", "--", "?", "??", "XX", "XXX", '""', "'"}
)  # fmt: skip
_BIRTH_ORDERS, _NO_BIRTH_ORDER = frozenset("1234567"), frozenset("89")
_NOT_A_UPN = frozenset({"UN1", "UN2", "UN3", "UN4", "UN5"})
_POSTCODE = re.compile(r"^([A-Z]{1,2}[0-9][A-Z0-9]?)([0-9O][A-Z]{2})$")
_NO_FIXED_ABODE = "ZZ99 3VZ"
_DEFAULT_POSTCODE = "ZZ99"
_TEST_AREAS = ("XX", "ZZ")
_CODE = re.compile(r"^[A-Za-z0-9/_.-]{1,40}$")
_NO_BIRTH_DATE = frozenset({date(1900, 1, 1), date(1800, 1, 1), date(1899, 12, 30), date(1753, 1, 1)})
_SEX = {
    **dict.fromkeys(("F", "FEMALE", "2"), "female"),
    **dict.fromkeys(("M", "MALE", "1"), "male"),
    **dict.fromkeys(("U", "O", "A", "N", "X", "I", "0", "9", "NOT SPECIFIED", "INDETERMINATE"), "not_specified"),
}


class Cleaned(NamedTuple):
    """A usable value, or none with the reason why it is not there."""

    value: str | None
    note: str = ""


NOTHING = Cleaned(None)


@lru_cache(maxsize=65536)
def clean(text: str) -> Cleaned:
    """Return text in Unicode's composed form with single spaces; placeholders and unusable text become nothing."""
    if not text:
        return NOTHING
    trimmed = " ".join(text.split())
    if not trimmed or trimmed.upper() in PLACEHOLDERS:
        return NOTHING
    if not trimmed.isascii():
        trimmed = unicodedata.normalize("NFC", trimmed)
        if "\ufffd" in trimmed:
            return Cleaned(None, "replaced_character")
    if len(trimmed) > LONGEST:
        return Cleaned(None, "too_long")
    if not trimmed.isprintable():
        return Cleaned(None, "control_character")
    return Cleaned(trimmed)


@lru_cache(maxsize=65536)
def clean_date(text: str) -> tuple[date | None, str]:
    """Return an ISO date."""
    if not text.strip() or text.strip() == '""':
        return None, ""
    try:
        return date.fromisoformat(text.strip()), ""
    except ValueError:
        return None, "not_a_date"


def clean_birth_date(text: str, said_on: date) -> tuple[date | None, str, str]:
    """Return a date of birth, its basis and a note; placeholders are missing, a near future is an expected birth."""
    born, note = clean_date(text)
    if born is None or born in _NO_BIRTH_DATE:
        return None, "stated", note
    days_ahead = (born - said_on).days
    if days_ahead > 300:  # longer than any pregnancy
        return None, "stated", "in_the_future"
    if born.year < 1900:
        return None, "stated", "too_old"
    return born, "expected" if days_ahead > 0 else "stated", ""


def clean_death_date(text: str, born: date | None, said_on: date) -> tuple[date | None, str]:
    """Return a date of death and a note; one before birth or after the day it was said is a mistake, and missing."""
    died, note = clean_date(text)
    if died is not None and born is not None and died < born:
        return None, "before_birth"
    if died is not None and died > said_on:
        return None, "in_the_future"
    return died, note


def clean_birth_order(text: str) -> tuple[int | None, str]:
    """Return the place in a multiple birth, 1 to 7; 8 (not applicable) and 9 (not known) are nothing, as PDS writes."""
    written = text.strip().lstrip("0")
    if not written or written in _NO_BIRTH_ORDER or written == '""':
        return None, ""
    return (int(written), "") if written in _BIRTH_ORDERS else (None, "not_a_birth_order")


def clean_sex(text: str) -> Cleaned:
    """Return the contract's word for the codes of CTF, HL7, APIS and older local systems."""
    written = text.strip().upper()
    if not written or written == '""':
        return NOTHING
    known = _SEX.get(written)
    return Cleaned(known) if known else Cleaned(None, "not_a_code")


@lru_cache(maxsize=65536)
def clean_postcode(text: str, *, accept_synthetic: bool) -> Cleaned:
    """Return a postcode with its one space; PDS default postcodes (ZZ99) are nothing."""
    written = "".join(text.split()).upper()
    if not written or clean(text) == NOTHING:
        return NOTHING
    found = _POSTCODE.match(written)
    if not found:
        return Cleaned(None, "not_a_postcode")
    outward, inward = found.groups()
    if outward == _DEFAULT_POSTCODE:
        return NOTHING
    if outward.startswith(_TEST_AREAS) and not accept_synthetic:
        return Cleaned(None, "test_value")
    return Cleaned(f"{outward} {inward.replace('O', '0', 1) if inward[0] == 'O' else inward}")


def says_no_fixed_abode(postcode: str) -> bool:
    """Tell whether a postcode is the PDS default for people without a fixed abode."""
    written = "".join(postcode.split()).upper()
    return written == _NO_FIXED_ABODE.replace(" ", "")


def clean_identifier(scheme: str, text: str, *, accept_synthetic: bool) -> tuple[str, Cleaned]:
    """Return the scheme that the check digit confirms, and the identifier.

    A number in the wrong column is moved to its own scheme; the letter O for zero in a UPN is put right.
    """
    written = "".join(text.split()).replace("-", "").upper()
    if not written or clean(text) == NOTHING or written in _NOT_A_UPN:
        return scheme, NOTHING
    if scheme == "local":
        return scheme, Cleaned(text.strip()) if _CODE.match(text.strip()) else Cleaned(None, "not_a_code")
    if scheme == "uln":
        return scheme, Cleaned(written) if is_uln(written) else Cleaned(None, "check_digit")
    return _pupil_or_patient(scheme, written, accept_synthetic=accept_synthetic)


def _pupil_or_patient(scheme: str, written: str, *, accept_synthetic: bool) -> tuple[str, Cleaned]:
    """Return a UPN or an NHS number under its own scheme, whichever column it came in."""
    if is_upn(written):
        return _upn_scheme(scheme, written), Cleaned(written, "corrected" if scheme == "nhs" else "")
    upn = written[:1] + written[1:].replace("O", "0")
    if upn != written and is_upn(upn):
        return _upn_scheme(scheme, upn), Cleaned(upn, "corrected")
    if not is_nhs_number(written):
        return scheme, Cleaned(None, "check_digit")
    if is_synthetic_nhs_number(written) and not accept_synthetic:
        return "nhs", Cleaned(None, "test_value")
    return "nhs", Cleaned(written, "" if scheme == "nhs" else "corrected")


def _upn_scheme(scheme: str, upn: str) -> str:
    if scheme == "former_upn":
        return scheme
    return "temporary_upn" if is_temporary_upn(upn) else "upn"


def clean_code(text: str) -> Cleaned:
    """Return a code of an organisation."""
    written = text.strip()
    if not written:
        return NOTHING
    return Cleaned(written) if _CODE.match(written) else Cleaned(None, "not_a_code")
