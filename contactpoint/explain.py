"""Explanations for people: what the trail and the matching tables know, in the words of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from matching.linkage.explain import explain_levels
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
        found = explain_levels(self._model, levels)
        words = [ComparisonInWords("prior", PRIOR, found.prior_weight / CENTIBITS)]
        words += [ComparisonInWords(row.comparison, row.level, row.match_weight / CENTIBITS) for row in found.rows]
        return words + [ComparisonInWords(each.name, each.label, each.weight / CENTIBITS) for each in found.adjustments]


def explain_child(connection: Connection[TupleRow], model: LinkageModel, child_number: str) -> dict[str, Any]:
    """Return why the records of a child are one child, as plain values; raise RejectedError for an unknown number."""
    found = AuditReader(connection).explain(child_number, ModelVocabulary(model))
    if found is None:
        raise RejectedError("child_unknown", f"the audit trail does not know the child number {child_number}")
    return asdict(found)


def explain_pair(connection: Connection[TupleRow], model: LinkageModel, left: str, right: str) -> dict[str, Any]:
    """Compare two records as they stand now: each comparison's level and weight in bits, the total and the decision."""
    found = explain_link(connection, model, left, right)
    pair = found.explanation
    findings: list[dict[str, Any]] = [
        {"comparison": "prior", "finding": PRIOR, "weight": pair.prior_weight / CENTIBITS}
    ]
    findings += [
        {"comparison": row.comparison, "finding": row.level, "weight": row.match_weight / CENTIBITS}
        for row in pair.rows
    ]
    findings += [
        {"comparison": each.name, "finding": each.label, "weight": each.weight / CENTIBITS} for each in pair.adjustments
    ]
    return {
        "left": left,
        "right": right,
        "children": [found.left_child, found.right_child],
        "together": found.together,
        "findings": findings,
        "weight": pair.total / CENTIBITS,
        "probability": pair.match_probability,
        "threshold": pair.link_threshold / CENTIBITS,
        "decision of this pair alone": pair.decision,
        "model": pair.model_id,
    }
