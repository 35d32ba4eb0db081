"""Who may supply what: the bodies that the law names, whether they must or may, and the items that are theirs to give.

Sources: Children Act 2004 s. 12(7) to (9), SI 2007/2182 reg. 11 and Schedules 4 and 5, as far as
`facts/contactpoint-rules.md` §1.5 could read them. Where the law is silent the item lists are our own choice: what the
body knows from its own work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from schemas.records import PersonRecord

_WHO = frozenset(("names", "birth_date", "birth_date_basis", "sex"))
_CORE = _WHO | {"identifiers", "whereabouts", "carers", "responsible_authority"}
ALL_ITEMS: frozenset[str] = frozenset(PersonRecord.model_fields)


@dataclass(frozen=True, slots=True)
class Supplier:
    """A kind of body: its duty and the law behind it, the formats it sends, and the items that it may give."""

    duty: Literal["must", "may"]
    law: str
    connectors: frozenset[str]
    items: frozenset[str]


SUPPLIERS: Mapping[str, Supplier] = MappingProxyType(
    {
        "maintained_school": Supplier(
            "must",
            "Children Act 2004 s. 12(7); SI 2007/2182 Sch. 4",
            frozenset(("ctf",)),
            _CORE | {"education", "involvements", "death_date"},
        ),
        "independent_school": Supplier(
            "must",
            "Children Act 2004 s. 12(7); SI 2007/2182 Sch. 4: name, address, gender, date of birth, parent",
            frozenset(("ctf",)),
            _CORE | {"education"},
        ),
        "nhs_body": Supplier(
            "must",
            "Children Act 2004 ss. 11(1), 12(7); SI 2007/2182 Sch. 4",
            frozenset(("hl7_adt",)),
            _CORE | {"birth_order", "primary_care", "involvements", "death_date"},
        ),
        "youth_offending_team": Supplier(
            "must",
            "Children Act 2004 ss. 11(1), 12(7); SI 2007/2182 Sch. 4",
            frozenset(("yot_csv",)),
            _CORE | {"involvements"},
        ),
        "voluntary_organisation": Supplier(
            "may",
            "Children Act 2004 s. 12(8); SI 2007/2182 Sch. 5",
            frozenset(("yot_csv",)),
            _CORE | {"involvements"},
        ),
        "border_agency": Supplier(
            "may",
            "Children Act 2004 s. 12(9), by the Secretary of State",
            frozenset(("paxlst",)),
            _WHO,
        ),
    }
)

USUAL: Mapping[str, str] = MappingProxyType(
    {
        "ctf": "maintained_school",
        "hl7_adt": "nhs_body",
        "yot_csv": "youth_offending_team",
        "paxlst": "border_agency",
    }
)
"""The supplier that a feed of this connector is from when its file does not say."""


def suppliers_of(connector: str) -> list[str]:
    """Return the kinds of body that send this connector's format."""
    return sorted(name for name, supplier in SUPPLIERS.items() if connector in supplier.connectors)
