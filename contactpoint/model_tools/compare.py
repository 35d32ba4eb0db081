"""Two models side by side: what each level is worth, where the thresholds are, which rules block."""

from __future__ import annotations

from typing import Any

from matching.linkage.model import CENTIBITS, ComparisonLevel, LinkageModel

Row = dict[str, Any]


def compare_models(one: LinkageModel, other: LinkageModel) -> dict[str, list[Row]]:
    """Return what differs and what does not: facts, comparison levels, blocking rules, source policies.

    In every row `a` stands for the first model and `b` for the second, None where it has no such thing; weights are in
    bits.
    """
    return {
        "facts": _facts(one, other),
        "levels": _levels(one, other),
        "blocking rules": _named(
            {rule.name: " + ".join(rule.parts) for rule in one.blocking_rules},
            {rule.name: " + ".join(rule.parts) for rule in other.blocking_rules},
        ),
        "sources": _named(
            {each.source: f"{each.unique}, {each.penalty / CENTIBITS:g}" for each in one.source_policies},
            {each.source: f"{each.unique}, {each.penalty / CENTIBITS:g}" for each in other.source_policies},
        ),
    }


def _facts(one: LinkageModel, other: LinkageModel) -> list[Row]:
    left, right = _facts_of(one), _facts_of(other)
    return [{"fact": name, "a": left[name], "b": right[name], "differs": left[name] != right[name]} for name in left]


def _facts_of(model: LinkageModel) -> Row:
    expected = next((p for p in model.operating_points if p.threshold == model.link_threshold), None)
    return {
        "model": model.model_id,
        "created on": model.created_on,
        "description": model.description,
        "fields": ", ".join(field.name for field in model.fields),
        "prior (bits)": model.prior_weight / CENTIBITS,
        "link threshold (bits)": model.link_threshold / CENTIBITS,
        "cluster threshold (bits)": model.mean_threshold / CENTIBITS,
        "review floor (bits)": model.review_floor / CENTIBITS,
        "component cap": model.component_cap,
        "stop keys": len(model.stop_keys),
        "expected precision": None if expected is None else round(expected.precision, 6),
        "expected recall": None if expected is None else round(expected.recall, 6),
    }


def _levels(one: LinkageModel, other: LinkageModel) -> list[Row]:
    left, right = _levels_of(one), _levels_of(other)
    return [_level(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]


def _levels_of(model: LinkageModel) -> dict[tuple[str, str], ComparisonLevel]:
    return {(c.name, level.label): level for c in model.comparisons for level in c.levels[1:]}


def _level(name: tuple[str, str], a: ComparisonLevel | None, b: ComparisonLevel | None) -> Row:
    weights = [None if level is None else level.match_weight / CENTIBITS for level in (a, b)]
    change = None if weights[0] is None or weights[1] is None else round(weights[1] - weights[0], 2)
    return {
        "comparison": name[0],
        "level": name[1],
        "m a": a and a.m_probability,
        "m b": b and b.m_probability,
        "u a": a and a.u_probability,
        "u b": b and b.u_probability,
        "weight a": weights[0],
        "weight b": weights[1],
        "change": change,
    }


def _named(left: Row, right: Row) -> list[Row]:
    return [
        {"name": name, "a": left.get(name), "b": right.get(name), "differs": left.get(name) != right.get(name)}
        for name in dict.fromkeys([*left, *right])
    ]
