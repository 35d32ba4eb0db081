"""`contactpoint model`: train linkage models, look at them, compare them, put one into force."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.kafka import create_topics
from connectors.postgres import connect
from contactpoint.cli.asking import Asking, asked
from contactpoint.cli.environment import addresses, linkage_model, model_files, model_in_use
from contactpoint.cli.options import OutputOption, grouped
from contactpoint.cli.output import Output, messages, progress, show
from contactpoint.model_tools.files import live_record_count, model_of_tables
from contactpoint.running.drain import wait_until_model
from matching.linkage.columns import RecordColumns
from matching.linkage.model import CENTIBITS, LinkageModel
from matching.stage.model_file import read_model

ModelFile = Annotated[
    Path | None, typer.Argument(help="A model file; the model in use if none is named.", show_default=False)
]
app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="model")


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
    from contactpoint.model_tools.training import train_children_model, try_children_model
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


@app.command("evaluate")
def evaluate_command(
    model_file: ModelFile = None,
    table: Annotated[
        Path | None, typer.Option(help="Evaluate on this Parquet or CSV table.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="LINK.toml that names the table's columns.", show_default=False)
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Evaluate on the records that matching holds now.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Also draw the curve here.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a model is expected to do: training's report and, on records, its curve without labels.

    Precision and recall follow from the match probabilities that the model gives to the candidate pairs: they are as
    good as the model is calibrated.
    """
    from contactpoint.model_tools.evaluate import draw, evaluate

    if (table is None) != (config is None) or (live and table is not None):
        raise typer.BadParameter("give --table with --config, or --live, or neither")
    model = _model(model_file)
    with progress("compare pairs") as shown:
        report = evaluate(model, _records(model, table, config, live=live), lambda done: shown(done, None))
    if svg is not None:
        svg.write_text(draw(report), encoding="utf-8")
    if output is Output.JSON:
        show(output, report)
        return
    show(output, {name: value for name, value in report.items() if name not in {"training", "curve"}})
    show(output, report["training"], "expected of clusters, in training")
    if "curve" in report:
        show(output, report["curve"], "expected of linked pairs, on these records")


@app.command("compare")
def compare_command(one: Path, other: Path, output: OutputOption = Output.TABLE) -> None:
    """Show two model files side by side: levels with m, u and weights, thresholds, blocking rules."""
    from contactpoint.model_tools.compare import compare_models

    found = compare_models(read_model(one), read_model(other))
    if output is Output.JSON:
        show(output, found)
        return
    for name, rows in found.items():
        show(output, rows, name)


@app.command("activate")
def activate_command(
    model_file: Annotated[Path, typer.Argument(help="The model file, as `train` wrote it.", show_default=False)],
    by: Annotated[str, typer.Option(help="Your user id.", show_default=False)],
    approved_by: Annotated[str, typer.Option(help="The second person's user id.", show_default=False)],
    reason: Annotated[str, typer.Option(help="A code: retrained, more_accurate, fault_corrected or return_to_former.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return once every record is linked again.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put a model into force: from then on it decides, and every record is linked again under the same decisions.

    Try it first: `contactpoint model what-if`.
    """
    from connectors.decisions import publish_decision
    from contactpoint.model_tools.activate import activation, read_for_activation

    model, digest = read_for_activation(model_file)
    model_files().check_for_activation(digest)
    event = activation(model, digest, (by, approved_by), reason, datetime.now(UTC))
    where = addresses()
    with connect(where.postgres_settings(), autocommit=True) as connection:
        before = model_of_tables(connection)
        records = live_record_count(connection)
    if not dry_run:
        create_topics(where.kafka_settings())
        publish_decision(where.kafka_settings(), event)
        if wait:
            wait_until_model(where.kafka_settings(), where.postgres_settings(), model.model_id)
    show(
        output,
        {
            "model": model.model_id,
            "instead of": before or "none: nothing is linked yet",
            "sha256": digest,
            "threshold_bits": model.link_threshold / CENTIBITS,
            "records to link again": records,
            "decision": event.event_id,
            "published": not dry_run,
            "what follows": "done" if wait else "matching links every record again under the same decisions",
        },
    )


@app.command("what-if")
@grouped
def what_if_command(
    model_file: Annotated[Path, typer.Argument(help="The new model's file.", show_default=False)],
    who: Asking,
    from_log: Annotated[
        bool, typer.Option("--from-log", help="Replay the live model too, and check the live tables against it.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Replay the real log with a new model beside the live one, and say what would change; nothing is published.

    Sources and decisions are read up to where linkage stands now. Told are the children whose membership would change,
    the conflicts that would come up or close, and how much work that is for whom.
    """
    from contactpoint.model_tools.outcome import named, told
    from contactpoint.model_tools.whatif import differences_from_tables, read_live, replay

    model = read_model(model_file)
    with asked(who, "unmasked", "membership", model=model.model_id) as question:
        with connect(addresses().postgres_settings(), autocommit=True) as connection:  # a snapshot of its own
            live = read_live(connection)
        before, live_model = live.outcome, model_in_use(question.connection)
        facts: dict[str, Any] = {"live model": live_model.model_id, "new model": model.model_id}
        if from_log:
            with progress("replay the live model") as shown:
                before = replay(question.kafka, live_model, live.positions, shown)
            facts |= differences_from_tables(live.outcome, before)
        with progress("replay the new model") as shown:
            after = replay(question.kafka, model, live.positions, shown)
        found = facts | told(before, after, question.sight().hides)
        question.showing(named(found, before))
    if output is Output.JSON:
        show(output, found)
        return
    lists = ("changes", "new conflicts", "closed conflicts", "workload")
    show(output, {name: value for name, value in found.items() if name not in lists}, "what if")
    for name in lists:
        show(output, found[name], name)


def _model(path: Path | None) -> LinkageModel:
    return linkage_model() if path is None else read_model(path)


def _records(model: LinkageModel, table: Path | None, config: Path | None, *, live: bool) -> RecordColumns | None:
    from contactpoint.model_tools.evaluate import live_records, table_records

    if table is not None and config is not None:
        return table_records(table, config, model)
    if not live:
        return None
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        return live_records(connection, model, model_in_use(connection))


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
