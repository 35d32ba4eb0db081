"""`contactpoint sample`: pairs drawn by chance for blind review, and what they say of linkage."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contactpoint.cli.asking import ROLE, Asking, asked
from contactpoint.cli.environment import model_in_use
from contactpoint.cli.options import Acting, OutputOption, grouped
from contactpoint.cli.output import Output, console, show
from contactpoint.cli.reviewing import AnswerArgument, AnswerReason, seated, tell
from schemas.errors import RejectedError

if TYPE_CHECKING:
    from projections.reviewing.estimates import Interval, StratumResult

app = typer.Typer(no_args_is_help=True)
Sample = Annotated[str, typer.Argument(help="The sample's name.", show_default=False)]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="sample")


@app.command("draw")
@grouped
def draw_command(
    who: Acting,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pairs from the same records.")],
    each: Annotated[int, typer.Option(help="Pairs of each weight band.", min=1, max=1_000)] = 50,
    pool: Annotated[int, typer.Option(help="Links that the bands are filled from.", min=1, max=1_000_000)] = 20_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Draw links that hold, by weight band, and open questions near the threshold. No shielded child is among them."""
    from contactpoint.reviewing.drawing import Wanted, draw
    from projections.reviewing.samples import Samples

    with seated(who, "samples") as seat:
        drawn = draw(seat.connection, model_in_use(seat.connection), seat.sight, Wanted(seed, each, pool))
        name = Samples(seat.connection).keep(drawn, who.by, datetime.now(UTC))
    told = {"sample": name, "seed": seed, "pairs": len(drawn.pairs), "of links in all": drawn.linked_pairs}
    show(output, told | {"next": f"contactpoint sample next {name} --by YOU --organisation X"}, "drawn")


@app.command("list")
@grouped
def list_command(who: Acting, output: OutputOption = Output.TABLE) -> None:
    """List the samples, and how many of their pairs are open."""
    from projections.reviewing.samples import Samples

    with seated(who, "samples") as seat:
        show(output, [each._asdict() for each in Samples(seat.connection).list()], "samples")


@app.command("next")
@grouped
def next_command(sample: Sample, who: Acting, output: OutputOption = Output.TABLE) -> None:
    """Claim the next pair that needs your answer, and show it side by side. Enters the trail."""
    from contactpoint.reviewing.side_by_side import side_by_side
    from projections.reviewing.samples import Samples

    with seated(who, sample) as seat:
        samples, model = Samples(seat.connection), model_in_use(seat.connection)
        while (item := samples.next(sample, who.by, datetime.now(UTC))) is not None:
            found = side_by_side(seat.connection, model, samples.pair(item), seat.sight)
            if found is None:  # a record is gone, or a shield has been set since
                samples.withdraw(item)
                continue
            fields = [what for what, _, _ in found.values]
            seat.desk.note_view(who.person(ROLE), item.name, found.children, fields)
            told = tell(found, item.name, output)
            if output is Output.JSON:
                show(output, {"item": item.name} | told)
            else:
                console.print(f"answer with: contactpoint sample answer {item.name} same --reason CODE", soft_wrap=True)
            return
    raise RejectedError("nothing_to_do", "no pair of this sample needs your answer now")


@app.command("answer")
@grouped
def answer_command(
    item: Annotated[str, typer.Argument(help="The pair, as `next` named it.", show_default=False)],
    answer: AnswerArgument,
    who: Acting,
    reason: AnswerReason,
    output: OutputOption = Output.TABLE,
) -> None:
    """Answer a pair that you were given. Two people answer without seeing each other's, a third where they differ."""
    from projections.reviewing.desk import Item
    from projections.reviewing.samples import Samples

    with seated(who, item) as seat:
        found = Samples(seat.connection).answer(Item(item), answer, reason, who.by, datetime.now(UTC))
    show(output, {"item": item, "standing": found.standing}, "answered")


@app.command("report")
@grouped
def report_command(sample: Sample, who: Asking, output: OutputOption = Output.TABLE) -> None:
    """Say how many links are right, by weight band with a 95 % interval, and where people contradict linkage."""
    from contactpoint.reviewing.deciding import children_of
    from projections.reviewing.samples import Samples

    with asked(who, "unmasked", "link", sample=sample) as question:
        found = Samples(question.connection).report(sample)
        keys = [key for *_, left, right in found.errors for key in (left, right)]
        question.showing(children_of(question.connection, keys).values(), len(found.errors))
    errors = [dict(zip(("item", "people say", "left", "right"), each, strict=True)) for each in found.errors]
    totals = {
        "precision of links": _interval(found.precision),
        "missed among open questions": _interval(found.missed),
        "agreement of two": None if found.agreement is None else asdict(found.agreement),
    }
    strata = [_line(each) for each in found.strata]
    if output is Output.JSON:
        show(output, {"strata": strata, "errors": errors, **totals})
        return
    show(output, strata, "by weight, bits from the link threshold")
    show(output, totals, "in all")
    show(output, errors, "people contradict linkage")


def _line(each: StratumResult) -> dict[str, Any]:
    return {
        "pairs": "linked" if each.stratum.linked else "open question",
        "weight": each.stratum.bounds,
        "share": round(each.share, 4),
        "sampled": each.sampled,
        "settled": each.settled,
        "cannot tell": each.cannot_tell,
        "one child": _interval(each.same),
    }


def _interval(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {name: round(value, 4) for name, value in found._asdict().items()}
