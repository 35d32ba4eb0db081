"""`contactpoint decide`, the part about a child's entry: corrections, consent, significant harm, the authority."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from connectors.toml_file import read_toml
from contactpoint.cli.decide import (
    ApprovedBy,
    Authority,
    By,
    Desk,
    Reason,
    Wait,
    deciding,
    publish,
    records_of_all,
)
from contactpoint.cli.output import Output
from contactpoint.cli.stack_commands import OutputOption
from contactpoint.cli.why import RightOption
from contactpoint.reviewing.deciding import Deciders, decide_about_child
from schemas.directory_decisions import (
    Assumption,
    AuthorityAssumed,
    Consent,
    ConsentGiven,
    ConsentWithdrawn,
    CorrectedItems,
    Correction,
    CorrectionMade,
    Harm,
    HarmRecorded,
    Withdrawal,
)
from schemas.errors import RejectedError
from schemas.settings import explain_validation

Child = Annotated[str, typer.Argument(help="A child number, or a record key source:id.", show_default=False)]
Data = TypeVar("Data", bound=BaseModel)


def register(group: typer.Typer) -> None:
    """Add the commands to `contactpoint decide`."""
    group.command("correct")(correct_command)
    group.command("consent")(consent_command)
    group.command("withdraw-consent")(withdraw_command)
    group.command("harm")(harm_command)
    group.command("authority")(authority_command)


def correct_command(
    child: Child,
    file: Annotated[Path, typer.Argument(help="TOML with the items that were wrong, as they are right.")],
    *,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Correct items of a child's entry: no later delivery of any source undoes it."""
    says = read_toml(file, CorrectedItems)
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    with deciding(people, with_right) as desk:
        records = records_of_all(desk, [child])
        event = decide_about_child(
            CorrectionMade,
            Correction(records=tuple(records), says=says),
            people,
            records[0],
            near_shield=_near(desk, records),
        )
    publish(event, wait, output, {"items": sorted(says.model_fields_set)})


def consent_command(
    child: Child,
    scope: Annotated[str, typer.Argument(help="sensitive_services or participation")],
    *,
    given_by: Annotated[str, typer.Option(help="child, or parent where the child cannot judge")],
    until_age: Annotated[int | None, typer.Option(help="For participation: 19 to 25.")] = None,
    basis: Annotated[str | None, typer.Option(help="For participation: care_leaver or learning_difficulties.")] = None,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Record consent: to show that sensitive services exist, or to stay in the directory after the 18th birthday."""
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    said = {"scope": scope, "given_by": given_by, "until_age": until_age, "basis": basis}
    with deciding(people, with_right) as desk:
        records = records_of_all(desk, [child])
        data = _checked(Consent.model_validate, {"records": tuple(records), **said})
        event = decide_about_child(ConsentGiven, data, people, records[0], near_shield=_near(desk, records))
    publish(event, wait, output, {"scope": scope})


def withdraw_command(
    consent: Annotated[str, typer.Argument(help="The id of the consent.", show_default=False)],
    *,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Withdraw consent from now on; `retract` is for consent that was never given."""
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    with deciding(people, None) as desk:
        if not any(isinstance(each, ConsentGiven) and each.event_id == consent for each in desk.decisions):
            raise RejectedError("consent_unknown", f"no consent has the id {consent}")
        event = decide_about_child(ConsentWithdrawn, Withdrawal(consent=consent), people, consent, near_shield=False)
    publish(event, wait, output, {"consent": consent})


def harm_command(
    child: Child,
    *,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Record reasonable cause to suspect significant harm: sensitive services are then shown to exist."""
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    with deciding(people, with_right) as desk:
        records = records_of_all(desk, [child])
        event = decide_about_child(
            HarmRecorded, Harm(records=tuple(records)), people, records[0], near_shield=_near(desk, records)
        )
    publish(event, wait, output, {})


def authority_command(
    child: Child,
    responsible: Annotated[str, typer.Argument(help="The code of the authority that is responsible from now on.")],
    *,
    previous: Annotated[str | None, typer.Option(help="The authority that it takes over from, which approves.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From which day on.", formats=["%Y-%m-%d"])] = None,
    by: By,
    reason: Reason,
    approved_by: ApprovedBy = None,
    authority: Authority = None,
    with_right: RightOption = None,
    wait: Wait = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Move a child to another responsible authority: one event of two parties, so no gap and no double owner."""
    people = Deciders(by, reason, datetime.now(UTC), approved_by, authority)
    if previous is not None and approved_by is None:
        message = "the previous authority agrees by --approved-by"
        raise RejectedError("second_person_needed", message)
    day = (since or people.decided_at).date()
    with deciding(people, with_right) as desk:
        records = records_of_all(desk, [child])
        said = {"records": tuple(records), "responsible": responsible, "previous": previous, "since": day}
        event = decide_about_child(
            AuthorityAssumed,
            _checked(Assumption.model_validate, said),
            people,
            records[0],
            near_shield=_near(desk, records),
        )
    publish(event, wait, output, {"responsible": responsible, "since": day})


def _near(desk: Desk, records: Sequence[str]) -> bool:
    return desk.state(records).near_shield(records)


def _checked(validate: Callable[[Any], Data], said: dict[str, Any]) -> Data:
    try:
        return validate(said)
    except ValidationError as error:
        raise RejectedError("decision_invalid", explain_validation(error, "decision")) from None
