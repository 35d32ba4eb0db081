"""The root of the command line: its groups of commands, its logs, and how it fails."""

from __future__ import annotations

import logging
import sys
from typing import Annotated, ClassVar, cast

import typer

from contactpoint.cli.late import LateGroup
from schemas.errors import ConfigurationError, ContactPointError
from schemas.telemetry import configure_logging, fail


class Root(LateGroup):
    """Every command and group of `contactpoint`, as `--help` lists them."""

    parts: ClassVar = {
        "feeds": {
            "simulate": (
                "Write a made-up world: CTF, HL7, CSV and PAXLST files, a feed file for each, and the truth "
                "beside them."
            ),
            "feeds": "The sources of records: check a feed before it goes live, run, pause, resume, replay.",
        },
        "stages": {
            "run": (
                "Run matching, all projections, the trail of access, its witness and the keeper of retention, "
                "until Ctrl-C."
            ),
            "drain": "Wait until everything published so far is linked, folded and committed.",
            "matching": "The record-linkage stage.",
            "projections": "The read models: directory, audit_trail and review.",
        },
        "look": {
            "child": (
                "Look a child up: the entry, each field with its source; a retired number leads to its successors."
            ),
            "find": "Find children by family name and date of birth, for staff who look after the data.",
            "lag": "Show how far each stage is behind its topics.",
            "rejects": (
                "List refused inputs: where, why, how many, and until when their bytes can be read. "
                "The bytes are not shown."
            ),
            "unmask": (
                "Show what one refused input holds. It may be about any child, so this needs --with-right shielded."
            ),
            "digest": "Show the digest of each table of the projections at their present positions.",
            "figures": "Count records, children, shields, questions, accounts and findings, each at a stated position.",
        },
        "why": {
            "explain": (
                "Explain why records are one child, or for two records how the pair compares: levels, weights, model."
            ),
            "history": "Show the audit trail of a child: every change of membership, and which source event caused it.",
            "lineage": "Say where a child number leads: its successors with date and cause, to the numbers in use now.",
        },
        "retention": {
            "field": "Explain one field of an entry: its rule, and every statement about it, shown or not and why.",
            "retention": "The life of a record: archive, closing, erasure.",
        },
        "tables": {
            "link": (
                "Link the records of one or more tables with the core that runs live, to try an extract before it "
                "goes live."
            ),
            "demo": (
                "Run the whole line on a made-up world: feeds, Kafka, linkage, directory, audit trail, quality, "
                "digests."
            ),
        },
        "stack_commands": {"stack": "Kafka and PostgreSQL on this machine: start, stop, reset."},
        "directory": {
            "directory": "The directory service for practitioners.",
            "users": "Accounts of the directory service. Every change is audited.",
        },
        "model": {"model": "The linkage model: train, evaluate, compare, try on the log, activate."},
        "audit": {"audit": "The trail of who looked, when and why: keep, prove, search, report."},
        "decide": {"decide": "What people decide about records: it outranks every weight, and can be taken back."},
        "review": {"conflicts": "Questions that linkage cannot answer and a person has to."},
        "sample": {
            "sample": "Pairs drawn by chance for blind review: how many links are right, how many were missed.",
        },
        "approvals": {"approvals": "The service by which things leave the directory: disclosures and releases."},
        "outgoing": {
            "release": "Bulk output: the key that signs manifests, and whether a release is what was signed for.",
            "disclose": "Disclosures of one child that were made: the reviewer's list.",
        },
        "request": {"request": "Requests of children and parents, complaints, and when they are due."},
    }


app = typer.Typer(
    cls=Root,
    name="contactpoint",
    help=(
        "ContactPoint pipeline: feeds of child records, linked into one identity per child.\n\n"
        "Commands find Kafka and PostgreSQL by CONTACTPOINT_KAFKA and CONTACTPOINT_POSTGRES_DSN, or else use the local "
        "stack (contactpoint stack up). Results go to standard output, as tables or with --output json; logs and "
        "progress go to standard error. Exit status: 0 done, 65 bad input, 70 a person has to look, 75 try again "
        "later, 78 wrong setting, 1 checked and found wanting."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    *,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Write logs as JSON lines.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every batch.")] = False,
) -> None:
    """Set up logging before any command."""
    configure_logging(json=json_logs, level=logging.DEBUG if verbose else logging.INFO)


def every_command() -> Root:
    """Return the whole command line with every module loaded, to look through it."""
    root = cast(Root, typer.main.get_command(app))
    root.load(list(root.commands))
    return root


def main() -> None:
    """Run the command line; a mistake ends in one message and an exit status, never in a traceback."""
    try:
        app()
    except ContactPointError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `contactpoint ... | head`: the reader has seen enough
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(fail(ConfigurationError(f"{error.filename}: {error.strerror}: name another file, or mend this one")))
