"""`contactpoint link`: read, train or load the model, link, write. The core and the training are the live ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import field as dataclass_field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from contactpoint.table_link.advice import expectations, too_often, warnings_of
from contactpoint.table_link.blocks import StoppedRule, stopped_blocks, within_budget
from contactpoint.table_link.by_words import ENOUGH, read_by_words
from contactpoint.table_link.config import LinkConfig, TrainConfig, load_link_config
from contactpoint.table_link.guess import Guess, config_text
from contactpoint.table_link.inputs import guessed_table, read_table
from contactpoint.table_link.reading import Table, texts
from contactpoint.table_link.repeats import Repeats, repeats_of
from contactpoint.table_link.table import Grounds, birth_order_marks, read_pairs, record_ids, table_columns
from contactpoint.table_link.why import Linked, Pair, PairAnswer, rows_of
from contactpoint.table_link.writing import check_outputs, write_clusters, write_pairs, write_text
from matching.estimation.labelled import UNLABELLED
from matching.estimation.specification import untrained_model
from matching.estimation.training import (
    Trained,
    train_by_identifiers,
    train_unsupervised,
    train_with_labels,
    train_with_pairs,
)
from matching.linkage.batch import LinkedTable, link_all
from matching.linkage.columns import RecordColumns
from matching.linkage.model import CENTIBITS, Field, LinkageModel, SourcePolicy, TwinRule
from matching.linkage.model_json import dump_model
from matching.linkage.scoring import match_probability
from matching.stage.model_file import read_model
from schemas.errors import ConfigurationError

Progress = Callable[[str], None]
"""Is told in a few words what a run does now."""

_UNIQUE = {"yes": "hard", "mostly": "soft", "no": "none"}


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What a run did; precision and recall are what training expects at the threshold, None with a given model.

    `training_pairs` are the pairs that training looked at: all, or a sample of them where they are many.
    `record_id` and `source` are the columns of these; `columns` says what each field was taken for, `left_out` why a
    column was not compared. `repeats` are the records beyond the first few that equal others in everything and follow
    them; they count in no pairs or matches. `stopped_blocks` are the rules with blocks too large to be compared;
    `dates` say how columns of dates were read, and why.
    """

    records: int
    clusters: int
    largest_cluster: int
    compared_pairs: int
    scored_pairs: int
    training_pairs: int | None
    model: str
    threshold_bits: float
    expected_precision: float | None
    expected_recall: float | None
    expected_matches: float | None = None
    repeats: int = 0
    stopped_blocks: tuple[StoppedRule, ...] = ()
    dates: tuple[str, ...] = ()
    record_id: str = ""
    source: str | None = None
    warnings: tuple[str, ...] = ()
    columns: dict[str, str] = dataclass_field(default_factory=dict)
    left_out: dict[str, str] = dataclass_field(default_factory=dict)
    explanation: PairAnswer | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, the explanation only where one was asked for."""
        told = {name: value for name, value in asdict(self).items() if name != "explanation"}
        return told | ({"explanation": self.explanation.as_dict()} if self.explanation else {})


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files to write: clusters, scored pairs, the trained model, and the LINK.toml that was used."""

    clusters: Path
    pairs: Path | None = None
    model: Path | None = None
    config: Path | None = None


