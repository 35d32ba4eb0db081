"""The FHIR R4 view: a record as a `Patient`, a search's answer as a `Bundle`, and the terms of a `$match`. Pure.

Purpose and reason come in headers, because a FHIR request has no place for them. `Patient.id` is a name for an address
that says nothing and ends after a quarter of an hour; the child number is an identifier.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from projections.service.terms import Terms, TermsError, whole_day

NUMBER_SYSTEM = "https://contactpoint.example/fhir/child-number"
_USES = {"legal": "official", "preferred": "usual", "former": "old", "alias": "nickname", "temporary": "temp"}
_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_JSON = {"json", "text/json", "application/json", "application/fhir+json", "application/*", "*/*"}
_R4 = {"4.0", "4.0.1"}
_NEEDED = (
    "Each request needs a token of the OpenID provider that is bound to the client, and the headers X-Purpose-Of-Use "
    "(a code of the list) and X-Reason (why, in at least ten characters). A Patient is found by $match only; its id is "
    "good for a quarter of an hour, and for whoever found it."
)
_GENDERS = {"female": "female", "male": "male"}  # what is not specified, or not known, is "unknown"


def takes_json(wanted: str) -> bool:
    """Tell whether JSON of R4 is among the media types of an `Accept`, or is what a `_format` names.

    Source: https://hl7.org/fhir/R4/http.html#mime-type. Nothing said is anything. In an address a plus may be a
    space.
    """
    return not wanted.strip() or any(_is_json(each) for each in wanted.lower().split(","))


def _is_json(media_range: str) -> bool:
    kind, *given = (part.strip() for part in media_range.split(";"))
    said = dict(each.partition("=")[::2] for each in given)
    refused = said.get("q", "1").strip("0.") == ""
    return kind.replace(" ", "+") in _JSON and not refused and said.get("fhirversion", "4.0") in _R4


def patient(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as a Patient, with this id."""
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": NUMBER_SYSTEM, "value": record["child_number"]}],
        "name": [_name(_value(item)) for item in record.get("names", [])],
        "gender": _GENDERS.get(str(_value(record.get("sex"))), "unknown"),
        "birthDate": (_value(record.get("birth_date")) or {}).get("date"),
        "deceasedDateTime": _value(record.get("death_date")),
        "address": _address(_value(record.get("whereabouts"))),
        "contact": [_carer(_value(item)) for item in record.get("carers", [])],
        "generalPractitioner": _practice(_value(record.get("primary_care"))),
    }
    if record.get("shielded"):
        found["meta"] = {"security": [{"system": _CONFIDENTIALITY, "code": "R"}]}
    return _filled(found)


