"""Commands of the directory service: serve it, show its contract, and look after its users."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import orjson
import typer

from connectors.postgres import connect
from contactpoint.cli.environment import addresses, number_in, stack_config
from contactpoint.cli.options import OutputOption, grouped, in_utc
from contactpoint.cli.output import Output, console, show
from contactpoint.cli.serving import Listening, Provider, print_requests, serve_until_told, service_login
from projections.service.install import api_settings, install
from projections.service.users import Eligibility, Users
from schemas.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True)
users = typer.Typer(no_args_is_help=True)

By = Annotated[
    str,
    typer.Option(
        "--by", envvar="CONTACTPOINT_BY", help="Your own account: the audit trail names it.", show_default=False
    ),
]
Account = Annotated[str, typer.Argument(help="The account: the `sub` of the person's tokens.", show_default=False)]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


def register(root: typer.Typer) -> None:
    """Add the groups to the root."""
    root.add_typer(app, name="directory")
    root.add_typer(users, name="users")


@app.command("install")
def install_command() -> None:
    """Make the tables, functions, roles and rights of the services and of the desks, where they are missing."""
    from contactpoint.reviewing.walls import open_desks
    from projections.approvals.app import install as install_both

    settings = addresses().postgres_settings()
    install_both(settings)
    open_desks(settings)
    console.print("the tables, functions and roles of the services and of the desks are there")


@app.command("serve")
@grouped
def serve_command(provider: Provider, at: Listening) -> None:
    """Serve the directory until told to stop (SIGTERM).

    CONTACTPOINT_SERVICE_DSN names a login that is a member of contactpoint_reader and nothing else; on the local stack
    one is made.
    """
    from projections.service.app import Application

    serve_until_told(provider, at, service_login("CONTACTPOINT_SERVICE_DSN", install, api_settings), Application)


@app.command("try")
def try_command(
    number: Annotated[
        str, typer.Argument(help="A child number to ask for, or a record key source:id.", show_default=False)
    ],
) -> None:
    """Run the service on this machine with a made-up practitioner, and print requests ready to paste, until Ctrl-C."""
    from contactpoint.running.practice import PURPOSE, practice

    where, folder = addresses(), stack_config().folder
    asked = PURPOSE | {"child_number": number_in(where.postgres_settings(), number)}
    with practice(where, folder / "service", folder) as service:
        print_requests(lambda: [service.curl(path, asked) for path in ("/v1/open", "/v1/who-else", "/v1/lineage")])


@app.command("openapi")
def openapi_command() -> None:
    """Print the OpenAPI document."""
    from projections.service.contract import openapi_document

    sys.stdout.buffer.write(orjson.dumps(openapi_document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


@app.command("privileges")
def privileges_command() -> None:
    """Print which database role may do what, as the database's catalogue says it."""
    from projections.privileges import matrix

    owner = addresses().postgres_settings()
    install(owner)
    with connect(owner, autocommit=True) as connection:
        sys.stdout.write("".join(f"{line}\n" for line in matrix(connection)))


@users.command("employer")
def employer_command(
    organisation: Annotated[str, typer.Argument(help="The employer's code.", show_default=False)],
    name: Annotated[str, typer.Option(help="Its name; another name suspends its staff until they are vetted again.")],
    accredited_until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], show_default=False)],
    by: By,
) -> None:
    """Accredit an employer until a day, or change it."""
    with _accounts(by) as accounts:
        accounts.accredit(organisation, name, in_utc(accredited_until))


@users.command("manager")
def manager_command(
    organisation: Annotated[str, typer.Argument(help="The employer's code, or * for all others.", show_default=False)],
    address: Annotated[str, typer.Argument(help="Where its manager reads mail.", show_default=False)],
    by: By,
) -> None:
    """Say who is told when an investigation of an employer's people awaits somebody (`users tell`)."""
    with _accounts(by) as accounts:
        accounts.manager(organisation, address)


