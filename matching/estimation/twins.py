"""Twins: one surname, one birth date, one home, and another forename.

Each agreement counts as if it came by itself, so together they outweigh the forename: the commonest way to join two
people by mistake. What such a pair is really worth is seen from the labels of training, and becomes an adjustment of
the model (`model.Adjustment`): the log odds of a match that these pairs show, less what their weights alone say.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.sampling import Groups
from matching.linkage import similarity as sim
from matching.linkage.expectation import match_probabilities
from matching.linkage.model import CENTIBITS, NULL_LEVEL, Adjustment, LinkageModel
from matching.linkage.scoring import applies, total_weights

MOST: Final = 1500
"""Centibits that the adjustment takes off at most."""

FEWEST: Final = 10.0
"""Pairs that must be there to learn from."""

_OTHER_FORENAME: Final = (sim.DIFFERENT, sim.NAME_SLIGHT)
_ONE_SURNAME: Final = (sim.NAME_VARIANT, sim.NAME_NEAR, sim.NAME_EXACT)
_ONE_BIRTH: Final = (sim.DATE_VAGUE, sim.DATE_EXACT)
_NOT_SHARED: Final = (NULL_LEVEL, sim.DIFFERENT)


def with_twins_told(model: LinkageModel, groups: Groups, labels: npt.NDArray[np.float64]) -> LinkageModel:
    """Return the model with an adjustment for twins, where the labels of the groups say that their weights mislead.

    Models that hold adjustments already, or lack forename, surname or birth date, are returned as they are.
    """
    by_kind = {kind: c.name for c in reversed(model.comparisons) for kind in (c.kind,)}
    if model.adjustments or not {"given_name", "surname", "date"} <= by_kind.keys():
        return model
    numbers = tuple((c.name, _NOT_SHARED) for c in model.comparisons if c.kind == "identifier")
    born_together = ((by_kind["surname"], _ONE_SURNAME), (by_kind["date"], _ONE_BIRTH), *numbers)
    twins = Adjustment(
        "twins",
        "born on one day with one surname, but forenames that are not alike, and no number in common",
        ((by_kind["given_name"], _OTHER_FORENAME), *born_together),
        0,
    )
    holds = applies(twins, groups.levels, model) & ~groups.known_non_match
    counts = groups.counts[holds]
    if counts.sum() < FEWEST:
        return model
    expected = match_probabilities(total_weights(groups.levels[holds], model))
    weight = _log_odds(labels[holds], counts) - _log_odds(expected, counts)
    taken = max(-MOST, min(0, round(CENTIBITS * weight)))
    return replace(model, adjustments=(replace(twins, weight=taken),)) if taken else model


def _log_odds(probabilities: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> float:
    """Return log2 of the odds that one of these pairs matches, as if one more of each kind had been seen."""
    matches, total = float((probabilities * counts).sum()), float(counts.sum())
    return math.log2((matches + 0.5) / (total - matches + 0.5))
