"""The bodies of requests and answers of the approvals service. Requests are closed to unknown fields."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from projections.disclosures.rules import GATEWAYS, ITEMS, LONGEST, PROPORTIONALITY, Ask
from projections.exports.specification import RECIPIENTS, Purpose, ReleaseSpec
from projections.service.models import Answer, Number, Word
from schemas.access import Name
from schemas.records import Code

_CLOSED = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)


def _one_of(codes: Iterable[str]) -> str:
    return f"One of: {', '.join(sorted(codes))}."


class Body(BaseModel):
    """A request's body."""

    model_config = _CLOSED


class AuthoriseBody(Body):
    """One disclosure of one child: to whom, under which gateway, which items, and why these."""

    child_number: Number
    gateway: Code = Field(description=_one_of(GATEWAYS))
    recipient: Code = Field(description="Who is to get it: an organisation's code.")
    items: tuple[Word, ...] = Field(min_length=1, max_length=len(ITEMS), description=_one_of(ITEMS))
    proportionality: Word = Field(description=_one_of(PROPORTIONALITY))
    requested_by: Name = Field(description="Who asked for it: never the one who authorises.")
    views_sought: bool = Field(default=False, description="Whether the child's or a parent's views were sought.")
    days: int = Field(default=7, ge=1, le=LONGEST.days, description="For how many days it may be used, once.")

    def ask(self) -> Ask:
        """Return it as the desk takes it."""
        named = (self.child_number, self.gateway, self.recipient, self.items)
        return Ask(*named, self.proportionality, self.views_sought, self.requested_by)


class DisclosureBody(Body):
    """A disclosure that was authorised, and who asked for it as the one who makes it knows."""

    disclosure: Annotated[str, StringConstraints(pattern=r"^D[0-9a-f]{12}$")]
    requested_by: Name = Field(description="The same as whoever authorised it was told.")


class ProjectBody(Body):
    """A project."""

    project: Code


class NewProjectBody(ProjectBody):
    """A project to be opened: for what, and who is to get its releases."""

    purpose: Purpose
    recipient: Code = Field(description=_one_of(RECIPIENTS))


class ReleaseBody(Body):
    """A release that was asked for."""

    release: Annotated[str, StringConstraints(pattern=r"^R[0-9a-f]{12}$")]


class SpecificationBody(ReleaseSpec):
    """The release that is asked for."""

    model_config = _CLOSED


class Authorised(Answer):
    """The reference of a disclosure that was authorised, and until when it may be made."""

    disclosure: str
    until: datetime


class Disclosed(Answer):
    """The authorised items of the child, and nothing else: they are told once."""

    model_config = ConfigDict(frozen=True, extra="allow")

    disclosure: str
    child_number: str


class ProjectAnswer(Answer):
    """The project."""

    project: str


class Requested(Answer):
    """The reference of a release that may be approved: by two other people."""

    release: str


class Approved(Answer):
    """How many people have approved a release."""

    release: str
    approvals: int


class Made(Answer):
    """A release, as CSV, and its signed manifest, as JSON: keep both as they are, they are told once."""

    release: str
    data: str
    manifest: str
