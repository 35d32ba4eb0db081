"""What can be searched for: the least that must be given, and the form in which the database compares it. Pure."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import date

from projections.directory.entry import fold_name
from schemas.identity import is_child_number

MIN_WILDCARD_LETTERS = 3
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_POSTCODE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9][A-Z]{2})")


class TermsError(ValueError):
    """The terms do not suffice for a search; the message says what is missing and quotes nothing."""


def whole_day(value: object) -> date:
    """Return the day that YYYY-MM-DD names; raise TermsError for anything else, such as a year, a week or seconds."""
    with contextlib.suppress(ValueError):
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    raise TermsError("give the whole date of birth, as YYYY-MM-DD")


@dataclass(frozen=True, slots=True)
class Terms:
    """A search: a child number, or a surname with at least one of forename, date of birth and postcode.

    A name may end in `*` after three letters. Facts: contactpoint-rules.md §2.4.
    """

    surname: str | None = None
    forename: str | None = None
    birth_date: date | None = None
    postcode: str | None = None
    child_number: str | None = None

    def compared(self) -> dict[str, str]:
        """Return the terms as the database compares them; raise TermsError when they do not suffice."""
        if self.child_number is not None:
            return self._number(self.child_number)
        if self.surname is None:
            raise TermsError("give a surname, or a child number alone")
        if not (self.forename or self.birth_date or self.postcode):
            raise TermsError("give a forename, a date of birth or a postcode beside the surname")
        found = _name("surname", self.surname)
        if self.forename is not None:
            found |= _name("forename", self.forename)
        if self.birth_date is not None:
            found["birth_date"] = self.birth_date.isoformat()
        if self.postcode is not None:
            found["postcode"] = _postcode(self.postcode)
        return found

    def audited(self) -> dict[str, str]:
        """Return the terms as they were given, for the audit trail."""
        given = {name: getattr(self, name) for name in self.__slots__}
        return {name: str(value) for name, value in given.items() if value is not None}

    def _number(self, number: str) -> dict[str, str]:
        if self.surname or self.forename or self.birth_date or self.postcode:
            raise TermsError("a child number is searched alone")
        number = number.strip().upper()
        if not is_child_number(number):
            raise TermsError("the child number is misspelt: its check symbol does not fit")
        return {"child_number": number}


def _name(field: str, text: str) -> dict[str, str]:
    begins = text.endswith("*")
    folded = fold_name(text.removesuffix("*"))
    if "*" in text.removesuffix("*") or "?" in text or "%" in text:
        raise TermsError(f"the {field} may have one * at its end and no other wildcard")
    if not folded or (begins and len(folded) < MIN_WILDCARD_LETTERS):
        raise TermsError(f"give at least {MIN_WILDCARD_LETTERS if begins else 1} letters of the {field}")
    return {field: folded} | ({f"{field}_begins": "yes"} if begins else {})


def _postcode(text: str) -> str:
    found = _POSTCODE.fullmatch(" ".join(text.upper().split()))
    if found is None:
        raise TermsError("the postcode is not complete or not one")
    return f"{found[1]} {found[2]}"