@users.command("tell")
def tell_command(
    once: Annotated[bool, typer.Option("--once", help="Send what is due, and end.")] = False,
) -> None:
    """Mail each employer's manager that an investigation awaits them, as it is opened: a reference, nothing of a child.

    CONTACTPOINT_SMTP is the server as host:port, CONTACTPOINT_SMTP_FROM the sender; ..._USER and ..._PASSWORD log in.
    """
    from projections.service.telling import MailSettings, tell, tell_for_ever

    mail = MailSettings.from_env(os.environ)
    if mail is None:
        raise ConfigurationError("CONTACTPOINT_SMTP is not set: give the mail server as host:port")
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        if once:
            console.print(f"{tell(connection, mail)} sent")
            return
        tell_for_ever(connection, mail)


@users.command("add")
def add_command(
    account: Account,
    category: Annotated[str, typer.Option(help="The person's role, of the closed list.", show_default=False)],
    employer: Annotated[str, typer.Option(help="The employer's code.", show_default=False)],
    by: By,
) -> None:
    """Add a person, who may do nothing until training, check and agreement are recorded."""
    with _accounts(by) as accounts:
        accounts.add(account, category, employer)


@users.command("record")
def record_command(
    account: Account, by: By, trained_until: Day = None, vetted_on: Day = None, agreed_until: Day = None
) -> None:
    """Record training, an enhanced check (it holds for three years) or the user agreement."""
    held = Eligibility(in_utc(trained_until), in_utc(vetted_on), in_utc(agreed_until))
    with _accounts(by) as accounts:
        accounts.record(account, held)


@users.command("describe")
def describe_command(
    account: Account,
    given: Annotated[str, typer.Option(help="Given name.", show_default=False)],
    family: Annotated[str, typer.Option(help="Family name.", show_default=False)],
    by: By,
    line: Annotated[str | None, typer.Option(help="First line of the home address.", show_default=False)] = None,
    postcode: Annotated[str | None, typer.Option(help="Postcode of the home address.", show_default=False)] = None,
) -> None:
    """Say who the person is: `contactpoint audit misuse` notices looks at their own and their colleagues' children."""
    from projections.access.known import home_of

    with _accounts(by) as accounts:
        accounts.describe(account, given, family, home_of(line, postcode))


@users.command("grant")
def grant_command(
    account: Account,
    by: By,
    right: Annotated[
        list[str] | None, typer.Option(help="A right of the closed list, such as mediate; none takes all away.")
    ] = None,
) -> None:
    """Give a person exactly these rights beyond their role's."""
    with _accounts(by) as accounts:
        accounts.grant(account, right or [])


@users.command("suspend")
def suspend_command(account: Account, by: By) -> None:
    """Suspend an account: its next request is refused."""
    with _accounts(by) as accounts:
        accounts.suspend(account)


@users.command("activate")
def activate_command(account: Account, by: By) -> None:
    """Let an account be used again; a block by a limit ends."""
    with _accounts(by) as accounts:
        accounts.activate(account)


@users.command("list")
def list_command(output: OutputOption = Output.TABLE) -> None:
    """List the accounts and what they hold."""
    with _accounts("operator") as accounts:
        show(output, accounts.people(), "users")


@users.command("investigations")
def investigations_command(
    follow: Annotated[
        bool, typer.Option("--follow", help="Then tell each new one's reference when it is opened, until Ctrl-C.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List what must be looked into: overrides of shields and unusual use, by reference."""
    with _accounts("operator") as accounts:
        show(output, accounts.investigations(), "investigations")
        for reference in accounts.alerts() if follow else ():
            typer.echo(reference)


@users.command("close")
def close_command(
    investigation: Annotated[str, typer.Argument(help="The investigation's id.", show_default=False)],
    outcome: Annotated[str, typer.Option(help="justified, misuse or mistake.", show_default=False)],
    by: By,
) -> None:
    """Close an investigation."""
    with _accounts(by) as accounts:
        accounts.close(investigation, outcome)


@contextmanager
def _accounts(by: str) -> Iterator[Users]:
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        yield Users(connection, by)
