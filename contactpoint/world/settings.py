"""What a simulated world is made of: how many children, what happens to them, who records them, and how badly."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0.0, le=1.0)]

_CHILDREN_IN_AN_AUTHORITY = 10_000
_MOST_AUTHORITIES = 150


class Part(BaseModel):
    """Base of the settings: frozen, and closed to names that are not settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LifeRates(Part):
    """Shares of households (or births, or children) that something happens to.

    `house_moves`, `name_changes` and `schools_changed` happen during the simulated months, the others are lasting
    facts. `other_authority` is the share of moves that cross a border, `looked_after` the share of children in a
    placement with foster carers, `cousins` the share of households with a cousin family of the same surname, of which
    `same_name_cousins` have a child of the same forename and nearly the same age.
    """

    twins: Rate = 0.016
    triplets: Rate = 0.0006
    alike_twin_names: Rate = 0.15
    house_moves: Rate = 0.10
    other_authority: Rate = 0.25
    name_changes: Rate = 0.02
    schools_changed: Rate = 0.03
    two_homes: Rate = 0.07
    looked_after: Rate = 0.008
    half_siblings: Rate = 0.05
    double_barrelled: Rate = 0.06
    cousins: Rate = 0.03
    same_name_cousins: Rate = 0.15


class Coverage(Part):
    """Shares of the children that a kind of source knows; the ages each is responsible for are in `registers.py`."""

    schools: Rate = 0.94
    nurseries: Rate = 0.35
    health: Rate = 0.97
    specialist_trust: Rate = 0.06
    duplicates_in_health: Rate = 0.012
    yot: Rate = 0.05
    eborders: Rate = 0.10


class MistakeRates(Part):
    """Shares of records whose source got an item wrong; each source multiplies them (see `mistakes.py`)."""

    given_name: Rate = 0.09
    family_name: Rate = 0.055
    birth_date: Rate = 0.025
    sex: Rate = 0.008
    postcode: Rate = 0.050
    address: Rate = 0.040
    identifier_missing: Rate = 0.06
    identifier_wrong: Rate = 0.008
    late_to_learn: Rate = 0.15
    corrected: Rate = 0.40


class Delivery(Part):
    """How the files misbehave: shares of messages sent again or late, and broken items in each feed."""

    repeated: Rate = 0.02
    late: Rate = 0.01
    deleted: Rate = 0.004
    broken_items: int = Field(default=2, ge=0, le=50)


class WorldSettings(Part):
    """One world: equal settings make equal bytes, whoever simulates them and whenever.

    `as_of` is the day of the last of `extracts` deliveries, which are `days_between` days apart.
    """

    children: int = Field(default=2000, ge=1, le=5_000_000)
    seed: int = Field(default=1, ge=0)
    as_of: date = date(2026, 11, 2)
    extracts: int = Field(default=3, ge=1, le=12)
    days_between: int = Field(default=60, ge=1, le=365)
    life: LifeRates = LifeRates()
    coverage: Coverage = Coverage()
    mistakes: MistakeRates = MistakeRates()
    delivery: Delivery = Delivery()

    @property
    def authorities(self) -> int:
        """How many local authorities the children live in."""
        return min(_MOST_AUTHORITIES, max(2, round(self.children / _CHILDREN_IN_AN_AUTHORITY)))

    @property
    def dates(self) -> tuple[date, ...]:
        """The days of the deliveries, in order."""
        return tuple(self.as_of - timedelta(days=self.days_between * back) for back in range(self.extracts - 1, -1, -1))
