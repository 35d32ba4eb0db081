"""How values are folded before they are compared: one small function a kind, "" for a missing or placeholder value.

A folded value holds no "|" of its own: that sign separates alternates (a former name, a second spelling) of one field.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

ALTERNATE: Final = "|"
"""Separates the alternates of one field."""

Folder = Callable[[str], str]

# Letters that no accent can be taken off of, as most people type them.
_PLAIN: Final = str.maketrans(
    {"Æ": "AE", "Ø": "O", "ß": "SS", "ẞ": "SS", "Œ": "OE", "Ð": "D", "Đ": "D", "Þ": "TH", "Ł": "L", "Ħ": "H", "Ŋ": "N"}
)
# ICAO Doc 9303 part 3, section 6.A: how passports write letters; only where that differs from the plain form.
_ICAO: Final = str.maketrans({"Ä": "AE", "Ö": "OE", "Ü": "UE", "Å": "AA", "Ø": "OE", "Ñ": "NXX"})

# The same for text without accents, a sign at a time: a quarter of the time that the patterns below take.
_DROPPED: Final = "'`."
_ASCII_LETTERS: Final = {i: chr(i) if chr(i).isalpha() else None if chr(i) in _DROPPED else " " for i in range(128)}
_ASCII_ALNUM: Final = {i: chr(i) if chr(i).isalnum() else None if chr(i) in _DROPPED else " " for i in range(128)}

# The apostrophes that feeds really send, and signs of no width, which are copied along with a name from a page.
_APOSTROPHES: Final = re.compile(r"['’‘ʼ`´.\u00ad\u200b-\u200f\u2060\ufeff]")  # noqa: RUF001
_NOT_LETTERS: Final = re.compile(r"[\W\d_]+")
_NOT_ALNUM: Final = re.compile(r"[\W_]+")

_NOBODY: Final = (
    r"(?:UNKNOWN|UNK|NOT KNOWN|NK|N K|ANON|ANONYMOUS|FNU|LNU)(?: (?:UNKNOWN|UNK|NOT KNOWN|NK|N K|LNU))*"
    r"|(?:NOT|NO|NOT YET) (?:KNOWN|GIVEN|STATED|RECORDED|NAMED|NAME|SURNAME|FORENAME|FIRST NAME|LAST NAME|APPLICABLE)"
    r"|(?:SURNAME|FORENAME|NAME) (?:UNKNOWN|NOT KNOWN|NOT GIVEN)|TO BE (?:CONFIRMED|ADVISED|NAMED|REGISTERED)"
    r"|NONAME|NAMELESS|NONE|NULL|NIL|NA|N A|TBC|TBA|X+|Z+"
)
_UNNAMED: Final = (
    r"BABY|BABYBOY|BABYGIRL|BABE|INFANT|NEWBORN|NEW BORN|UNBORN|TWIN|TRIPLET|UNNAMED|UN NAMED|CHILD|"
    r"MALE|FEMALE|BOY|GIRL|UNKNOWN"
)
_PLACE_IN_BIRTH: Final = r"ONE|TWO|THREE|FIRST|SECOND|I|II|III|A|B|C"
_PLACEHOLDER_SURNAME: Final = re.compile(rf"(?:{_NOBODY})")
_PLACEHOLDER_GIVEN: Final = re.compile(  # digits are gone: the 1ST TWIN is an ST TWIN
    rf"(?:{_NOBODY}|(?:{_UNNAMED})(?: (?:{_UNNAMED}|{_PLACE_IN_BIRTH}))*"
    r"|(?:BABY|BABE|INFANT|INF|SON|DAUGHTER) OF(?: .+)?|B O(?: .+)?|BABY (?:BOY|GIRL|MALE|FEMALE) .+"
    r"|(?:(?:BABY|INFANT|FIRST|SECOND|THIRD|ST|ND|RD) )*(?:TWIN|TRIPLET)(?: .+)?)"
)

_OF_A_BIRTH: Final = re.compile(
    r"(?:(?:BABY|INFANT|BOY|GIRL|MALE|FEMALE)[ -]+)*(?:TWIN|TRIPLET)(?:[ -]+(?:BOY|GIRL|MALE|FEMALE))?[ -]*"
    r"(?:(1|ONE|FIRST|I|A)|(2|TWO|SECOND|II|B)|(3|THREE|III|C))(?:\W.*)?"
    r"|(?:(1ST|FIRST)|(2ND|SECOND)|(3RD|THIRD))[ -]+(?:BABY[ -]+)?(?:TWIN|TRIPLET)(?:\W.*)?"
)

_PLACEHOLDER_DATES: Final = frozenset(
    "00010101 10000101 11111111 18991230 18991231 19000101 19010101 19111111 99990101 99991231".split()
)
_PLACEHOLDER_PLACES: Final = re.compile(  # a town may follow
    r"HOMELESS|NONE|NULL|(?:(?:OF )?(?:NFA|NO FIXED (?:ABODE|ADDRESS))|UNKNOWN(?: ADDRESS)?|NOT KNOWN|NK"
    r"|ADDRESS (?:UNKNOWN|NOT KNOWN|WITHHELD)|(?:SAME )?AS (?:ABOVE|MOTHER))(?: .+)?"
)
# With what letters placeholders begin: a look at the first one spares most values the pattern.
_NOBODYS_INITIALS: Final = frozenset("AFLNSTUXZ")
_NOWHERES_INITIALS: Final = frozenset("AHNOSU")
_ROLES: Final = frozenset("MR MRS MS MISS DR MUM DAD MOTHER FATHER PARENT PARENTS CARER GUARDIAN FOSTER".split())
_NO_NUMBERS: Final = frozenset("UNKNOWN NOTKNOWN NOTGIVEN NONE NULL NIL NK NA TBC TBA".split())
_SEX: Final = {"M": "M", "MALE": "M", "1": "M", "BOY": "M", "F": "F", "FEMALE": "F", "2": "F", "GIRL": "F"}
_CACHE: Final = 1 << 14
_FEW: Final = 1 << 12  # texts that come again soon or never: those of one household


def join_alternates(values: Iterable[str]) -> str:
    """Join folded values (each perhaps with alternates of its own) into one field value, without repeats or blanks."""
    return ALTERNATE.join(dict.fromkeys(part for value in values for part in value.split(ALTERNATE) if part))


def _plain(text: str) -> str:
    """Take accents off upper-case letters: Å and Ä become A, Ø becomes O."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _spellings(text: str, separators: re.Pattern[str]) -> tuple[str, ...]:
    """Fold to capitals in the plain form and, where it differs, the form of ICAO Doc 9303 (MÜLLER: MULLER, MUELLER)."""
    if text.isascii():
        capitals = text.upper()
        if capitals.isalpha():
            return (capitals,)
        return (" ".join(capitals.translate(_ASCII_LETTERS if separators is _NOT_LETTERS else _ASCII_ALNUM).split()),)
    capitals = unicodedata.normalize("NFKC", text).upper()
    forms = (capitals,) if capitals.isascii() else (_plain(capitals), _plain(capitals.translate(_ICAO)))
    return tuple(separators.sub(" ", _APOSTROPHES.sub("", form)).strip() for form in forms)


