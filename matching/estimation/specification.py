"""The untrained model of a table: fields by kind, their comparisons, rules proposed from the kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matching.estimation.rules import propose_rules
from matching.linkage.comparisons import untrained_comparison
from matching.linkage.model import Comparison, Field, LinkageModel, SourcePolicy

COMPONENT_CAP: Final = 2000
"""A table is clustered once, so larger components are affordable than in the live pipeline."""

_PRIOR: Final = 1e-4


def untrained_model(description: str, fields: Sequence[Field], policies: Sequence[SourcePolicy] = ()) -> LinkageModel:
    """Return a model of these fields with the m and u of their kinds and every blocking rule that may be of use."""
    return LinkageModel(
        description=description,
        created_on="",
        fields=tuple(fields),
        comparisons=tuple(_comparison(field, fields) for field in fields),
        blocking_rules=propose_rules(fields),
        probability_two_random_records_match=_PRIOR,
        link_threshold=0,
        review_floor=-500,
        source_policies=tuple(policies),
        component_cap=COMPONENT_CAP,
    )


def _comparison(field: Field, fields: Sequence[Field]) -> Comparison:
    """Return the field's comparison; a forename is also compared with the surname, for exchanged names."""
    partner = {"given_name": "surname", "surname": "given_name"}.get(field.kind)
    other = next((f.name for f in fields if f.kind == partner), None)
    return untrained_comparison(field.name, field.kind, (field.name,) if other is None else (field.name, other))
