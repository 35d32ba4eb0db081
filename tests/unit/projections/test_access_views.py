"""What people read of the trail: the report to the family, and FHIR's AuditEvent, checked by another library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from projections.access.fhir import audit_event
from projections.access.report import subject_report
from schemas.access import AccessAction, Leaf, Person

CLINIC = Person(user="u-77", role="health", organisation="CLINIC-LEEDS", acr="AAL3", amr=("hwk",))
DESK = Person(user="u-78", role="management_team", organisation="LA-BOLTON")
SECRET = {"child": "1P363AQQSXXVB", "query": {"family": "Moss", "postcode": "ZZ1 1AA"}, "reason": "lives in Leeds now"}


def leaf(**changes: Any) -> Leaf:
    common: dict[str, Any] = {
        "leaf": 7, "entry": 9, "time": datetime(2026, 11, 27, 20, 30, tzinfo=UTC), "action": "opened",
        "decision": "permitted", "who": CLINIC, "purpose": "safeguarding", "fields": ("names", "address"),
        "policy": "p1", "request": "r-1",
    }  # fmt: skip
    return Leaf(**{**common, **changes})


leaves = st.builds(
    leaf,
    action=st.sampled_from(get_args(AccessAction)),
    decision=st.just("permitted"),
    mediator=st.sampled_from([None, DESK]),
    purpose=st.sampled_from([None, "welfare"]),
    results=st.none() | st.integers(0, 50),
)


def test_the_report_says_who_looked_when_why_and_at_what() -> None:
    (line,) = subject_report([leaf(mediator=DESK)], guarded=False)
    assert (line.when, line.what, line.why) == ("2026-11-27 20:30", "record opened", "safeguarding")
    assert line.by == "a practitioner (health) of CLINIC-LEEDS through a practitioner (management team) of LA-BOLTON"
    assert line.items == ("names", "address")


@given(leaves)
def test_the_report_about_a_guarded_child_names_no_organisation_and_no_account(one: Leaf) -> None:
    text = str(subject_report([one], guarded=True))
    assert not any(word in text for word in ("CLINIC-LEEDS", "LA-BOLTON", "u-77", "u-78", "20:30", "address"))


def test_the_report_about_a_shielded_child_does_not_tell_that_there_is_a_shield() -> None:
    lines = subject_report([leaf(action=action) for action in ("opened", "overrode_shield")], guarded=True)
    assert lines[0] == lines[1]
    assert "shield" not in str(lines)


@given(leaves)
def test_no_report_names_an_account(one: Leaf) -> None:
    text = str(subject_report([one], guarded=False))
    assert "u-77" not in text
    assert "u-78" not in text


def test_the_report_has_refused_attempts_and_leaves_out_what_answers_the_family() -> None:
    lines = subject_report(
        [
            leaf(decision="refused", refusal="no_purpose"),
            leaf(action="reported_to_subject"),
            leaf(action="viewed_audit"),
        ],
        guarded=True,
    )
    assert [line.refused for line in lines] == [True]


@given(leaves, st.sampled_from([None, {}, SECRET, {"query": {"family": "Moss"}}]))
def test_every_entry_is_a_valid_fhir_audit_event(one: Leaf, secret: dict[str, Any] | None) -> None:
    made = audit_event(one, secret)
    parsed = AuditEvent.model_validate(made)
    assert len(parsed.agent) == (2 if one.mediator else 1)
    assert parsed.agent[0].requestor is True
    assert ("1P363AQQSXXVB" in str(made)) == (secret is SECRET)


def test_a_fhir_audit_event_says_who_what_and_why_and_holds_neither_record_nor_reason() -> None:
    made = audit_event(leaf(decision="refused", refusal="no_training"), SECRET)
    assert (made["outcome"], made["outcomeDesc"]) == ("8", "no_training")
    assert made["agent"][0]["who"]["identifier"]["value"] == "u-77"
    assert made["purposeOfEvent"][0]["coding"][0]["code"] == "safeguarding"
    assert "Leeds now" not in str(made)
    assert "Moss" not in str(made)  # the terms are base64


@pytest.mark.parametrize(
    ("action", "letter"), [("searched", "E"), ("opened", "R"), ("corrected", "U"), ("logged_in", "E")]
)
def test_fhir_s_action_letter_follows_the_act(action: str, letter: str) -> None:
    assert audit_event(leaf(action=action), None)["action"] == letter
