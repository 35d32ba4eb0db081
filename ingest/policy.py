"""What a feed lets through, as far as it is not in the records themselves."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.suppliers import ALL_ITEMS


@dataclass(frozen=True, slots=True)
class Policy:
    """What a feed lets through: its age limit, its supplier's items, its placeholders, whether test ranges are real.

    `authority` is responsible for a child of whom the record does not say who is.
    """

    under_age: int = 18
    accept_synthetic: bool = False
    needs_birth_date: bool = False
    items: frozenset[str] = ALL_ITEMS
    placeholders: frozenset[str] = frozenset()
    authority: str = ""
