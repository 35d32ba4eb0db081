"""`contactpoint model`: train the linkage model and look at it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from contactpoint.cli.environment import linkage_model
from contactpoint.cli.output import Output, messages, show
from contactpoint.cli.stack_commands import OutputOption
from matching.linkage.model import CENTIBITS, LinkageModel

app = typer.Typer(help="The linkage model: train it, look at it.", no_args_is_help=True)


@app.command("train")
def train_command(
    children: Annotated[int, typer.Option(help="Children in the simulated worlds.", min=1000, max=1_000_000)] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of the world to train on; the next one is tried.")] = 11,
    output: OutputOption = Output.TABLE,
) -> None:
    """Train on a simulated world by agreement of identifiers, and try the model on another world.

    Writes matching/models/model_<date>_<hash>.json; the newest one there ships and runs. Matching tables that were made
    with another model are refused: drop the database schema `matching` and they are made again from the topics.
    """
    from contactpoint.model_training import train_children_model, try_children_model
    from matching.estimation.store import save_model

    trained = train_children_model(children, seed, datetime.now(UTC).date(), messages.print)
    messages.print("trying it on another world")
    quality = try_children_model(trained.model, children, seed + 1)
    path = save_model(trained.model)
    show(output, {"model": str(path), "threshold_bits": trained.model.link_threshold / CENTIBITS, **quality.as_dict()})


@app.command("show")
def show_command(output: OutputOption = Output.TABLE) -> None:
    """Show the model in use: every comparison level with its m and u probabilities and its weight in bits."""
    model = linkage_model()
    if output is Output.TABLE:
        show(output, _facts(model), f"model {model.model_id}")
    show(output, _levels(model), "comparison levels" if output is Output.TABLE else "")


def _facts(model: LinkageModel) -> dict[str, Any]:
    return {
        "description": model.description,
        "created on": model.created_on,
        "prior (bits)": model.prior_weight / CENTIBITS,
        "link threshold (bits)": model.link_threshold / CENTIBITS,
        "review floor (bits)": model.review_floor / CENTIBITS,
        "blocking rules": [rule.name for rule in model.blocking_rules],
        "sources that hold a child once": [f"{each.source}: {each.unique}" for each in model.source_policies],
    }


def _levels(model: LinkageModel) -> list[dict[str, Any]]:
    return [
        {
            "comparison": comparison.name,
            "level": level.label,
            "m": level.m_probability,
            "u": level.u_probability,
            "weight": level.match_weight / CENTIBITS,
        }
        for comparison in model.comparisons
        for level in comparison.levels[1:]
    ]
