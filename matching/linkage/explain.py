"""Why two records are, or are not, one child: the comparison laid out row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matching.linkage.columns import columns_of
from matching.linkage.comparisons import compare
from matching.linkage.model import CENTIBITS, LinkageModel
from matching.linkage.scoring import match_probability, total_weights


@dataclass(frozen=True, slots=True)
class ExplanationRow:
    """One comparison: the level observed in words, its m and u, and the centibits that it adds."""

    comparison: str
    level: str
    level_code: int
    m_probability: float
    u_probability: float
    match_weight: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A pair's comparisons in the model's order. `total` = `prior_weight` + the weights of rows, in centibits."""

    model_id: str
    prior_weight: int
    rows: tuple[ExplanationRow, ...]
    total: int
    match_probability: float
    link_threshold: int
    review_floor: int

    @property
    def decision(self) -> str:
        """What Fellegi and Sunter's rule says of this pair alone; clustering may still decide otherwise."""
        if self.total >= self.link_threshold:
            return "link"
        return "possible link" if self.total >= self.review_floor else "non-link"

    def as_text(self) -> str:
        """Return the explanation as lines for a terminal, weights in bits."""
        width = max(len(row.comparison) for row in self.rows)
        lines = [f"{'prior':<{width}}  {self.prior_weight / CENTIBITS:+7.2f}"]
        lines += [f"{r.comparison:<{width}}  {r.match_weight / CENTIBITS:+7.2f}  {r.level}" for r in self.rows]
        outcome = f"{self.decision}: probability {self.match_probability:.6f}"
        limits = f"threshold {self.link_threshold / CENTIBITS:+.2f}, model {self.model_id}"
        lines.append(f"{'total':<{width}}  {self.total / CENTIBITS:+7.2f}  {outcome}, {limits}")
        return "\n".join(lines)


def explain_levels(model: LinkageModel, levels: Sequence[int]) -> Explanation:
    """Explain a pair from its level codes, one for each comparison of the model."""
    rows = tuple(
        ExplanationRow(
            comparison.name,
            comparison.levels[code].label,
            code,
            comparison.levels[code].m_probability,
            comparison.levels[code].u_probability,
            comparison.levels[code].match_weight,
        )
        for comparison, code in zip(model.comparisons, levels, strict=True)
    )
    total = int(total_weights(np.array([levels], np.int8), model)[0])
    return Explanation(
        model.model_id,
        model.prior_weight,
        rows,
        total,
        match_probability(total),
        model.link_threshold,
        model.review_floor,
    )


def explain_pair(model: LinkageModel, left: Sequence[str], right: Sequence[str]) -> Explanation:
    """Explain a pair from the values of both records in field order."""
    columns = columns_of(model, [left, right], ["", ""])
    levels = compare(columns, np.array([0]), np.array([1]), model)
    return explain_levels(model, levels[0].tolist())


def hidden_comparisons(model: LinkageModel, visible: frozenset[str]) -> frozenset[str]:
    """Return the comparisons that read any field but these, so that a level would tell about it."""
    return frozenset(each.name for each in model.comparisons if not set(each.fields) <= visible)
