"""The bodies of requests and answers, as the OpenAPI document describes them. Requests are closed to unknown fields."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from projections.service.decision import STEP_UP_SECONDS
from projections.service.terms import whole_day

Day = Annotated[date, BeforeValidator(whole_day)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
_NO_CONTROL = r"^[^\x00-\x1f]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_NO_CONTROL)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{12}[0-9A-HJKMNP-TV-Z*~$=U]$")]
Reason = Annotated[str, StringConstraints(max_length=500, pattern=_NO_CONTROL)]


class Body(BaseModel):
    """A request's body: why the person asks, in a code from the closed list and in their own words."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    purpose: Word = Field(description="One of: safeguarding, welfare, access_to_services, record_accuracy.")
    reason: Reason = Field(description="Why, in at least ten characters. It is kept in the audit trail.")


class SearchBody(Body):
    """A child number alone, or a surname with a forename, a date of birth or a postcode; a name may end in `*`."""

    surname: Name | None = None
    forename: Name | None = None
    birth_date: Day | None = None
    postcode: Annotated[str, StringConstraints(max_length=10)] | None = None
    child_number: Annotated[str, StringConstraints(max_length=20)] | None = None


class ChildBody(Body):
    """One child, by its child number."""

    child_number: Number


class ChangesBody(ChildBody):
    """One child, and the cursor of an earlier answer; without it the answer only starts one."""

    cursor: Annotated[str, StringConstraints(max_length=200)] | None = None


class OverrideBody(ChildBody):
    """An override of a shield: its ground, and that the person was warned that it will be investigated."""

    ground: Word = Field(description="One of: immediate_risk, child_protection_inquiry, court_order.")
    investigation_acknowledged: Literal[True] = Field(
        description=f"An override opens an investigation; log in again at most {STEP_UP_SECONDS} seconds before it."
    )


class Answer(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChildName(BaseModel):
    """A name as its source writes it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    family: str | None = None
    given: str | None = None


class FoundChild(Answer):
    """What a search shows of a child: the same items for every child."""

    child_number: str
    name: ChildName | None
    sex: str | None
    birth_date: date | None


class SearchAnswer(Answer):
    """The children that fit, best first; or `refine` when there are too many, and then none of them."""

    children: list[FoundChild] = []
    matched: Literal["exact", "near", "none"] = "none"
    refine: bool = False


class RecordAnswer(Answer):
    """The record, each item with its source; or the numbers that took this one's place; or neither: nobody has it."""

    record: dict[str, Any] | None = None
    successors: list[str] = []


class ChangesAnswer(Answer):
    """The parts of the record that changed since the cursor, and the cursor from now on.

    No cursor: the record is not shown any more, and every part that was shown has changed.
    """

    changed: list[str] = []
    cursor: str | None = None
    successors: list[str] = []


class LineageStep(Answer):
    """One step: merged, split or retired, when, and into which numbers."""

    kind: str
    successors: list[str]
    causes: list[str]
    decided_at: str


class LineageAnswer(Answer):
    """What became of a child number, newest step first, and the numbers that have its records now."""

    child_number: str
    current: list[str]
    steps: list[LineageStep]


class SourceFreshness(Answer):
    """When the directory last took something in from a source."""

    source: str
    newest: str | None
    age_seconds: int | None


class SourcesAnswer(Answer):
    """How fresh the directory is."""

    sources: list[SourceFreshness]


class ErrorDetail(BaseModel):
    """What is wrong, as a code and in words; never with what was sent."""

    model_config = ConfigDict(frozen=True, extra="allow")

    code: str
    message: str


class ErrorAnswer(Answer):
    """An error."""

    error: ErrorDetail