@lru_cache(maxsize=_CACHE)
def fold_given_name(text: str) -> str:
    """Fold a forename: capitals, no accents, no apostrophes, hyphens as spaces; BABY, TWIN 2, UNKNOWN are missing."""
    return join_alternates("" if _PLACEHOLDER_GIVEN.fullmatch(s) else s for s in _spellings(text, _NOT_LETTERS))


@lru_cache(maxsize=_FEW)
def placeholder_birth_order(text: str) -> int:
    """Return the birth order that a baby's placeholder name tells (TWIN 2, TRIPLET C), 0 if it tells none."""
    found = _OF_A_BIRTH.fullmatch(text.strip().upper())
    return (found.lastindex - 1) % 3 + 1 if found and found.lastindex else 0


@lru_cache(maxsize=_CACHE)
def fold_surname(text: str) -> str:
    """Fold a surname: as a forename, but only words for "unknown" are missing (Male and Boy are surnames)."""
    return join_alternates("" if _PLACEHOLDER_SURNAME.fullmatch(s) else s for s in _spellings(text, _NOT_LETTERS))


@lru_cache(maxsize=_CACHE)
def fold_date(text: str) -> str:
    """Fold a date to YYYYMMDD, missing if it is a known default or no date.

    Takes YYYY-MM-DD, YYYYMMDD, DD/MM/YYYY (any separator, time of day ignored). A date with only its year or month
    known is written as the first of it, which comparison treats as vague. Impossible days such as 81 are kept: they
    are typing errors and still resemble the true date.
    """
    parts = re.split(r"[T ]", text.strip(), maxsplit=1)[0]
    numbers = re.findall(r"[0-9]+", parts)
    if len(numbers) in {2, 3}:
        year_first = numbers if len(numbers[0]) == 4 else numbers[::-1]
    elif len(numbers) == 1 and len(numbers[0]) in {4, 6, 8}:
        year_first = [numbers[0][:4], numbers[0][4:6], numbers[0][6:8]]
    else:
        return ""
    year, month, day = (*(number or "01" for number in year_first), "01")[:3]
    folded = f"{year}{month:0>2}{day:0>2}"
    return folded if len(year) == 4 and len(folded) == 8 and folded not in _PLACEHOLDER_DATES else ""


