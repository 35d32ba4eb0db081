"""What may be seen of a shielded child: regulation 6(6) of SI 2007/2182 (`facts/contactpoint-rules.md` §2.5)."""

from __future__ import annotations

VISIBLE_UNDER_SHIELD = frozenset({"given", "surname", "birth_date", "sex", "carer"})
"""The fields of linkage that a shield leaves to be seen: name, date of birth, gender, the names of the carers.

A list of what is visible, not of what is hidden: a field that is added later is hidden until somebody decides.
"""
