"""The form in which models are kept: readable JSON, checked against the model's id."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from matching.linkage.model import (
    BlockingRule,
    Comparison,
    ComparisonLevel,
    Field,
    LinkageModel,
    Sign,
    SourcePolicy,
    TwinRule,
)
from matching.linkage.operating import OperatingPoint
from schemas.errors import ConfigurationError


def dump_model(model: LinkageModel) -> str:
    """Return the model's JSON form, with its id, ending in a newline."""
    content = {"model_id": model.model_id, **asdict(model)}
    content["stop_keys"] = [f"{key:016x}" for key in model.stop_keys]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def load_model(text: str, place: str = "model") -> LinkageModel:
    """Read a model from its JSON form. `place` (a file name) is named in errors.

    Raises ConfigurationError if the text is not a model, is not the model that its `model_id` names, or has no rules.
    """
    try:
        content = json.loads(text)
        stated = content.pop("model_id", None)
        model = _from_json(content)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        msg = f"{place} is not a linkage model: {type(exc).__name__}: {exc}"
        raise ConfigurationError(msg) from exc
    if stated not in (None, model.model_id):
        msg = f"{place} says model_id {stated!r} but its content is {model.model_id!r}: it was edited after training"
        raise ConfigurationError(msg)
    if not model.blocking_rules:
        msg = f"{place} has no blocking rules: no two records would ever be compared"
        raise ConfigurationError(msg)
    return model


def _from_json(content: dict[str, Any]) -> LinkageModel:
    if content.pop("adjustments", ()):
        raise ValueError("it adjusts the weights of twins, as the first models did: train it again")
    return LinkageModel(
        **{
            **content,
            "fields": tuple(Field(**f) for f in content["fields"]),
            "comparisons": tuple(
                Comparison(c["name"], c["kind"], tuple(c["fields"]), tuple(ComparisonLevel(**v) for v in c["levels"]))
                for c in content["comparisons"]
            ),
            "blocking_rules": tuple(BlockingRule(r["name"], tuple(r["parts"])) for r in content["blocking_rules"]),
            "source_policies": tuple(SourcePolicy(**p) for p in content.get("source_policies", ())),
            "stop_keys": tuple(int(key, 16) for key in content.get("stop_keys", ())),
            "shield_rules": tuple(BlockingRule(r["name"], tuple(r["parts"])) for r in content.get("shield_rules", ())),
            "shield_signs": tuple(
                Sign(s["name"], tuple((name, tuple(codes)) for name, codes in s["when"]))
                for s in content.get("shield_signs", ())
            ),
            "twins": _twins(content.get("twins")),
            "operating_points": tuple(OperatingPoint(**p) for p in content.get("operating_points", ())),
        }
    )


def _twins(content: dict[str, Any] | None) -> TwinRule | None:
    if content is None:
        return None
    return TwinRule(**{**content, "places": tuple(content["places"]), "numbers": tuple(content["numbers"])})
