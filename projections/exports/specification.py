"""What a release may consist of: closed lists of columns, purposes and recipients, and the file that asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.records import Code

Purpose = Literal["statistics", "research"]
Column = Literal["sex", "age_stage", "age_five_years", "authority", "whereabouts", "in_education", "has_practice"]

QUASI_IDENTIFIERS: frozenset[Column] = frozenset(("sex", "age_stage", "age_five_years", "authority"))
"""What somebody may know of a child already; records are told apart by these, so every combination needs k children."""

RECIPIENTS: Mapping[str, str] = MappingProxyType(
    {
        "office-for-national-statistics": "official statistics",
        "department-for-education-statistics": "official statistics of education",
        "accredited-research-environment": "research in a safe setting, Digital Economy Act 2017 part 5",
    }
)
"""The only places that a release goes to. There is no register of identities among them, and none may be added."""

MINIMUM_CLASS = 10
MINIMUM_VALUES = 2


class ReleaseSpec(BaseModel):
    """One release that somebody asks for. `k`, `l` may be stricter than the law of the house, never laxer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Code
    kind: Literal["counts", "records"]
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=4)]
    as_of: date
    expires: date
    k: Annotated[int, Field(ge=MINIMUM_CLASS)] = MINIMUM_CLASS
    l: Annotated[int, Field(ge=MINIMUM_VALUES)] = MINIMUM_VALUES  # noqa: E741 - the measure's own name

    @model_validator(mode="after")
    def _columns_make_sense(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise PydanticCustomError("columns_named_twice", "columns: each may be named once")
        if {"age_stage", "age_five_years"} <= set(self.columns):
            says = "columns: age_stage and age_five_years together make narrower ages than either"
            raise PydanticCustomError("ages_too_narrow", says)
        if self.expires <= self.as_of:
            raise PydanticCustomError("expires_before_as_of", "expires: must be after as_of")
        return self

    @property
    def quasi_identifiers(self) -> tuple[Column, ...]:
        """The columns that records are told apart by."""
        return tuple(column for column in self.columns if column in QUASI_IDENTIFIERS)

    @property
    def sensitive(self) -> tuple[Column, ...]:
        """The columns that say something about a child which the reader did not know."""
        return tuple(column for column in self.columns if column not in QUASI_IDENTIFIERS)