def found_patient(name: str, child: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a search shows of a child as a Patient."""
    record = {
        "child_number": child["child_number"],
        "names": [child["name"]] if child["name"] else [],
        "sex": child["sex"],
        "birth_date": {"date": child["birth_date"]},
    }
    return patient(name, record)


def bundle(names: Sequence[str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a search's answer as a searchset, best first and without scores; nothing in it when it was too wide."""
    grade = "certain" if answer.get("matched") == "exact" else "possible"
    children = answer.get("children", [])
    entries = [
        {
            "resource": found_patient(name, child),
            "search": {"extension": [{"url": _GRADE, "valueCode": grade}], "mode": "match"},
        }
        for name, child in zip(names, children, strict=True)
    ]
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    if answer.get("refine"):
        entries = [{"resource": _too_many(), "search": {"mode": "outcome"}}]
    return found | ({"entry": entries} if entries else {})


def match_terms(parameters: Mapping[str, Any]) -> Terms:
    """Return the terms of a `$match`; raise TermsError when its parameters hold no Patient that could be read."""
    given = _parameter(parameters)
    names, addresses, identifiers = (given.get(part, []) for part in ("name", "address", "identifier"))
    if not all(isinstance(part, list) for part in (names, addresses, identifiers)):
        raise TermsError("the Patient cannot be read")
    name = _first(names)
    forenames = name.get("given", [])
    number = _first([each for each in identifiers if isinstance(each, dict) and each.get("system") == NUMBER_SYSTEM])
    return Terms(
        surname=_text(name.get("family")),
        forename=_text(forenames[0] if isinstance(forenames, list) and forenames else None),
        birth_date=None if given.get("birthDate") is None else whole_day(given["birthDate"]),
        postcode=_text(_first(addresses).get("postalCode")),
        child_number=_text(number.get("value")),
    )


class Wish(NamedTuple):
    """How a `$match` is to be answered: only what fits exactly, and at most so many."""

    certain: bool = False
    most: int = sys.maxsize


def match_wish(parameters: Mapping[str, Any]) -> Wish:
    """Return what the parameters beside the Patient say; raise TermsError for one that is not understood."""
    given = {str(each.get("name")): each for each in parameters.get("parameter", []) if isinstance(each, dict)}
    certain = given.get("onlyCertainMatches", {}).get("valueBoolean", False)
    count = given.get("count", {}).get("valueInteger", sys.maxsize)
    if not {*given} <= {"resource", "onlyCertainMatches", "count"} or type(certain) is not bool:
        raise TermsError("a $match takes `resource`, `onlyCertainMatches` and `count`, and nothing else")
    if type(count) is not int or count < 1:
        raise TermsError("`count` is a whole number from 1")
    return Wish(certain, count)


def capabilities(base_url: str, when: str) -> dict[str, Any]:
    """Return the CapabilityStatement: one resource, read and matched."""
    match = {"name": "match", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-match"}
    resource = {"type": "Patient", "interaction": [{"code": "read"}], "operation": [match]}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": when,
        "kind": "instance",
        "implementation": {"description": "ContactPoint directory service", "url": f"{base_url}/fhir/R4"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "documentation": _NEEDED, "resource": [resource]}],
    }


def _parameter(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    listed = parameters.get("parameter")
    for each in listed if isinstance(listed, list) else []:
        resource = each.get("resource") if isinstance(each, dict) and each.get("name") == "resource" else None
        if isinstance(resource, dict) and resource.get("resourceType") == "Patient":
            return resource
    raise TermsError("give Parameters with a Patient as its `resource`")


def _first(items: list[Any]) -> dict[str, Any]:
    return items[0] if items and isinstance(items[0], dict) else {}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 100 or not value.isprintable():
        raise TermsError("a term is not a text of 1 to 100 characters")
    return value.strip()


def _value(item: Any) -> Any:
    """Return what an item says: a sourced one holds it in `value`, one behind a shield is it."""
    return item["value"] if isinstance(item, dict) and set(item) == {"value", "source"} else item


def _name(name: Mapping[str, Any]) -> dict[str, Any]:
    given = [part for part in (name.get("given"), name.get("middle")) if part]
    return _filled({"use": _USES.get(str(name.get("kind", "legal"))), "family": name.get("family"), "given": given})


def _address(where: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    address = (where or {}).get("address")
    if where is None or not address:
        return []
    shown = {
        "use": "home" if where["status"] == "current" else "old",
        "line": address.get("lines"),
        "city": address.get("town"),
        "postalCode": address.get("postcode"),
    }
    return [_filled(shown)]


def _carer(carer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a carer as a contact; behind a shield a carer is a name and no more."""
    contact = carer.get("contact") or {}
    phones = [{"system": "phone", "value": number} for number in contact.get("telephone", [])]
    mails = [{"system": "email", "value": contact["email"]}] if contact.get("email") else []
    relationship = [{"text": carer["relationship"]}] if carer.get("relationship") else []
    name = carer.get("name", carer)
    return _filled({"relationship": relationship, "name": _name(name), "telecom": phones + mails})


def _practice(care: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [{"display": care["practice"]}] if care and care.get("practice") else []


def _too_many() -> dict[str, Any]:
    issue = {"severity": "warning", "code": "too-costly", "details": {"text": "Too many children fit: refine."}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _filled(found: dict[str, Any]) -> dict[str, Any]:
    """Return it without what is empty: FHIR has no nulls and no empty lists."""
    return {name: value for name, value in found.items() if value not in (None, [], {}, "")}
