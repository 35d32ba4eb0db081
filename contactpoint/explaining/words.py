"""Explanations of links that hold: what the trail and the matching tables know, in the words of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from contactpoint.explaining.sight import EVERYTHING, Sight, aliases, withhold_link, withhold_pair
from matching.linkage.explain import Explanation, explain_levels
from matching.linkage.model import CENTIBITS, LinkageModel
from matching.stage.explain import explain_link
from projections.audit_trail.explanation import ComparisonInWords, PlainVocabulary
from projections.audit_trail.reader import AuditReader
from schemas.errors import RejectedError

PRIOR = "two records that a blocking rule brings together, before they are compared"


class ModelVocabulary:
    """Says what level codes mean, in the words of this model; of another model it knows only the codes."""

    def __init__(self, model: LinkageModel) -> None:
        self._model = model

    def describe(self, model: str, levels: Sequence[int]) -> list[ComparisonInWords]:
        """Return one finding a comparison."""
        if model != self._model.model_id:
            return PlainVocabulary().describe(model, levels)
        return [ComparisonInWords(**row) for row in findings(explain_levels(self._model, levels))]


def findings(pair: Explanation) -> list[dict[str, Any]]:
    """Return what was found, a row a comparison: its name, the level in words and the weight in bits."""
    rows = [("prior", PRIOR, pair.prior_weight)]
    rows += [(row.comparison, row.level, row.match_weight) for row in pair.rows]
    rows += [(each.name, each.label, each.weight) for each in pair.adjustments]
    return [{"comparison": name, "finding": words, "weight": weight / CENTIBITS} for name, words, weight in rows]


def explain_child(
    connection: Connection[TupleRow], model: LinkageModel, child_number: str, sight: Sight = EVERYTHING
) -> dict[str, Any]:
    """Return why the records of a child are one child, as plain values; raise RejectedError for an unknown number."""
    found = AuditReader(connection).explain(child_number, ModelVocabulary(model))
    if found is None:
        raise RejectedError("child_unknown", f"the audit trail does not know the child number {child_number}")
    plain = asdict(found)
    if not sight.hides(found.members):
        return plain
    names = aliases(found.members)
    links = {kind: [withhold_link(link, model, names) for link in plain[kind]] for kind in ("links", "others")}
    return plain | links | {kind: [names[key] for key in plain[kind]] for kind in ("members", "unlinked")}


def explain_pair(
    connection: Connection[TupleRow], model: LinkageModel, left: str, right: str, sight: Sight = EVERYTHING
) -> dict[str, Any]:
    """Compare two records as they stand now: each comparison's level and weight in bits, the total and the decision."""
    sight.keep_apart((left, right))
    found = explain_link(connection, model, left, right)
    pair = found.explanation
    told = {
        "left": left,
        "right": right,
        "children": [found.left_child, found.right_child],
        "together": found.together,
        "findings": findings(pair),
        "weight": pair.total / CENTIBITS,
        "probability": pair.match_probability,
        "threshold": pair.link_threshold / CENTIBITS,
        "decision of this pair alone": pair.decision,
        "kept apart by": None if found.apart is None else f"the twins rule: {found.apart}",
        "model": pair.model_id,
    }
    return withhold_pair(told, model) if sight.hides((left, right)) else told
