"""`contactpoint request`: what children and parents ask about their data, complaints, and by when they are due."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from connectors.decisions import publish_decision, read_decisions
from contactpoint.cli.asking import at_desk
from contactpoint.cli.environment import addresses, number_in
from contactpoint.cli.options import Acting, OutputOption, grouped
from contactpoint.cli.output import Output, show
from contactpoint.requests.register import (
    HOW,
    LAWS,
    MONTHS,
    REASONS,
    Request,
    add_months,
    check,
    request_of,
)
from contactpoint.requests.register import register as current_requests
from projections.access.deed import Deed, demand_right, done
from schemas.decisions import DecisionEvent
from schemas.errors import ConfigurationError, RejectedError
from schemas.events import event_id
from schemas.reasons import check_reason
from schemas.requests import (
    AnyRequestEvent,
    Extension,
    RequestAnswered,
    RequestClosed,
    RequestExtended,
    RequestKind,
    RequestOpened,
    RequestRefused,
)
from schemas.settings import explain_validation

app = typer.Typer(no_args_is_help=True)

RequestId = Annotated[str, typer.Argument(help="The request's id.", show_default=False)]
By = Annotated[str, typer.Option("--by", help="Your account.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="A code: `contactpoint request rules`.", show_default=False)]
POLICY = "request-1"


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="request")


@app.command("open")
def open_command(
    child: Annotated[str, typer.Argument(help="A child number or a record key.", show_default=False)],
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(get_args(RequestKind))}.", show_default=False)],
    *,
    requester: Annotated[str, typer.Option(help="child, parent or representative.")],
    received: Annotated[datetime, typer.Option(help="The day on which it came.", formats=["%Y-%m-%d"])],
    details: Annotated[Path | None, typer.Option(help="A text file that says what is asked: kept sealed.")] = None,
    by: By,
    reason: Reason = "letter",
    output: OutputOption = Output.TABLE,
) -> None:
    """Enter a request or a complaint; says its id, and by when it has to be answered."""
    day, now = received.date(), datetime.now(UTC)
    if day > now.date():
        raise RejectedError("not_received_yet", "the day on which it came lies ahead")
    number = number_in(addresses().postgres_settings(), child)
    data = {"kind": kind, "child_number": number, "requester": requester, "received": day}
    data |= {"due": add_months(day, MONTHS), "details": _text(details)}
    name = f"Q{secrets.token_hex(6)}"
    event = _made(RequestOpened, name, by, check_reason("request.opened", reason, REASONS), data)
    publish_decision(addresses().kafka_settings(), event)
    told = {"request": name, "kind": kind, "due": event.data.due}
    show(output, told | {"next": f"contactpoint request show {name}, then request answer or request refuse"})


@app.command("extend")
def extend_command(
    request: RequestId,
    until: Annotated[
        datetime, typer.Argument(help="The new day: at most three months from receipt.", formats=["%Y-%m-%d"])
    ],
    by: By,
    reason: Reason,
) -> None:
    """Take more time, once, after the requester was told why."""
    _step(RequestExtended, request, by, reason, Extension(due=until.date()).model_dump())


@app.command("answer")
def answer_command(request: RequestId, by: By, reason: Reason) -> None:
    """Note that a request was answered, and how."""
    _step(RequestAnswered, request, by, reason)


@app.command("refuse")
def refuse_command(request: RequestId, by: By, reason: Reason) -> None:
    """Note that a request was refused, and on which ground."""
    _step(RequestRefused, request, by, reason)


@app.command("close")
def close_command(request: RequestId, by: By, reason: Reason = "told") -> None:
    """Note that the requester was told the outcome, or withdrew the request."""
    _step(RequestClosed, request, by, reason)


@app.command("list")
def list_command(
    on: Annotated[datetime | None, typer.Option(help="As of this day; today by default.", formats=["%Y-%m-%d"])] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are late; status 1 if any is.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones too.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List requests, the first due first. Neither the child nor what is asked is shown."""
    day = on.date() if on else datetime.now(UTC).date()
    wanted = [each for each in _register().values() if (closed or each.state != "closed")]
    rows = [_row(each, day) for each in wanted if each.overdue(day) or not overdue]
    show(output, sorted(rows, key=lambda row: (row["due"], row["request"])), "requests")
    if overdue and rows:
        raise typer.Exit(1)


@app.command("show")
@grouped
def show_command(request: RequestId, who: Acting, output: OutputOption = Output.TABLE) -> None:
    """Show what is asked, about which child, and each step. That you looked is entered in the trail of access."""
    found = request_of(_register(), request)
    asked = found.opened.data
    deed = Deed(
        "opened", who.person("management_team"), POLICY, request, asked.child_number, "subject_request", ("request",)
    )
    with at_desk(addresses().postgres_settings()) as connection, done(connection, deed):
        demand_right(connection, who.by, whole=False)
    steps = [
        {"when": each.decided_at, "what": each.event_type, "by": each.by, "why": REASONS[each.event_type][each.reason]}
        for each in found.events
        if isinstance(each, AnyRequestEvent)
    ]
    facts = asked.model_dump(mode="json") | {"due": found.due, "state": found.state, "law": LAWS[asked.kind]}
    if found.state == "open":
        facts |= {"answer with": [each.replace("CHILD", asked.child_number) for each in HOW[asked.kind]]}
    if output is Output.JSON:
        show(output, facts | {"steps": steps})
        return
    show(output, facts, f"request {request}")
    show(output, steps, "steps")


@app.command("rules")
def rules_command(output: OutputOption = Output.TABLE) -> None:
    """Show the kinds of request with their law, and the codes of each step."""
    rows = [{"step": f"open {kind}", "code": "", "means": law} for kind, law in LAWS.items()]
    rows += [
        {"step": step, "code": code, "means": words} for step, codes in REASONS.items() for code, words in codes.items()
    ]
    show(output, rows, f"requests: due in {MONTHS} month from receipt (UK GDPR art. 12(3))")


def _step(kind: type[AnyRequestEvent], request: str, by: str, reason: str, data: dict[str, Any] | None = None) -> None:
    event_type = str(kind.model_fields["event_type"].default)
    event = _made(kind, request, by, check_reason(event_type, reason, REASONS), data or {})
    check(request_of(_register(), request), event)
    publish_decision(addresses().kafka_settings(), event)
    show(Output.TABLE, {"request": request, "step": event_type, "reason": reason})


def _made(kind: type[AnyRequestEvent], request: str, by: str, reason: str, data: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    event_type, now = str(kind.model_fields["event_type"].default), datetime.now(UTC)
    envelope = {"event_id": event_id(event_type, request, now.isoformat()), "subject": request, "decided_at": now}
    try:
        return kind.model_validate({**envelope, "by": by, "reason": reason, "data": data})
    except ValidationError as error:
        raise ConfigurationError(explain_validation(error, "request")) from None


def _register() -> dict[str, Request]:
    events: list[DecisionEvent] = read_decisions(addresses().kafka_settings())
    return current_requests(events)


def _row(request: Request, on: date) -> dict[str, Any]:
    asked = request.opened.data
    return {
        "request": request.request_id,
        "kind": asked.kind,
        "state": request.state,
        "received": asked.received,
        "due": request.due,
        "days left": (request.due - on).days if request.state == "open" else None,
        "late": request.overdue(on),
        "with": request.events[-1].by,
    }


def _text(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8") if file else ""
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read as UTF-8 text ({type(error).__name__})"
        raise ConfigurationError(message) from None
