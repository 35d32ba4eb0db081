"""`contactpoint decide`, the part about a child's entry: corrections, consent, significant harm, the authority."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from connectors.toml_file import read_toml
from contactpoint.cli.decide import Desk, Made, Said, SaidWithRight, decided, records_of_all
from contactpoint.cli.options import grouped
from contactpoint.reviewing.deciding import children_of, decide_about_child, handovers
from projections.directory.authority import responsibility
from projections.directory.reader import DirectoryReader
from projections.directory.retention import agreed_until
from projections.directory.rulings import Standing, ruling_of, view_of
from schemas.codec import encode
from schemas.directory_decisions import (
    AnyDirectoryDecision,
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
from schemas.events import Contract
from schemas.identity import is_child_number
from schemas.in_force import in_force
from schemas.records import LeftEngland
from schemas.settings import explain_validation

Child = Annotated[str, typer.Argument(help="A child number, or a record key source:id.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the commands to `contactpoint decide`."""
    group.command("correct")(correct_command)
    group.command("left-england")(left_command)
    group.command("consent")(consent_command)
    group.command("withdraw-consent")(withdraw_command)
    group.command("harm")(harm_command)
    group.command("authority")(authority_command)


@grouped
def correct_command(
    child: Child,
    file: Annotated[Path, typer.Argument(help="TOML with the items that were wrong, as they are right.")],
    said: SaidWithRight,
) -> None:
    """Correct items of a child's entry: no later delivery of any source undoes it.

    The file says the items as they are right, such as `birth_date = 2012-02-29` or
    `names = [{given = "Ada", family = "Moss"}]`; an item that it names replaces what every source says of it. Of a
    death that a source states wrongly it says `death_date = 2026-02-03` or `alive = true`.
    """
    says = read_toml(file, CorrectedItems)
    _about(child, said, (CorrectionMade, Correction), {"says": says}, {"items": sorted(says.model_fields_set)})


@grouped
def left_command(
    child: Child,
    said: SaidWithRight,
    *,
    since: Annotated[datetime, typer.Option(help="The day on which the child left.", formats=["%Y-%m-%d"])],
    intends_return: Annotated[str, typer.Option(help="To return within three years: yes, no or unknown.")],
) -> None:
    """State that a child left England: after three years the record goes to the archive (Schedule 1 para. 2(d)).

    It gives way to a source that says later where the child lives. Travel is no such statement, either way.
    """
    day = since.date()
    where = {"status": "left_england", "intends_return": intends_return, "since": day}
    _about(child, said, (CorrectionMade, Correction), {"says": {"whereabouts": where}}, {"left England": day})


@grouped
def consent_command(
    child: Child,
    scope: Annotated[str, typer.Argument(help="sensitive_services or participation")],
    said: SaidWithRight,
    *,
    given_by: Annotated[str, typer.Option(help="child, or parent where the child cannot judge")],
    until_age: Annotated[int | None, typer.Option(help="For participation: 19 to 25.")] = None,
    basis: Annotated[str | None, typer.Option(help="For participation: care_leaver or learning_difficulties.")] = None,
) -> None:
    """Record consent: to show that sensitive services exist, or to stay in the directory after the 18th birthday."""
    consent = {"scope": scope, "given_by": given_by, "until_age": until_age, "basis": basis}
    _about(child, said, (ConsentGiven, Consent), consent, {"scope": scope})


@grouped
def withdraw_command(
    consent: Annotated[str, typer.Argument(help="The id of the consent, or the child.", show_default=False)],
    said: SaidWithRight,
) -> None:
    """Withdraw consent from now on; `retract` is for consent that was never given."""

    def _made(desk: Desk) -> Iterator[Made]:
        given = _consent(desk, consent)
        desk.about(given.data.records)
        data = Withdrawal(consent=given.event_id)
        event = decide_about_child(ConsentWithdrawn, data, desk.people, given.event_id, near_shield=False)
        yield event, {"consent": given.event_id}

    decided(said, _made)


def _consent(desk: Desk, named: str) -> ConsentGiven:
    """Return the consent of this id, or the only one that holds for this child; RejectedError where there is none."""
    withdrawn = {each.data.consent for each in desk.decisions if isinstance(each, ConsentWithdrawn)}
    given = {each.event_id: each for each in desk.decisions if isinstance(each, ConsentGiven)}
    if named in given:
        return given[named]
    if ":" not in named and not is_child_number(named.upper()):
        raise RejectedError("consent_unknown", f"no consent has the id {named}, and it is no child either")
    records, holds = {*records_of_all(desk, [named])}, in_force(desk.decisions).keys() - withdrawn
    desk.state(sorted(records))  # before anything is said of a child whom the asker may not see
    found = [each for key, each in given.items() if key in holds and records & {*each.data.records}]
    if len(found) != 1:
        listed = "; ".join(f"{each.event_id} ({each.data.scope}, {each.decided_at:%Y-%m-%d})" for each in found)
        message = f"name one by its id: {listed}" if found else f"no consent for {named} is in force"
        raise RejectedError("consent_unknown", message)
    return found[0]


