"""`contactpoint link`: the linkage core once over any table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from contactpoint.cli.options import OutputOption, grouped
from contactpoint.cli.output import Output, show, steps


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.command("link")(link_command)
    root.command("demo")(demo_command)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What `link` writes and says beside the clusters."""

    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Also write the scored pairs: weight in bits, probability, whether together, each comparison.",
            show_default=False,
        ),
    ] = None
    save_config: Annotated[
        Path | None, typer.Option(help="Write the LINK.toml that was used, to look at and change.", show_default=False)
    ] = None
    save_model: Annotated[
        Path | None, typer.Option(help="Write the trained model, for --model of another run.", show_default=False)
    ] = None
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="Also say why these two rows (record ids) are together or apart.", show_default=False
        ),
    ] = None


@grouped
def link_command(
    source: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="CSV, Parquet or JSON Lines tables.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Clusters, Parquet or CSV: record_id, cluster_id.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option(
            help="LINK.toml: columns, record id, source, model or training. Left out: guessed, training unsupervised.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Link with this model file instead of training.", show_default=False),
    ] = None,
    output: OutputOption = Output.TABLE,
    *,
    beside: Beside,
) -> None:
    """Link the records of one or more tables with the core that runs live, to try an extract before it goes live.

    A row a record. Of several files each is a source (input_file), columns that are called alike or alone are of a
    kind are the same, and record ids carry the file's name. Training needs no labels and picks the threshold by itself;
    the result says what precision and recall to expect, and warns where the columns hold too little. A column called
    cluster, label, truth or the like is no evidence. Kinds of columns: given_name, surname, date, years (of
    birth, or an age), sex, postcode, address, identifier (a number of one person), short_string (any other
    text), text (compared by its words, as one that is alone is), exact (a code).
    """
    from contactpoint.table_link import Outputs, run_link

    with steps("link") as shown:
        outputs = Outputs(out, beside.pairs, beside.save_model, beside.save_config)
        report = run_link(source, config, outputs, shown, model=model, explain=beside.explain)
    if output is Output.JSON:
        show(output, report.as_dict())
        return
    show(output, replace(report, explanation=None).as_dict(), f"linked into {out}")
    if report.explanation is not None:
        typer.echo(f"\n{report.explanation.as_text()}")


def demo_command(
    children: Annotated[int, typer.Option(help="Children in the made-up world.", min=10, max=5_000_000)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the made-up world.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack and its data up.")] = False,
) -> None:
    """Run the whole line on a made-up world: feeds, Kafka, linkage, directory, audit trail, quality, digests."""
    from contactpoint.demo import run_demo

    run_demo(children=children, seed=seed, keep=keep)
