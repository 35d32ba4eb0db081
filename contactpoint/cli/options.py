"""Options that many commands share; those that belong together as frozen dataclasses, one field an option."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any, Literal, get_type_hints

import typer
from pydantic import ValidationError

from contactpoint.cli.output import Output
from projections.service.limits import MIN_REASON_LENGTH, normal_reason
from schemas.access import Person
from schemas.errors import ConfigurationError
from schemas.settings import explain_validation

OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the result.")]
RightOption = Annotated[
    Literal["shielded"] | None,
    typer.Option("--with-right", help="See shielded children whole: for those who have the right.", show_default=False),
]

ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason", envvar="CONTACTPOINT_REASON", help="Why you look: kept, sealed, with your name.", show_default=False
    ),
]
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]


def past(time: datetime) -> datetime:
    """Return a time that was given, in UTC unless it says otherwise; raise BadParameter for one that is to come."""
    then = time if time.tzinfo else time.replace(tzinfo=UTC)
    if then > datetime.now(UTC):
        raise typer.BadParameter("that is in the future: leave it out for what is known now", param_hint="--at")
    return then


def in_utc(time: datetime | None) -> datetime | None:
    """Return a day or time that was given, if it was, as one in UTC."""
    return None if time is None else time.replace(tzinfo=UTC)


def sound_reason(words: str) -> str:
    """Return the words given as a reason; raise ConfigurationError when they are none, such as an empty variable."""
    if len(normal_reason(words)) < MIN_REASON_LENGTH:
        raise ConfigurationError(f"--reason: say why you look, in at least {MIN_REASON_LENGTH} characters")
    return words


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options: Typer sees one option a field, the command gets the objects."""
    own = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: each.annotation for name, each in own.items() if is_dataclass(each.annotation)}
    shown = [parameter for name, parameter in own.items() if name not in groups]
    shown += [option for group in groups.values() for option in _options(group)]

    @wraps(command)
    def _called(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    vars(_called)["__signature__"] = inspect.Signature(sorted(shown, key=lambda parameter: parameter.kind))
    _called.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return _called


@dataclass(frozen=True, kw_only=True)
class Acting:
    """Who does something that the trail of access keeps, in which role and for whom."""

    by: Annotated[str, typer.Option("--by", envvar="CONTACTPOINT_BY", help="Your account.", show_default=False)]
    organisation: Annotated[
        str,
        typer.Option(
            "--organisation", envvar="CONTACTPOINT_ORGANISATION", help="Whom you work for.", show_default=False
        ),
    ]
    role: Annotated[str, typer.Option("--role", help="Your role; else the one that the command is for.")] = ""

    def person(self, usual_role: str) -> Person:
        """Return who acts, in the role given or else in the usual one; raise ConfigurationError for no sound name."""
        try:
            role = (self.role or usual_role).replace(" ", "_")
            return Person(user=self.by, role=role, organisation=self.organisation)
        except ValidationError as error:
            raise ConfigurationError(explain_validation(error, "--by, --role, --organisation")) from None


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(group)
    ]
