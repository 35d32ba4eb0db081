"""Why people decide, as closed lists of codes: there is no place for free text, so none for a story about a child."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from schemas.errors import RejectedError

REASONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "decision.must_link": {
            "same_address_and_school": "the same address and the same school",
            "identifier_confirmed": "the body that gave a number confirms it for both",
            "source_confirmed": "a source confirms that both are one child",
            "name_changed": "the name changed, and a source says so",
            "moved": "the family moved, and a source says so",
            "typing_error": "they differ by a slip of the keyboard only",
            "family_confirmed": "the family confirms it",
        },
        "decision.cannot_link": {
            "twins": "twins or triplets",
            "siblings": "siblings, not born together",
            "namesakes": "two children of one name",
            "parent_and_child": "a parent and a child",
            "identifier_of_another": "a number was taken from another child",
            "source_confirmed": "a source confirms that they are two children",
            "family_confirmed": "the family confirms it",
        },
        "decision.retracted": {
            "mistaken": "it was a mistake",
            "new_evidence": "there is new evidence",
            "source_corrected": "the source corrected its record",
            "threat_ended": "the threat for which a child was shielded has ended",
            "set_in_error": "it was never meant for this child",
            "ordered": "a court or an authority ordered it",
        },
        "decision.severed": {
            "adoption": "the child was adopted",
            "new_identity": "the child has a new identity by law",
            "witness_protection": "the child is under protection",
        },
        "shield.set": {
            "threat": "a threat to the child or the family",
            "domestic_violence": "domestic violence",
            "adoption": "an adoption",
            "witness_protection": "protection of a witness",
            "ordered": "a court or an authority ordered it",
            "public_figure": "a family in the public eye",
        },
        "correction.made": {
            "certificate": "a certificate or another official document was seen",
            "subject_asked": "the child or a parent asked, and it was checked",
            "source_wrong": "a source is wrong and does not correct it",
            "ordered": "a court or an authority ordered it",
            "statement": "a body that works with the child states it",
        },
        "consent.given": {
            "asked_child": "the child was asked and understands",
            "asked_parent": "a parent was asked, because the child cannot judge",
        },
        "consent.withdrawn": {
            "child_asked": "the child asked",
            "parent_asked": "a parent asked",
            "no_longer_held": "it was found not to be held any more",
        },
        "harm.recorded": {
            "significant_harm": "reasonable cause to suspect significant harm (Children Act 1989, s. 31)"
        },
        "authority.assumed": {
            "moved": "the child moved, and both authorities agree",
            "allocated": "it was allocated",
            "placed": "the child was placed by another authority",
        },
        "model.activated": {
            "retrained": "trained again on newer records",
            "more_accurate": "more accurate on the same records",
            "fault_corrected": "the one before had a fault",
            "return_to_former": "back to the one before",
        },
    }
)
"""Event type to code to words."""


def check_reason(event_type: str, code: str, among: Mapping[str, Mapping[str, str]] = REASONS) -> str:
    """Return the code; raise RejectedError that lists the known ones for this kind of event."""
    known = among.get(event_type, {})
    if code not in known:
        raise RejectedError("reason_unknown", f"unknown reason {code!r} for {event_type}; known: {', '.join(known)}")
    return code
