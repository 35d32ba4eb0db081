"""Training from labels: pairs whose truth is known, or pairs labelled by the identifiers they carry.

m and u are counted on *blocked* pairs. u is then that of the records that a model will really be asked about (siblings
and namesakes), not that of strangers; on children's records this is worth ten points of F1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.em import posteriors
from matching.estimation.probabilities import (
    Probabilities,
    estimate,
    level_table,
    log_ratios,
    starting_probabilities,
)
from matching.estimation.sampling import TrainingPairs
from matching.linkage.candidates import encode_pairs
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.similarity import DIFFERENT, IDENTIFIER_EXACT
from schemas.errors import ConfigurationError

Labels = npt.NDArray[np.float64]

UNLABELLED: Final = -1
"""The cluster number of a record whose person is not known."""

_AGREE_PURITY: Final = 0.98  # of pairs that share an identifier (measured on simulated children: .978)
_DIFFER_PURITY: Final = 0.002
_LEAST_SHARE: Final = 1e-6
_MOST_LOG_ODDS: Final = 300.0
_STEPS: Final = 300
_SETTLED: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Counted:
    """m, u and the share of matches, and the label of every training pair (from the model where none was given)."""

    probabilities: Probabilities
    prior: float
    labels: Labels


def labels_of_clusters(left: Indices, right: Indices, clusters: Indices) -> Labels:
    """Return 1.0 for pairs of one cluster, 0.0 for pairs of two, nan where either record is UNLABELLED."""
    labels: Labels = (clusters[left] == clusters[right]).astype(np.float64)
    labels[(clusters[left] == UNLABELLED) | (clusters[right] == UNLABELLED)] = np.nan
    return labels


def labels_of_pairs(
    left: Indices, right: Indices, first: Indices, second: Indices, match: npt.NDArray[np.bool_]
) -> Labels:
    """Return 1.0 or 0.0 for the pairs (left, right) that are among the labelled ones (first, second), nan for others.

    Raises ConfigurationError unless both matches and non-matches are among them.
    """
    codes = encode_pairs(np.minimum(first, second), np.maximum(first, second))
    order = np.argsort(codes, kind="stable")
    wanted = encode_pairs(left, right)
    at = np.minimum(np.searchsorted(codes[order], wanted), max(0, len(codes) - 1))
    found = codes[order][at] == wanted if len(codes) else np.zeros(len(wanted), dtype=bool)
    labels = np.full(len(wanted), np.nan)
    labels[found] = match[order][at[found]]
    if not ((labels == 1.0).any() and (labels == 0.0).any()):
        message = "training needs labelled pairs of both kinds, matches and non-matches, that share a blocking key"
        raise ConfigurationError(message)
    return labels


def labels_of_identifiers(pairs: TrainingPairs, model: LinkageModel) -> Labels:
    """Return labels by identifiers: one agrees and none differs, one differs and none agrees or is close, else nan."""
    identifiers = identifier_columns(model)
    levels = pairs.levels[:, identifiers]
    agree, differ = (levels == IDENTIFIER_EXACT).any(axis=1), (levels == DIFFERENT).any(axis=1)
    close = ((levels > DIFFERENT) & (levels < IDENTIFIER_EXACT)).any(axis=1)
    labels = np.full(len(pairs), np.nan)
    labels[agree & ~differ] = _AGREE_PURITY
    labels[differ & ~agree & ~close] = _DIFFER_PURITY
    labels[pairs.known_non_match] = 0.0
    return labels


def identifier_columns(model: LinkageModel) -> npt.NDArray[np.bool_]:
    """Tell which comparisons of a model compare identifiers."""
    return np.array([comparison.kind == "identifier" for comparison in model.comparisons], dtype=bool)


def count_labelled(model: LinkageModel, pairs: TrainingPairs, labels: Labels) -> Counted:
    """Return m, u and prior counted on the labelled pairs; pairs without a label get the model's own probability."""
    start = starting_probabilities(model)
    known = ~np.isnan(labels)
    probabilities = _count(pairs, labels, known, start)
    prior = float(np.clip(labels[known].mean() if known.any() else 0.5, 1e-6, 1.0 - 1e-6))
    everything = np.ones(len(start.m), dtype=bool)
    return Counted(
        probabilities, prior, np.where(known, labels, posteriors(pairs.levels, probabilities, prior, everything))
    )


def expected_beside(
    pairs: TrainingPairs, labels: Labels, counted: Probabilities, barred: npt.NDArray[np.bool_]
) -> Labels:
    """Return the labels, and for pairs without one what m and u let expect of them; `barred` ones do not match.

    The share of matches is that of the unlabelled pairs themselves (EM with nothing else unknown): of the pairs that
    match a sample of people holds its share, of the others the square of that. And among pairs that no surer match
    rules out a modest weight means more than among all.
    """
    unknown = np.flatnonzero(np.isnan(labels) & ~barred)
    log_odds = log_ratios(counted)[np.arange(len(counted.m)), pairs.levels[unknown]].sum(axis=1)
    expected = np.nan_to_num(labels, nan=0.0)
    expected[unknown] = _matching(np.exp(np.clip(log_odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)))
    return expected


def _matching(ratios: npt.NDArray[np.float64]) -> Labels:
    """Return the match probabilities of pairs with these likelihood ratios, of whom nothing else is known."""
    share = 0.5
    probabilities = np.empty(0)
    for _ in range(_STEPS):
        probabilities = share * ratios / (share * ratios + 1.0 - share)
        updated = float(np.clip(probabilities.mean() if len(ratios) else share, _LEAST_SHARE, 1.0 - _LEAST_SHARE))
        if abs(updated - share) < _SETTLED * updated:
            break
        share = updated
    return probabilities


def corrected_by_identifiers(model: LinkageModel, pairs: TrainingPairs, guessed: Counted) -> Counted:
    """Return m, u and prior where identifiers overrule the guessed label of a pair.

    Few pairs carry a number of one kind on both sides, and those that do are not like the rest; so the other pairs keep
    the label that unsupervised training gave them. The identifiers' own m and u stay as guessed: they made the labels.
    """
    start = starting_probabilities(model)
    by_number = labels_of_identifiers(pairs, model)
    labels = np.where(np.isnan(by_number), guessed.labels, by_number)
    counted = _count(pairs, labels, np.ones(len(pairs), dtype=bool), start)
    identifiers = identifier_columns(model)[:, None]
    probabilities = Probabilities(
        np.where(identifiers, guessed.probabilities.m, counted.m),
        np.where(identifiers, guessed.probabilities.u, counted.u),
    )
    return Counted(probabilities, float(np.clip(labels.mean(), 1e-6, 1.0 - 1e-6)), labels)


def _count(pairs: TrainingPairs, labels: Labels, which: npt.NDArray[np.bool_], start: Probabilities) -> Probabilities:
    levels, given = pairs.levels[which], labels[which]
    return Probabilities(
        estimate(level_table(levels, given), start.m), estimate(level_table(levels, 1.0 - given), start.u)
    )
