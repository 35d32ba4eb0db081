"""Training of a linkage model on one table: the three ways, each ending in a model with its threshold.

`train_unsupervised` needs nothing but the table, `train_by_identifiers` identifiers that some records carry,
`train_with_labels` records whose person is known. All are deterministic for a given seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.calibration import calibrated
from matching.estimation.labelled import (
    UNLABELLED,
    Counted,
    corrected_by_identifiers,
    count_labelled,
    expected_beside,
    labels_of_clusters,
    labels_of_pairs,
)
from matching.estimation.lone_text import is_lone_text, label_lone_text
from matching.estimation.ordered import with_dates_in_order
from matching.estimation.probabilities import with_probabilities
from matching.estimation.rules import bounded, needed_rules
from matching.estimation.sampling import (
    Groups,
    TrainingPairs,
    blocked_pairs,
    claimed_elsewhere,
    group,
    random_pairs,
)
from matching.estimation.thresholds import LOWEST, REVIEW_BAND, Judge, choose_threshold, judge_by_pairs, judge_by_truth
from matching.estimation.unsupervised import label_without_truth
from matching.linkage.batch import PairTable, score_by_each
from matching.linkage.columns import RecordColumns
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.operating import OperatingPoint

MOST_PAIRS: Final = 2_000_000
"""Blocked pairs that training looks at."""

RANDOM_PAIRS: Final = 1_000_000

RIDGE_PER_MATCH: Final = 0.01
LEAST_RIDGE: Final = 3.0
"""How strongly calibrated weights are held to those that were counted, in nats for half a squared nat of change."""

SURE: Final = 0.95
"""Match probability from which a pair leaves no place for others in a source that holds each person once."""

EVEN: Final = 0.5
"""Match probability that some pair must exceed, or a table is taken for one without a person recorded twice."""

WORTH_CALIBRATING: Final = 0.004
"""How much expected F1 must gain before calibrated weights are taken: they follow the labels, errors and all."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, how many pairs it learned from, and how many matches it expects among all candidate pairs.

    `scored` are all candidate pairs from the review floor up by this model, and how many were compared.
    """

    model: LinkageModel
    pairs: int
    expected_matches: float
    scored: tuple[PairTable, int] = field(repr=False)

    @property
    def curve(self) -> tuple[OperatingPoint, ...]:
        """What is expected at each threshold that was tried."""
        return self.model.operating_points

    @property
    def expected(self) -> OperatingPoint:
        """What is expected at the threshold that was chosen."""
        return next(point for point in self.curve if point.threshold == self.model.link_threshold)


def train_unsupervised(
    columns: RecordColumns, model: LinkageModel, *, seed: int = 1, on: date, progress: Progress | None = None
) -> Trained:
    """Train an untrained model on a table without labels (`unsupervised`)."""
    say = progress or _silent
    model, pairs, groups = _prepare(columns, model, seed, say)
    counted, groups = _guess(columns, model, pairs, groups, seed, say)
    return _finish(columns, _described(model, "unsupervised", on, seed), pairs, groups, counted, say)


def train_by_identifiers(
    columns: RecordColumns,
    model: LinkageModel,
    *,
    seed: int = 1,
    on: date,
    progress: Progress | None = None,
    dates_in_order: bool = False,
) -> Trained:
    """Train without labels, but let agreement of identifiers overrule (`labelled.corrected_by_identifiers`).

    `dates_in_order`: no date weighs less than one that agrees less (`ordered`).
    """
    say = progress or _silent
    model, pairs, groups = _prepare(columns, model, seed, say)
    guessed, groups = _guess(columns, model, pairs, groups, seed, say)
    counted = corrected_by_identifiers(model, pairs, guessed)
    described = _described(model, "identifiers", on, seed)
    return _finish(columns, described, pairs, groups, counted, say, dates_in_order=dates_in_order)


def train_with_labels(
    columns: RecordColumns,
    model: LinkageModel,
    clusters: Indices,
    *,
    seed: int = 1,
    on: date,
    progress: Progress | None = None,
) -> Trained:
    """Train on records whose person is known: `clusters` holds a number for each, or UNLABELLED."""
    say = progress or _silent
    model, pairs, groups = _prepare(columns, model, seed, say)
    say("counting m and u")
    labels = labels_of_clusters(pairs.left, pairs.right, clusters)
    counted = count_labelled(model, pairs, labels)
    taken = pairs.known_non_match | claimed_elsewhere(columns, pairs, counted.labels, model, SURE)
    expected = expected_beside(pairs, labels, counted.probabilities, taken)
    judges = judge_by_truth(clusters, UNLABELLED), judge_by_pairs(pairs.left, pairs.right, expected)
    return _finish(columns, _described(model, "labels", on, seed), pairs, groups, counted, say, judges)


def train_with_pairs(
    columns: RecordColumns,
    model: LinkageModel,
    labelled: tuple[Indices, Indices, npt.NDArray[np.bool_]],
    *,
    seed: int = 1,
    on: date,
    progress: Progress | None = None,
) -> Trained:
    """Train on labelled pairs: the rows of both records, and whether they are one person.

    Raises ConfigurationError when blocking brings none of them together, or only matches, or none.
    """
    say = progress or _silent
    model, pairs, groups = _prepare(columns, model, seed, say)
    say("counting m and u")
    counted = count_labelled(model, pairs, labels_of_pairs(pairs.left, pairs.right, *labelled))
    return _finish(columns, _described(model, "labelled pairs", on, seed), pairs, groups, counted, say)


def _prepare(
    columns: RecordColumns, model: LinkageModel, seed: int, say: Progress
) -> tuple[LinkageModel, TrainingPairs, Groups]:
    say("blocking")
    columns.spread()
    model = bounded(columns, model)
    say("comparing")
    pairs = blocked_pairs(columns, model, MOST_PAIRS, seed)
    return model, pairs, group(pairs)


def _guess(
    columns: RecordColumns, model: LinkageModel, pairs: TrainingPairs, groups: Groups, seed: int, say: Progress
) -> tuple[Counted, Groups]:
    """Train without labels; return the label of every pair, and the pairs grouped with all that bars them.

    Where sources hold each person once, a second round knows which pairs the sure matches of the first rule out.
    """
    say("estimating m and u")
    if is_lone_text(model):
        found, groups = label_lone_text(columns, model, pairs, groups)
        return Counted(found.probabilities, found.prior, found.labels), groups
    randoms = random_pairs(columns, model, RANDOM_PAIRS, seed)
    found = label_without_truth(model, pairs, groups, randoms, seed)
    labels, prior = found.labels, found.prior
    claimed = claimed_elsewhere(columns, pairs, labels, model, SURE)
    if claimed.any():
        barred = group(replace(pairs, known_non_match=pairs.known_non_match | claimed))
        found = label_without_truth(model, pairs, barred, randoms, seed)
        labels = found.labels
        if all(policy.unique == "hard" for policy in model.source_policies):
            groups, prior = barred, found.prior
        else:  # clustering does not bar them, so they count in what a weight is worth
            prior = float(labels.mean())
    return Counted(found.probabilities, prior, labels), groups


def _finish(
    columns: RecordColumns,
    model: LinkageModel,
    pairs: TrainingPairs,
    groups: Groups,
    counted: Counted,
    say: Progress,
    judges: tuple[Judge, ...] = (),
    *,
    dates_in_order: bool = False,
) -> Trained:
    """Drop rules that add nothing, choose the threshold, and calibrate the weights where that is clearly worth it."""
    of_groups = groups.mean(counted.labels)
    kept = needed_rules(groups, of_groups, len(model.blocking_rules))
    rules = tuple(model.blocking_rules[i] for i in kept) or model.blocking_rules
    lean = replace(model, blocking_rules=rules, stop_keys=())
    plain = bounded(columns, with_probabilities(lean, counted.probabilities, counted.prior))
    ridge = max(LEAST_RIDGE, RIDGE_PER_MATCH * float(counted.labels.sum()))
    fitted = calibrated(groups, of_groups, counted.probabilities, counted.prior, ridge)
    say("choosing the threshold")
    nobody = not judges and 0.0 < counted.labels.max(initial=0.0) <= EVEN
    judges = judges or (judge_by_pairs(pairs.left, pairs.right, counted.labels),)
    matches = float(counted.labels.sum() / pairs.share)
    models = plain, with_probabilities(plain, fitted.probabilities, fitted.prior)
    if dates_in_order:
        models = with_dates_in_order(models[0]), with_dates_in_order(models[1])
    tables, compared = score_by_each(columns, models, LOWEST - REVIEW_BAND, beside=True)
    as_counted, as_calibrated = (
        Trained(choose_threshold(columns, each, scored, judges, nobody=nobody), len(pairs), matches, (scored, compared))
        for each, scored in zip(models, tables, strict=True)
    )
    better = as_calibrated.expected.value - as_counted.expected.value > WORTH_CALIBRATING
    return as_calibrated if better else as_counted


def _described(model: LinkageModel, method: str, on: date, seed: int) -> LinkageModel:
    notes = {"trained": method, "seed": str(seed)}
    return replace(model, description=f"{model.description}, trained: {method}", created_on=on.isoformat(), notes=notes)


def _silent(_: str) -> None:
    """Say nothing."""
