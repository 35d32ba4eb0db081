"""An entry of the trail as a FHIR R4 `AuditEvent` (http://hl7.org/fhir/R4/auditevent.html), after IHE BALP.

BALP's rules are kept: one event a patient, no content of the record, the query's terms base64 in `entity.query` and
only for who may unseal them. A mediated access has two agents.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from schemas.access import AccessAction, Leaf, Person

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_OURS = "https://contactpoint.example/fhir/"
_SEARCHES: frozenset[AccessAction] = frozenset({"searched", "viewed_audit"})
_LOGINS: Mapping[AccessAction, tuple[str, str]] = {"logged_in": ("110122", "Login"), "logged_out": ("110123", "Logout")}
_CHANGES: frozenset[AccessAction] = frozenset({"corrected", "changed_rights", "suspended_account", "restored_account"})


def audit_event(leaf: Leaf, secret: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the resource as JSON-like values; `secret` is what was unsealed, None or empty to leave it out."""
    refused = leaf.decision == "refused"
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"leaf-{leaf.leaf}",
        "type": _type(leaf.action),
        "subtype": [{"system": f"{_OURS}access-action", "code": leaf.action}],
        "action": _action(leaf.action),
        "recorded": leaf.time.isoformat(),
        "outcome": "8" if refused else "0",  # serious failure: the request was not carried out
        "agent": [_agent(leaf.who, requestor=True), *([_agent(leaf.mediator)] if leaf.mediator else [])],
        "source": {"observer": {"display": "ContactPoint directory service"}, "type": [_application_server()]},
    }
    if refused:
        event["outcomeDesc"] = leaf.refusal
    if leaf.purpose:
        event["purposeOfEvent"] = [{"coding": [{"system": f"{_OURS}purpose", "code": leaf.purpose}]}]
    entities = _entities(leaf, secret or {})
    return event | ({"entity": entities} if entities else {})


def _type(action: AccessAction) -> dict[str, str]:
    if action in _LOGINS:
        return {"system": _DCM, "code": "110114", "display": "User Authentication"}
    return {"system": _TYPES, "code": "rest", "display": "RESTful Operation"}


def _action(action: AccessAction) -> str:
    if action in _SEARCHES or action in _LOGINS:
        return "E"
    return "U" if action in _CHANGES else "D" if action == "destroyed_keys" else "R"


def _agent(person: Person, *, requestor: bool = False) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _DCM, "code": "110153", "display": "Source Role ID"}]},
        "role": [{"coding": [{"system": f"{_OURS}role", "code": person.role}]}],
        "who": {
            "identifier": {
                "system": f"{_OURS}user",
                "value": person.user,
                "assigner": {"display": person.organisation},
            }
        },
        "requestor": requestor,
    }


def _entities(leaf: Leaf, secret: Mapping[str, Any]) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    if "child" in secret:
        number = {"identifier": {"system": f"{_OURS}child-number", "value": secret["child"]}}
        fields = [{"type": "fields", "valueString": ",".join(leaf.fields)}] if leaf.fields else []
        entities.append(
            _entity("1", "Person", "1", "Patient") | {"what": number} | ({"detail": fields} if fields else {})
        )
    if "query" in secret:
        terms = base64.b64encode(orjson.dumps(secret["query"], option=orjson.OPT_SORT_KEYS)).decode()
        entities.append(_entity("2", "System Object", "24", "Query") | {"query": terms})
    request = {"identifier": {"system": f"{_OURS}request", "value": leaf.request}}
    return [*entities, _entity("4", "Other", "26", "Processing Element") | {"what": request}]


def _entity(kind: str, kind_name: str, role: str, role_name: str) -> dict[str, Any]:
    return {
        "type": {"system": _ENTITY, "code": kind, "display": kind_name},
        "role": {"system": _ROLE, "code": role, "display": role_name},
    }


def _application_server() -> dict[str, str]:
    system = "http://terminology.hl7.org/CodeSystem/security-source-type"
    return {"system": system, "code": "4", "display": "Application Server"}
