"""From what a source wrote to the record contract: pure, and no record is lost because of one bad item.

An item that cannot be used is left out and noted as `item: reason`; a record is refused only when nothing is left that
could tell who it is about. Values never appear in notes or reasons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from connectors.raw import (
    RawAddress,
    RawCarer,
    RawContact,
    RawEducation,
    RawIdentifier,
    RawInvolvement,
    RawName,
    RawPerson,
    RawPrimaryCare,
    RawWhereabouts,
)
from ingest.policy import Policy
from ingest.text import (
    Cleaned,
    clean,
    clean_birth_date,
    clean_birth_order,
    clean_code,
    clean_date,
    clean_death_date,
    clean_identifier,
    clean_postcode,
    clean_sex,
    says_no_fixed_abode,
)
from schemas.errors import RejectedError
from schemas.records import PersonRecord

_TEMPORARY_NAME = re.compile(
    r"^(B/O\b.*|(BABY|BABE|INFANT|NEWBORN|UNBORN|TWIN|TRIPLET|BOY|GIRL)"
    r"([ -](BOY|GIRL|OF|MALE|FEMALE|INFANT|ONE|TWO|THREE|[1-4]|[A-D])\b.*)?)$",
    re.IGNORECASE,
)
_TEST_NAME = re.compile(r"^(TEST|ZZ+TEST.*|XX+TEST.*)$", re.IGNORECASE)
_NO_PRACTICE = frozenset({"V81997", "V81998", "V81999"})
_TRUE, _FALSE = frozenset({"true", "1", "y", "yes"}), frozenset({"false", "0", "n", "no"})
_LARGEST = {"names": 20, "identifiers": 20, "carers": 12, "education": 20, "involvements": 40}


@dataclass(frozen=True, slots=True)
class Normalised:
    """A record under the contract, and what was left out of it on the way."""

    person: PersonRecord
    notes: tuple[str, ...]


def normalise(raw: RawPerson, policy: Policy, said_on: date) -> Normalised:
    """Return the record as it stood on `said_on`; raise RejectedError when nothing tells who it is about."""
    return _Normaliser(policy, said_on).run(raw)


def is_in_scope(birth_date: date | None, policy: Policy, said_on: date) -> bool:
    """Tell whether a person is young enough to be kept; the age counts on the day the source said it."""
    if birth_date is None:
        return not policy.needs_birth_date
    had_birthday = (said_on.month, said_on.day) >= (birth_date.month, birth_date.day)
    return said_on.year - birth_date.year - (not had_birthday) < policy.under_age


class _Normaliser:
    """Cleans the items of one record and collects the notes."""

    def __init__(self, policy: Policy, said_on: date) -> None:
        self._policy = policy
        self._said_on = said_on
        self._notes: list[str] = []

    def run(self, raw: RawPerson) -> Normalised:
        """Return the permitted items, cleaned, and notes of what was left out."""
        born, basis, note = clean_birth_date(raw.birth_date or "", self._said_on)
        self._note("birth_date", note)
        died, note = clean_death_date(raw.death_date or "", born, self._said_on)
        self._note("death_date", note)
        items: dict[str, Any] = {
            "names": self._each("names", raw.names, self._name),
            "birth_date": born,
            "birth_date_basis": basis,
            "birth_order": self._birth_order(raw.birth_order or ""),
            "death_date": died,
            "sex": self._take("sex", clean_sex(raw.sex or "")),
            "identifiers": self._identifiers(raw.identifiers or ()),
            "whereabouts": self._whereabouts(raw.whereabouts),
            "carers": self._each("carers", raw.carers, self._carer),
            "education": self._each("education", raw.education, self._education),
            "primary_care": self._primary_care(raw.primary_care),
            "involvements": self._each("involvements", raw.involvements, self._involvement),
            "responsible_authority": self._take(
                "responsible_authority", clean_code(raw.responsible_authority or self._policy.authority)
            ),
        }
        for name in sorted(items.keys() - self._policy.items):
            if items[name]:
                self._note(name, "not this supplier's to give")
            del items[name]
        if not items.get("names") and not items.get("identifiers"):
            raise RejectedError("identity_missing", "neither a name nor an identifier is left after cleaning")
        return Normalised(self._validate(items), tuple(self._notes))

    def _validate(self, items: dict[str, Any]) -> PersonRecord:
        """Validate against the contract; an item that breaks it after all is left out and noted, the others stay."""
        while True:
            try:
                return PersonRecord.model_validate(items)
            except ValidationError as error:
                broken = {str(one["loc"][0]) for one in error.errors(include_input=False, include_url=False)}
                for name in sorted(broken & items.keys()):
                    del items[name]
                    self._note(name, "contract")

    def _note(self, item: str, note: str) -> None:
        if note:
            self._notes.append(f"{item}: {note}")

    def _take(self, item: str, cleaned: Cleaned) -> str | None:
        if cleaned.note:
            self._note(item, cleaned.note)
        return cleaned.value

    def _text(self, item: str, text: str) -> str | None:
        if not text:
            return None
        value = self._take(item, clean(text))
        placeholders = self._policy.placeholders
        return None if placeholders and value is not None and value.upper() in placeholders else value

    def _date(self, item: str, text: str) -> date | None:
        if not text:
            return None
        value, note = clean_date(text)
        self._note(item, note)
        return value

    def _birth_order(self, text: str) -> int | None:
        order, note = clean_birth_order(text)
        self._note("birth_order", note)
        return order

    def _each(self, item: str, raws: tuple[Any, ...] | None, build: Any) -> list[Any]:
        """Build each part of a list item, without empty ones, repeated ones and those above the contract's limit."""
        parts: list[Any] = []
        for raw in raws or ():
            part = build(raw)
            if part is not None and part not in parts:
                parts.append(part)
        if len(parts) > _LARGEST[item]:
            self._note(item, "too_many")
        return parts[: _LARGEST[item]]

    def _name(self, raw: RawName) -> dict[str, Any] | None:
        family, given = self._text("names.family", raw.family), self._text("names.given", raw.given)
        if family is None and given is None:
            return None
        if not self._policy.accept_synthetic and _is_test(family, given):
            raise RejectedError("test_record", "the name is one of a test record (accept_synthetic lets them through)")
        kind = "temporary" if given and _TEMPORARY_NAME.match(given) else raw.kind
        name: dict[str, Any] = {"kind": kind, "family": family, "given": given}
        if raw.middle:
            name["middle"] = self._text("names.middle", raw.middle)
        if raw.start or raw.end:
            name["start"], name["end"] = self._date("names.start", raw.start), self._date("names.end", raw.end)
        return name

    def _identifiers(self, raws: tuple[RawIdentifier, ...]) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for raw in raws:
            scheme, cleaned = clean_identifier(raw.scheme, raw.value, accept_synthetic=self._policy.accept_synthetic)
            value = self._take(f"identifiers.{raw.scheme}", cleaned)
            if value is not None:
                verification = raw.verification if scheme == raw.scheme else "unverified"
                found.setdefault((scheme, value), {"scheme": scheme, "value": value, "verification": verification})
        return [found[key] for key in sorted(found)][: _LARGEST["identifiers"]]

    def _address(self, item: str, raw: RawAddress | None) -> dict[str, Any] | None:
        if raw is None:
            return None
        lines = [line for line in (self._text(item, text) for text in raw.lines) if line is not None][:6]
        town = self._text(item, raw.town)
        synthetic = self._policy.accept_synthetic
        postcode = self._take(f"{item}.postcode", clean_postcode(raw.postcode, accept_synthetic=synthetic))
        if not (lines or town or postcode):
            return None
        address: dict[str, Any] = {"lines": lines, "town": town, "postcode": postcode}
        if raw.uprn:
            uprn = raw.uprn.strip()
            if uprn.isdecimal() and len(uprn) <= 12:
                address["uprn"] = uprn
            else:
                self._note(f"{item}.uprn", "not_a_number")
        return address

    def _whereabouts(self, raw: RawWhereabouts | None) -> dict[str, Any] | None:
        if raw is None or not raw.status:
            return None
        address = self._address("whereabouts", raw.address)
        if address is None:
            homeless = raw.address is not None and says_no_fixed_abode(raw.address.postcode)
            return {"status": "none_known"} if homeless else None
        moment = "end" if raw.status == "last_known" else "start"
        text = raw.end if raw.status == "last_known" else raw.start
        return {"status": raw.status, "address": address, moment: self._date(f"whereabouts.{moment}", text)}

    def _contact(self, item: str, raw: RawContact | None) -> dict[str, Any] | None:
        if raw is None:
            return None
        phones = [phone for phone in (self._telephone(item, text) for text in raw.telephone) if phone][:5]
        email = self._text(f"{item}.email", raw.email)
        if email is not None and "@" not in email:
            self._note(f"{item}.email", "not_an_address")
            email = None
        address = self._address(f"{item}.address", raw.address)
        return {"telephone": phones, "email": email, "address": address} if phones or email or address else None

    def _telephone(self, item: str, text: str) -> str | None:
        number = self._text(f"{item}.telephone", text)
        if number is None or sum(map(str.isdecimal, number)) >= 5:
            return number
        self._note(f"{item}.telephone", "not_a_number")
        return None

    def _carer(self, raw: RawCarer) -> dict[str, Any] | None:
        name = self._name(raw.name)
        if name is None:
            self._note("carers", "no_name")
            return None
        said = raw.parental_responsibility.strip().lower()
        return {
            "name": name,
            "relationship": self._text("carers.relationship", raw.relationship),
            "parental_responsibility": True if said in _TRUE else False if said in _FALSE else None,
            "contact": self._contact("carers.contact", raw.contact),
        }

    def _education(self, raw: RawEducation) -> dict[str, Any] | None:
        institution = self._text("education.institution", raw.institution or raw.institution_code)
        if institution is None:
            return None
        return {
            "institution": institution,
            "institution_code": self._take("education.institution_code", clean_code(raw.institution_code)),
            "contact": self._contact("education.contact", raw.contact),
            "start": self._date("education.start", raw.start),
            "end": self._date("education.end", raw.end),
        }

    def _primary_care(self, raw: RawPrimaryCare | None) -> dict[str, Any] | None:
        if raw is None or raw.practice_code.strip().upper() in _NO_PRACTICE:
            return None
        practice = self._text("primary_care.practice", raw.practice)
        code = self._take("primary_care.practice_code", clean_code(raw.practice_code))
        if practice is None and code is None:
            return None
        start = self._date("primary_care.start", raw.start)
        return {"practice": practice, "practice_code": code, "start": start}

    def _involvement(self, raw: RawInvolvement) -> dict[str, Any] | None:
        service = self._text("involvements.service", raw.service)
        if service is None:
            return None
        return {
            "service": service,
            "organisation": self._text("involvements.organisation", raw.organisation),
            "practitioner": self._text("involvements.practitioner", raw.practitioner),
            "contact": self._contact("involvements.contact", raw.contact),
            "start": self._date("involvements.start", raw.start),
            "end": self._date("involvements.end", raw.end),
            "sensitive": raw.sensitive,
        }


def _is_test(family: str | None, given: str | None) -> bool:
    """Tell whether a name is a test record's: every part of it says so, or one part begins with ZZ and TEST."""
    parts = [part for part in (family, given) if part]
    tests = [bool(_TEST_NAME.match(part)) for part in parts]
    marked = any(test and part.upper() != "TEST" for test, part in zip(tests, parts, strict=True))
    return marked or (len(parts) == 2 and all(tests))