@grouped
def harm_command(child: Child, said: SaidWithRight) -> None:
    """Record reasonable cause to suspect significant harm: sensitive services are then shown to exist."""
    _about(child, said, (HarmRecorded, Harm), {}, {})


@grouped
def authority_command(
    child: Child,
    responsible: Annotated[str, typer.Argument(help="The code of the authority that is responsible from now on.")],
    said: SaidWithRight,
    *,
    previous: Annotated[str | None, typer.Option(help="The authority that it takes over from, which approves.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From which day on.", formats=["%Y-%m-%d"])] = None,
) -> None:
    """Move a child to another responsible authority: one event of two parties, so no gap and no double owner.

    The directory follows it at once. Open questions stay with the authority that the child's records name.
    """
    if previous is not None and said.approved_by is None:
        message = "the previous authority agrees by --approved-by"
        raise RejectedError("second_person_needed", message)
    day = (since or datetime.now(UTC)).date()
    assumed = {"responsible": responsible, "previous": previous, "since": day}
    _about(child, said, (AuthorityAssumed, Assumption), assumed, {"responsible": responsible, "since": day})


def _check_handover(desk: Desk, event: AuthorityAssumed) -> None:
    """Raise RejectedError for a handover that the directory would not follow, or from whom no source names."""
    earlier = handovers(desk.decisions, event.data.records)
    made = [Standing(ruling_of(view_of(encode(each).value)), None) for each in (*earlier, event)]
    found = responsibility(None, made)
    if found is not None and made[-1] in found.ignored:
        now = found.authority
        message = f"authority {now.code} has the child since {now.since}: name it as --previous, and no day before that"
        raise RejectedError("not_responsible", message)
    if not earlier and event.data.previous is not None:
        numbers = {*filter(None, children_of(desk.connection, event.data.records).values())}
        stated = {authority for number in numbers for authority in _shown(desk, number, "responsible_authority")}
        if event.data.previous not in stated:
            named = ", ".join(sorted(stated)) or "no authority"
            message = f"the child's sources name {named}: leave --previous out, or name that"
            raise RejectedError("not_responsible", message)


def _shown(desk: Desk, number: str, field: str) -> list[Any]:
    """Return what is shown of a field of a child, behind a shield too."""
    found = DirectoryReader(desk.connection).explain(number, field, behind_shield=True)
    return [each.value for each in found.statements if each.shown]


def _about(
    child: str,
    said: Said,
    kind: tuple[type[AnyDirectoryDecision], type[Contract]],
    states: Mapping[str, Any],
    told: dict[str, object],
) -> None:
    """Make a decision of this kind, with data of this contract, about the records of a child."""

    def _made(desk: Desk) -> Iterator[Made]:
        records = records_of_all(desk, [child])
        near_shield = desk.state(records).near_shield(records)
        try:
            data = kind[1].model_validate({"records": tuple(records), **states})
        except ValidationError as error:
            raise RejectedError("decision_invalid", explain_validation(error, "decision")) from None
        if isinstance(data, Correction):
            _refuse_days_to_come(data.says)
        if isinstance(data, Consent) and data.until_age is not None:
            _refuse_age_reached(desk, records, data.until_age)
        event = decide_about_child(kind[0], data, desk.people, records[0], near_shield=near_shield)
        if isinstance(event, AuthorityAssumed):
            _check_handover(desk, event)
        yield event, told

    decided(said, _made)


def _refuse_days_to_come(says: CorrectedItems) -> None:
    """Raise RejectedError for a birth, a death or a move that has not happened."""
    where = says.whereabouts
    since = where.since if isinstance(where, LeftEngland) else None
    for name, day in (("birth_date", says.birth_date), ("death_date", says.death_date), ("since", since)):
        if day is not None and day > datetime.now(UTC).date():
            raise RejectedError("day_to_come", f"{name}: {day} is still to come")


def _refuse_age_reached(desk: Desk, records: Sequence[str], age: int) -> None:
    """Raise RejectedError for consent to stay until a birthday that has passed: it would keep nothing (reg. 4(2))."""
    today = desk.people.decided_at.date()
    for number in sorted({*filter(None, children_of(desk.connection, records).values())}):
        for birth in _shown(desk, number, "birth_date"):
            if agreed_until(birth.date, age) <= today:
                message = (
                    f"the directory shows {birth.date} as the date of birth: {age} is reached, and this consent would "
                    "keep nothing; name a later age (25 at most), or correct the date of birth first"
                )
                raise RejectedError("age_reached", message)
