"""The rules of access once more, in Cedar: an oracle that shares nothing with the decision function but the facts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import cedarpy

from projections.service.decision import Participant, Request

# Times are whole seconds; -1 stands for "never". The whole policy is one permit: what it does not allow is denied.
_ELIGIBLE = """
  {who}.bound && {who}.acr == "AAL3"
  && {who}.authenticated >= 0 && {who}.authenticated <= context.now && {who}.authenticated + 43200 >= context.now
  && {who}.known && {who}.active && !{who}.blocked
  && ["social_care", "education_welfare", "school", "further_education", "early_years", "health", "police",
      "youth_offending", "probation", "secure_estate", "careers", "fire", "voluntary", "management_team"]
     .contains({who}.category)
  && {who}.accredited > context.now && {who}.confirmed && {who}.trained > context.now
  && {who}.vetted > context.now && {who}.agreed > context.now
"""
_NO_DEED = """
  !["authorise_disclosure", "disclose", "open_project", "end_project", "request_release", "approve_release",
    "make_release"].contains(context.action)
"""
POLICY = """
permit (principal, action, resource)
when {{ {user} }}
when {{ context.mediated == false || ({mediator} && context.mediator.rights.contains("mediate")
       && context.action != "override" && {no_deed}) }}
when {{
  ["sources", "capabilities"].contains(context.action) || !({no_deed})
  || (["search", "open", "who_else", "changes", "lineage", "override"].contains(context.action)
      && context.reason == "given"
      && (["safeguarding", "welfare"].contains(context.purpose)
          || (context.purpose == "access_to_services"
              && !["police", "youth_offending", "probation", "secure_estate"].contains(context.user.category))
          || (context.purpose == "record_accuracy" && context.user.category == "management_team")))
}}
when {{
  context.pace == "within"
  || (context.pace == "step_up"
      && (if context.mediated then context.mediator.authenticated + 300 >= context.now
          else context.user.authenticated + 300 >= context.now))
}}
when {{
  context.action != "override"
  || (context.user.rights.contains("override_shield")
      && ["social_care", "police", "management_team"].contains(context.user.category)
      && ["immediate_risk", "child_protection_inquiry", "court_order"].contains(context.ground)
      && context.user.authenticated + 300 >= context.now)
}}
when {{
  {no_deed}
  || (context.user.category == "management_team" && context.user.authenticated + 300 >= context.now
      && (if context.action == "authorise_disclosure" then context.user.rights.contains("authorise_disclosure")
          else if context.action == "disclose" then context.user.rights.contains("disclose")
          else if context.action == "approve_release" then context.user.rights.contains("approve_release")
          else context.user.rights.contains("manage_releases")))
}};
""".format(
    no_deed=_NO_DEED, user=_ELIGIBLE.format(who="context.user"), mediator=_ELIGIBLE.format(who="context.mediator")
)


def cedar_permits(requests: Sequence[Request]) -> list[bool]:
    """Return what Cedar says to each request."""
    asked = [
        {
            "principal": 'User::"u"',
            "action": 'Action::"ask"',
            "resource": 'Directory::"d"',
            "context": _context(request),
        }
        for request in requests
    ]
    answers = cedarpy.is_authorized_batch(asked, POLICY, "[]")
    assert not any(answer.diagnostics.errors for answer in answers)
    return [answer.allowed for answer in answers]


def _context(request: Request) -> dict[str, Any]:
    context = {
        "action": str(request.action),
        "now": request.now,
        "purpose": request.purpose or "",
        "reason": str(request.reason),
        "pace": str(request.pace),
        "ground": request.ground or "",
        "user": _facts(request.user),
        "mediated": request.mediator is not None,
        "mediator": _facts(request.mediator or request.user),
    }
    found: dict[str, Any] = json.loads(json.dumps(context))
    return found


def _facts(participant: Participant) -> dict[str, Any]:
    person, session = participant.person, participant.session
    facts: dict[str, Any] = {
        "bound": session.bound,
        "acr": session.acr or "",
        "authenticated": _seconds(session.authenticated_at),
        "known": person is not None,
    }
    times = ("accredited_until", "trained_until", "vetted_until", "agreed_until")
    facts |= {name.removesuffix("_until"): _seconds(getattr(person, name, None)) for name in times}
    facts |= {
        "active": person is not None and person.active,
        "blocked": person is not None and person.blocked,
        "confirmed": person is not None and person.employer_confirmed,
        "category": (person.category if person else None) or "",
        "rights": sorted(person.rights) if person else [],
    }
    return facts


def _seconds(value: int | None) -> int:
    return -1 if value is None else value