def fold_years(text: str) -> str:
    """Fold a year of birth or an age in years to its digits, missing if it is no whole number of up to four digits."""
    digits = text.strip().removesuffix(".0")
    return str(int(digits)) if digits.isdecimal() and len(digits) <= len("YYYY") else ""


def fold_sex(text: str) -> str:
    """Fold to M, F or missing (unknown, not stated, indeterminate)."""
    return _SEX.get(text.strip().upper(), "")


@lru_cache(maxsize=_FEW)
def fold_postcode(text: str) -> str:
    """Fold a postcode to capitals and digits without space; the default postcodes ZZ99 (ODS) are missing."""
    folded = _NOT_ALNUM.sub("", _plain(unicodedata.normalize("NFKC", text).upper()))
    return "" if folded.startswith("ZZ99") or not folded.strip("0X") else folded


@lru_cache(maxsize=_FEW)
def fold_address(text: str) -> str:
    """Fold an address or place: capitals, digits and single spaces; "no fixed abode" and "unknown" are missing."""
    folded = _spellings(text, _NOT_ALNUM)[0]
    return "" if folded[:1] in _NOWHERES_INITIALS and _PLACEHOLDER_PLACES.fullmatch(folded) else folded


def fold_identifier(text: str) -> str:
    """Fold an identifier to capitals and digits; one digit repeated (0000000000, 9999999999) is missing."""
    folded = _NOT_ALNUM.sub("", unicodedata.normalize("NFKC", text).upper())
    return folded if len(set(folded)) > 1 and folded not in _NO_NUMBERS else ""


@lru_cache(maxsize=_CACHE)
def fold_short_string(text: str) -> str:
    """Fold any other short text: capitals, digits and single spaces; words for "unknown" are missing."""
    return _unless_nobody(_spellings(text, _NOT_ALNUM)[0])


def fold_full_name(given: str, family: str) -> str:
    """Fold a forename and a surname as one short text, missing unless both are told: MRS SMITH may be anybody's.

    Half a name would be compared with whole ones, and UNKNOWN SMITH count against JANE SMITH.
    """
    first, last = fold_short_string(given), fold_short_string(family)
    return _unless_nobody(f"{first} {last}") if first and last and first not in _ROLES else ""


def _unless_nobody(folded: str) -> str:
    return "" if folded[:1] in _NOBODYS_INITIALS and _PLACEHOLDER_SURNAME.fullmatch(folded) else folded


def fold_exact(text: str) -> str:
    """Keep a code as it is, without surrounding space and without the separator of alternates."""
    return text.strip().replace(ALTERNATE, "/").replace("\x1f", " ")


FOLDERS: Final[dict[str, Folder]] = {
    "given_name": fold_given_name,
    "surname": fold_surname,
    "date": fold_date,
    "years": fold_years,
    "sex": fold_sex,
    "postcode": fold_postcode,
    "address": fold_address,
    "identifier": fold_identifier,
    "short_string": fold_short_string,
    "text": fold_short_string,
    "exact": fold_exact,
}
"""How a field of each kind is folded."""
