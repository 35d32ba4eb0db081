"""The closed lists of the directory service: who may be a user, for what, and with which further rights.

They are data of the law, not settings. Enforcement, immigration, marketing and age verification are no purposes of the
directory and have no code here; a test refuses one that is added.
"""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """Why a person may look (Children Act 2004 s.12(2): to support the duties of ss.10, 11 and s.175 EA 2002)."""

    SAFEGUARDING = "safeguarding"
    WELFARE = "welfare"
    ACCESS_TO_SERVICES = "access_to_services"  # is the child in education, with a practice, with a service
    RECORD_ACCURACY = "record_accuracy"  # the duty to keep the directory accurate


class Category(StrEnum):
    """Who may be given access (SI 2007/2182 reg. 9 and Schedule 3, as far as the facts could read it)."""

    SOCIAL_CARE = "social_care"
    EDUCATION_WELFARE = "education_welfare"
    SCHOOL = "school"
    FURTHER_EDUCATION = "further_education"
    EARLY_YEARS = "early_years"
    HEALTH = "health"
    POLICE = "police"
    YOUTH_OFFENDING = "youth_offending"
    PROBATION = "probation"
    SECURE_ESTATE = "secure_estate"
    CAREERS = "careers"
    FIRE = "fire"
    VOLUNTARY = "voluntary"
    MANAGEMENT_TEAM = "management_team"


class Right(StrEnum):
    """A right beyond its category's, given to a person by name."""

    MEDIATE = "mediate"
    OVERRIDE_SHIELD = "override_shield"
    AUTHORISE_DISCLOSURE = "authorise_disclosure"
    DISCLOSE = "disclose"
    MANAGE_RELEASES = "manage_releases"
    APPROVE_RELEASE = "approve_release"


class Ground(StrEnum):
    """Why a shield may be overridden."""

    IMMEDIATE_RISK = "immediate_risk"
    CHILD_PROTECTION_INQUIRY = "child_protection_inquiry"  # Children Act 1989 s.47
    COURT_ORDER = "court_order"


_EVERYDAY = frozenset({Purpose.SAFEGUARDING, Purpose.WELFARE, Purpose.ACCESS_TO_SERVICES})
_SAFETY_ONLY = frozenset({Purpose.SAFEGUARDING, Purpose.WELFARE})

# Bodies that also enforce the law are eligible on the footing of safety and welfare alone.
PURPOSES_OF: dict[Category, frozenset[Purpose]] = dict.fromkeys(Category, _EVERYDAY) | {
    Category.POLICE: _SAFETY_ONLY,
    Category.YOUTH_OFFENDING: _SAFETY_ONLY,
    Category.PROBATION: _SAFETY_ONLY,
    Category.SECURE_ESTATE: _SAFETY_ONLY,
    Category.MANAGEMENT_TEAM: frozenset(Purpose),
}

# Rights by which things leave the directory; its management teams decide.
LETTING_OUT = (Right.AUTHORISE_DISCLOSURE, Right.DISCLOSE, Right.MANAGE_RELEASES, Right.APPROVE_RELEASE)

# Whose staff may hold a right; to override a shield, those with child protection duties.
HOLDERS: dict[Right, frozenset[Category]] = {
    Right.MEDIATE: frozenset(Category),
    Right.OVERRIDE_SHIELD: frozenset({Category.SOCIAL_CARE, Category.POLICE, Category.MANAGEMENT_TEAM}),
    **dict.fromkeys(LETTING_OUT, frozenset({Category.MANAGEMENT_TEAM})),
}