def run_link(
    sources: Sequence[Path],
    config: Path | None,
    outputs: Outputs,
    progress: Progress,
    *,
    model: Path | None = None,
    explain: Pair | None = None,
) -> LinkReport:
    """Link the tables in `sources` as `config` says, and write `outputs`.

    Without `config` what the columns hold is guessed. `model` is a model file to link with, instead of training.
    `explain` names two rows by their record ids: why they are in one cluster, or not. Raises ConfigurationError that
    names the file and the key or column, and what is there or allowed.
    """
    named = {"--out": outputs.clusters, "--pairs": outputs.pairs, "--save-model": outputs.model}
    check_outputs({**named, "--save-config": outputs.config}, [*sources, config, model])
    progress("reading")
    if config is not None:
        guess = Guess(load_link_config(config), {})
        table = read_table(sources, guess.config)
    else:
        table, guess = guessed_table(sources)
    settings = guess.config
    asked = rows_of(texts(table, settings.record_id), explain, settings.record_id) if explain else None
    if model is not None:
        settings = settings.model_copy(update={"model": model, "train": None})
    linked = link_table(table, settings, progress)
    if config is None and model is None:
        settings, linked = _best_reading(table, settings, linked, progress)
    progress("writing")
    if outputs.config is not None:
        write_text(outputs.config, config_text(settings if model is None else guess.config))
    write_clusters(outputs.clusters, table, settings, linked.outcome.clusters)
    if outputs.pairs is not None:
        write_pairs(outputs.pairs, _pair_columns(record_ids(table, settings), linked.outcome, linked.model))
    if outputs.model is not None:
        write_text(outputs.model, dump_model(linked.model))
    report = _report(table, settings, linked)
    return replace(
        report,
        warnings=(*guess.notes, *report.warnings),
        left_out=guess.left_out,
        explanation=linked.explain(asked) if asked else None,
    )


def _best_reading(table: Table, config: LinkConfig, linked: Linked, progress: Progress) -> tuple[LinkConfig, Linked]:
    """Return how a table that nobody has described is read best, and linked so: where little is expected, by words."""
    if linked.expected >= ENOUGH or (words := read_by_words(table, config)) is None:
        return config, linked
    progress("reading texts by their words")
    again = link_table(table, words, progress)
    return (words, again) if again.expected > linked.expected else (config, linked)


def _report(table: Table, settings: LinkConfig, linked: Linked) -> LinkReport:
    outcome, model, trained = linked.outcome, linked.model, linked.trained
    sizes = np.unique(outcome.clusters, return_counts=True)[1]
    largest = int(sizes.max(initial=0))
    stopped = stopped_blocks(linked.columns, model)
    warnings = warnings_of(table, settings, linked.columns, model)
    warnings += expectations(model, trained, largest, outcome.resolution.oversize)
    warnings += too_often(settings.source, linked.most_precision)
    doubts = [each.words(name) for name, grounds in linked.dates.items() for each in grounds if each.doubtful]
    return LinkReport(
        records=len(linked.columns),
        clusters=len(sizes),
        largest_cluster=largest,
        compared_pairs=outcome.compared_pairs,
        scored_pairs=len(outcome.pairs.left),
        training_pairs=trained.pairs if trained else None,
        model=model.model_id,
        threshold_bits=model.link_threshold / CENTIBITS,
        expected_precision=trained.expected.precision if trained else None,
        expected_recall=trained.expected.recall if trained else None,
        expected_matches=round(trained.expected_matches, 1) if trained else None,
        repeats=linked.repeats.following,
        stopped_blocks=stopped.rules,
        dates=tuple(each.words(name) for name, grounds in linked.dates.items() for each in grounds),
        record_id=settings.record_id,
        source=settings.source,
        warnings=(*warnings, *stopped.warnings(), *doubts),
        columns={name: field.kind for name, field in settings.fields.items()},
    )


def link_table(table: Table, config: LinkConfig, progress: Progress) -> Linked:
    """Link a table in memory."""
    trained = None
    model = untrained(config) if config.model is None else read_model(config.model)
    progress("folding values")
    grounds: Grounds = {}
    columns = table_columns(table, config, model, grounds)
    marks = birth_order_marks(table, config)
    repeats = repeats_of(columns, model, marks)
    few = repeats.taken(columns, model)
    ids = texts(table, config.record_id)
    if config.model is None:
        trained = _train(table, few, repeats, model, config.train or TrainConfig(), ids, progress)
        model = trained.model
    else:
        model = within_budget(few, model)
    outcome = link_all(
        few,
        model,
        keys=[ids[row] for row in repeats.rows.tolist()],
        progress=lambda done: progress(f"comparing, {done:,} pairs"),
        verified=None if marks is None else marks[repeats.rows],
        scored=trained.scored if trained else None,
        beside=True,
    )
    return Linked(repeats.followed(outcome), model, trained, columns, ids, marks, repeats, grounds)


