"""What makes a linkage model unusable."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matching.linkage.model import LinkageModel


def problems_of(model: LinkageModel, most_comparisons: int, most_levels: int) -> list[str]:
    """Return what is wrong with a model, a sentence each."""
    names = [f.name for f in model.fields]
    problems = [
        *(f"field {n!r} is given twice" for n in sorted({n for n in names if names.count(n) > 1})),
        *(
            f"comparison {c.name!r} reads field {f!r}; known: {', '.join(names)}"
            for c in model.comparisons
            for f in c.fields
            if f not in names
        ),
        *(
            f"comparison {c.name!r} has {len(c.levels)} levels; 2 to {most_levels} are possible"
            for c in model.comparisons
            if not 2 <= len(c.levels) <= most_levels
        ),
        *(
            f"sign {sign.name!r} asks for comparison {name!r}, or for levels of it, that the model does not have"
            for sign in model.shield_signs
            for name, codes in sign.when
            if not any(c.name == name and set(codes) <= set(range(len(c.levels))) for c in model.comparisons)
        ),
        *(
            f"policy of source {p.source!r} is {p.unique!r}; known: hard, soft, none"
            for p in model.source_policies
            if p.unique not in {"hard", "soft", "none"}
        ),
    ]
    if model.twins is not None:
        named = (model.twins.birth_date, model.twins.surname, model.twins.given, *model.twins.places)
        unknown = [name for name in (*named, *model.twins.numbers) if name not in names]
        problems += [f"the twin rule reads field {name!r}; known: {', '.join(names)}" for name in unknown]
    if any(policy.penalty < 0 for policy in model.source_policies):
        problems.append("a source policy has a negative penalty")
    if not 1 <= len(model.comparisons) <= most_comparisons:
        problems.append(f"{len(model.comparisons)} comparisons; 1 to {most_comparisons} are possible")
    problems += [
        f"comparison {c.name!r} has a level with {p} as its m or u probability: each lies between 0 and 1"
        for c in model.comparisons
        for level in c.levels
        for p in (level.m_probability, level.u_probability)
        if not 0.0 <= p <= 1.0
    ]
    if model.component_cap < 1:
        problems.append("component_cap must be 1 or more")
    if not 0.0 < model.probability_two_random_records_match < 1.0:
        problems.append("probability_two_random_records_match must lie between 0 and 1")
    if model.mean_threshold > model.link_threshold:
        problems.append("cluster_threshold is above link_threshold")
    if model.review_floor > model.link_threshold:
        problems.append("review_floor is above link_threshold")
    return problems
