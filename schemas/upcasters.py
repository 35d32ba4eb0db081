"""Upcasters: pure steps that lift an event written under an old schema version to the next one, on read.

Stored events are never rewritten. A change to an event's shape adds a version, a golden example of it that is kept for
ever, and one upcaster from the version before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.catalogue import CURRENT_VERSIONS
from schemas.errors import RejectedError

Document = dict[str, Any]
Upcaster = Callable[[Document], Document]


def identity_v1_v2(document: Document) -> Document:
    """Version 1 knew neither held children nor decisions: nobody was held and nobody had decided."""
    return document | {"data": document["data"] | {"held": False, "conflicts": [], "decisions": []}}


def erasure_v1_v2(document: Document) -> Document:
    """Version 1 named records alone."""
    return document | {"data": document["data"] | {"child_numbers": [], "decisions": []}}


def record_observed_v1_v2(document: Document) -> Document:
    """Version 1 had no place for the birth order: nothing is known of it."""
    return document


def correction_v1_v2(document: Document) -> Document:
    """Version 1 had no place for deaths: it corrected none."""
    return document


# (event type, version it lifts from) -> step.
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    **{(f"identity.{kind}", 1): identity_v1_v2 for kind in ("created", "changed", "merged", "split", "retired")},
    ("erasure.ordered", 1): erasure_v1_v2,
    ("record.observed", 1): record_observed_v1_v2,
    ("correction.made", 1): correction_v1_v2,
}


def upcast(
    document: Document,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    current_versions: Mapping[str, int] = CURRENT_VERSIONS,
) -> Document:
    """Return the document at its type's current version; raise RejectedError for an unknown type or version."""
    event_type, version = document.get("event_type"), document.get("schema_version")
    if not isinstance(event_type, str) or event_type not in current_versions:
        raise RejectedError("event_type_unknown", "the event's type is not known to this release")
    current = current_versions[event_type]
    if not isinstance(version, int) or not 1 <= version <= current:
        raise RejectedError("schema_version_unknown", f"{event_type} has versions 1 to {current} in this release")
    for step in range(version, current):
        document = upcasters[event_type, step](document) | {"schema_version": step + 1}
    return document