def untrained(config: LinkConfig) -> LinkageModel:
    """Return the model that a configuration asks for, before training; raise ConfigurationError for what cannot be."""
    fields = [Field(name, field.kind) for name, field in config.fields.items()]
    unique = _UNIQUE[config.unique_in_source]
    policies = [SourcePolicy("*", unique)] if unique != "none" else []  # type: ignore[arg-type] # keyed by a Literal
    model = untrained_model("table", fields, policies)
    told = config.unique_in_source != "no" or config.birth_order is not None
    if config.keep_twins_apart is False or not (config.keep_twins_apart or told):
        return model
    rule = _twin_rule(fields, by_name=bool(config.keep_twins_apart))
    if rule is None and not config.keep_twins_apart:
        return model
    if rule is None:
        message = "keep_twins_apart needs a given_name, one surname, one date, and a postcode or an address"
        raise ConfigurationError(message)
    return replace(model, twins=rule)


def _twin_rule(fields: list[Field], *, by_name: bool) -> TwinRule | None:
    """Return the rule that keeps children born together apart, where the table has what it takes to see them."""
    named = {kind: [field.name for field in fields if field.kind == kind] for kind in {field.kind for field in fields}}
    places = (*named.get("postcode", ()), *named.get("address", ()))
    if not (places and "given_name" in named and all(len(named.get(kind, ())) == 1 for kind in ("surname", "date"))):
        return None
    given, surname, born = (named[kind][0] for kind in ("given_name", "surname", "date"))  # middle names come after
    return TwinRule(born, surname, given, places, tuple(named.get("identifier", ())), by_name)


def _train(
    table: Table,
    columns: RecordColumns,
    repeats: Repeats,
    model: LinkageModel,
    train: TrainConfig,
    ids: list[str],
    progress: Progress,
) -> Trained:
    """Train on the rows that are linked themselves; `columns` are theirs, `table` and `ids` of all rows."""
    today = date.today()  # noqa: DTZ011 - the day on the user's calendar names the model
    if train.method == "unsupervised":
        return train_unsupervised(columns, model, seed=train.seed, on=today, progress=progress)
    if train.method == "identifiers":
        return train_by_identifiers(columns, model, seed=train.seed, on=today, progress=progress)
    if train.person is not None:
        people = _people(texts(table, train.person))[repeats.rows]
        return train_with_labels(columns, model, people, seed=train.seed, on=today, progress=progress)
    left, right, match = read_pairs(train.pairs or Path(), ids)
    first, second = repeats.first[np.array(left, np.int64)], repeats.first[np.array(right, np.int64)]
    said = first != second  # of a row and the one it follows there is nothing to learn
    labelled = (first[said], second[said], np.array(match, dtype=bool)[said])
    return train_with_pairs(columns, model, labelled, seed=train.seed, on=today, progress=progress)


def _people(names: list[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a number for each person, UNLABELLED where the name is missing."""
    numbers: dict[str, int] = {}
    coded = [numbers.setdefault(name, len(numbers)) if name else UNLABELLED for name in names]
    return np.array(coded, np.int64)


def _pair_columns(ids: Table, linked: LinkedTable, model: LinkageModel) -> dict[str, Any]:
    """Return the scored pairs as columns: ids, weight in bits, probability, and each comparison's level in words."""
    pairs = linked.pairs
    columns: dict[str, Any] = {
        "left": ids.take(pairs.left),
        "right": ids.take(pairs.right),
        "match_weight": pairs.weights / CENTIBITS,
        "match_probability": [match_probability(weight) for weight in pairs.weights.tolist()],
        "together": linked.clusters[pairs.left] == linked.clusters[pairs.right],
    }
    for place, comparison in enumerate(model.comparisons):
        words = np.array([level.label for level in comparison.levels], dtype=object)
        columns[comparison.name] = words[pairs.levels[:, place]].tolist()
    return columns
