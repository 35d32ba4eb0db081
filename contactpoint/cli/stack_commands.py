"""`contactpoint stack`: Kafka and PostgreSQL on this machine."""

from __future__ import annotations

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
    """Start the local stack and create the topics; what runs already is left running."""
    config = stack_config().model_copy(update={"nodes": nodes})
    found = up(config, ConsoleReporter())
    create_topics(found.kafka_settings())
    typer.echo("".join(f"export {name}='{value}'\n" for name, value in found.as_env().items()), nl=False)


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
        {"part": row.name, "running": row.running, "address": row.address, "pid": row.pid}
        for row in status(stack_config().folder)
    ]
    show(output, rows, "local stack")


@app.command("topics")
def topics_command(output: OutputOption = Output.TABLE) -> None:
    """Create the topics that are missing from the manifest, and list those created."""
    created = create_topics(addresses().kafka_settings())
    show(output, [{"topic": name, "created": True} for name in created], "topics")
