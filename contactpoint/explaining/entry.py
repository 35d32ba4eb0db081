"""A directory entry as lines for a person: what is known, who works with the child, and which event says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
_RETURN = {"yes": "means to return", "no": "does not mean to return", "unknown": "not known whether to return"}


def entry_lines(entry: Document) -> list[dict[str, str]]:
    """Return one row a fact: what it is, what is said, by which kind of source, as of when and in which event."""
    if entry.get("shielded"):
        entry = _with_no_source(entry)
    sources = entry["sources"]
    rows: list[tuple[str, str, Document]] = []
    rows += [(f"{one['value']['kind']} name", _name(one["value"]), one) for one in entry.get("names", ())]
    rows += _one(entry, "birth_date", "born", _birth_date)
    rows += _one(entry, "sex", "sex", lambda value: str(value).replace("_", " "))
    rows += _one(entry, "whereabouts", "lives", _whereabouts)
    rows += [("carer", _carer(one["value"]), one) for one in entry.get("carers", ())]
    rows += [("school", _education(one["value"]), one) for one in entry.get("education", ())]
    rows += _one(entry, "primary_care", "GP practice", _practice)
    rows += [("service", _involvement(one["value"]), one) for one in entry.get("involvements", ())]
    rows += [("lead professional", _holder(one["value"]), one) for one in entry.get("lead_professional", ())]
    rows += [("assessment held by", _holder(one["value"]), one) for one in entry.get("assessment", ())]
    rows += _one(entry, "death_date", "died", str)
    rows += _one(entry, "responsible_authority", "responsible authority", lambda value: str(value["code"]))
    return [{"what": what, "said": said, **_source(sources[one["source"]])} for what, said, one in rows]


def _one(entry: Document, field: str, what: str, text: Any) -> list[tuple[str, str, Document]]:
    found = entry.get(field)
    return [(what, text(found["value"]), found)] if found else []


def _source(source: Document) -> dict[str, str]:
    return {"source": source["kind"], "as of": source.get("as_of", ""), "event": source["event"]}


def _with_no_source(entry: Document) -> Document:
    """Return what is to be seen of a shielded child in the form of an entry."""
    lists: dict[str, list[Any]] = {"names": entry.get("names", []), "carers": []}
    lists["carers"] = [{"name": name} for name in entry.get("carers", ())]
    items: dict[str, Any] = {field: [{"value": one, "source": 0} for one in found] for field, found in lists.items()}
    items |= {field: {"value": entry[field], "source": 0} for field in ("sex", "birth_date") if field in entry}
    return {"sources": [{"event": "", "kind": "shielded"}], **items}


def _name(name: Document) -> str:
    return _words(name.get("given"), name.get("middle"), name.get("family"))


def _birth_date(value: Document) -> str:
    return _words(value["date"], "" if value["basis"] == "stated" else f"({value['basis']})")


def _whereabouts(value: Document) -> str:
    if value["status"] == "left_england":
        return f"left England, {_RETURN[value['intends_return']]}"
    if "address" not in value:
        return "address withheld" if value["status"] == "withheld" else "no address known"
    return ("last known: " if value["status"] == "last_known" else "") + _address(value["address"])


def _address(address: Document) -> str:
    return ", ".join(part for part in [*address.get("lines", ()), address.get("town"), address.get("postcode")] if part)


def _carer(carer: Document) -> str:
    responsible = "parental responsibility" if carer.get("parental_responsibility") else None
    return _listed(_name(carer["name"]), carer.get("relationship"), responsible, _contact(carer))


def _education(place: Document) -> str:
    return _listed(place["institution"], place.get("institution_code"), _dates(place), _contact(place))


def _practice(practice: Document) -> str:
    return _listed(practice.get("practice"), practice.get("practice_code"), _dates(practice), _contact(practice))


def _involvement(service: Document) -> str:
    return _listed(_holder(service), _dates(service), _contact(service))


def _holder(holder: Document) -> str:
    return _listed(holder["service"], holder.get("organisation"), holder.get("practitioner"))


def _contact(holder: Document) -> str | None:
    contact = holder.get("contact") or {}
    return _listed(*contact.get("telephone", ()), contact.get("email")) or None


def _dates(period: Document) -> str | None:
    start, end = period.get("start"), period.get("end")
    return _words(f"from {start}" if start else None, f"to {end}" if end else None) or None


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _listed(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)
