"""The root of the command line: its groups of commands, its logs, and how it fails."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from contactpoint.cli import (
    audit,
    decide,
    decide_child,
    directory,
    feeds,
    look,
    model,
    outgoing,
    request,
    retention,
    review,
    reviewing,
    sample,
    stack_commands,
    stages,
    tables,
    watch,
    why,
)
from schemas.errors import ConfigurationError, ContactPointError
from schemas.telemetry import configure_logging, fail

app = typer.Typer(
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
app.add_typer(stack_commands.app, name="stack")
app.add_typer(feeds.app, name="feeds")
app.add_typer(directory.app, name="directory")
app.add_typer(directory.users, name="users")
app.add_typer(stages.matching, name="matching")
app.add_typer(stages.projections, name="projections")
app.add_typer(model.app, name="model")
app.add_typer(audit.app, name="audit")
decide_child.register(decide.app)
app.add_typer(decide.app, name="decide")
reviewing.register(review.app)
app.add_typer(review.app, name="conflicts")
app.add_typer(sample.app, name="sample")
app.add_typer(outgoing.release, name="release")
app.add_typer(outgoing.disclose, name="disclose")
app.add_typer(request.app, name="request")
watch.register(audit.app)
feeds.register(app)
stages.register(app)
look.register(app)
why.register(app)
retention.register(app)
tables.register(app)


@app.callback()
def root(
    *,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Write logs as JSON lines.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every batch.")] = False,
) -> None:
    """Set up logging before any command."""
    configure_logging(json=json_logs, level=logging.DEBUG if verbose else logging.INFO)


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
