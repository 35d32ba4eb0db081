"""Blocking rules for a table that nobody has seen before.

Many cheap rules from the kinds of its fields, a bound on block size from a budget of pairs, and then only those rules
that add expected matches.

On dirty data what blocking misses is the ceiling of accuracy, so training starts wide (`propose_rules`) and drops what
turned out to add nothing (`needed_rules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.sampling import Groups
from matching.linkage.candidates import shared_keys
from matching.linkage.columns import RecordColumns
from matching.linkage.model import BlockingRule, Field, LinkageModel

LEAST: Final = 1e-5
"""Share of the expected matches that a rule has to add to be kept."""

MOST_RULES: Final = 60
"""Rules are kept as bits of one 64-bit word while training."""

PAIRS_PER_RECORD: Final = 120
"""Pairs over all rules, a pair counted once for each rule, that blocking may cost a record."""

FEWEST_PAIRS: Final = 1_000_000
"""A small table may cost this many pairs whatever its size."""

LARGEST_BLOCK: Final = 1000

_COARSE: Final = {
    "given_name": ("soundex({})",),
    "surname": ("soundex({})",),
    "date": ("year({})", "month_day({})"),
    "years": ("{}",),
    "postcode": ("sector({})",),
    "address": ("first_words({})",),
    "short_string": ("first3({})",),
    "text": ("words({})",),
    "exact": ("{}",),
}
"""Parts that survive an error in the value, by kind. An identifier and sex have none."""

_BROAD: Final = frozenset({"exact", "years"})
"""Kinds of few values: no rule on one alone."""

_TELLING: Final = frozenset({"given_name", "surname", "date", "postcode"})
"""Kinds that go together with every other kind; the rest are paired among themselves only where these are missing."""


def propose_rules(fields: Sequence[Field]) -> tuple[BlockingRule, ...]:
    """Return rules for fields of these kinds, the more telling first, MOST_RULES at most."""
    parts = [
        *_identifiers(fields),
        *_both_names(fields),
        *((_COARSE[field.kind][0].format(field.name),) for field in fields if field.kind == "text"),
        *_pairs(fields, exact=True),
        *((field.name,) for field in fields if field.kind in _COARSE and field.kind not in _BROAD),
        *_pairs(fields, exact=False),
    ]
    unique = list(dict.fromkeys(parts))[:MOST_RULES]
    return tuple(BlockingRule("+".join(rule), rule) for rule in unique)


def bounded(columns: RecordColumns, model: LinkageModel) -> LinkageModel:
    """Return the model with a stop list that keeps blocking within its budget: the largest blocks are left out."""
    keys, sizes = shared_keys(columns, replace(model, stop_keys=()))
    budget = max(FEWEST_PAIRS, PAIRS_PER_RECORD * len(columns))
    by_size = np.sort(sizes[sizes <= LARGEST_BLOCK])
    cost = np.cumsum(by_size * (by_size - 1) // 2)
    within = by_size[cost <= budget]
    largest = int(within.max(initial=2))
    return replace(model, stop_keys=tuple(np.sort(keys[sizes > largest]).tolist()))


def needed_rules(groups: Groups, labels: npt.NDArray[np.float64], n_rules: int) -> list[int]:
    """Return the rules to keep, in their order: each gives at least the share LEAST of expected matches anew.

    `labels` are the probabilities that the pairs of each group match. Greedy set cover: the rule that adds most comes
    first (within 1 - 1/e of the best possible, Nemhauser, Wolsey and Fisher 1978).
    """
    matches = labels * groups.counts
    given = np.array([groups.of_rule(rule) for rule in range(n_rules)], dtype=bool).reshape(n_rules, len(matches))
    open_matches = matches.copy()
    kept: list[int] = []
    while len(kept) < n_rules:
        gains = given @ open_matches
        gains[kept] = -1.0
        best = int(gains.argmax())
        if gains[best] < LEAST * matches.sum() or gains[best] <= 0.0:
            break
        kept.append(best)
        open_matches[given[best]] = 0.0
    return sorted(kept)


def rule_fields(rule: BlockingRule) -> frozenset[str]:
    """Return the fields that a rule looks at, in whole or in part."""
    names: set[str] = set()
    for part in rule.parts:
        inner = part.partition("(")[2].rstrip(")") or part
        names.update(name.strip() for name in inner.split(","))
    return frozenset(names)


def whole_fields(rule: BlockingRule) -> frozenset[str]:
    """Return the fields that a rule makes agree in whole (`sorted(a, b)` settles both)."""
    settled = [BlockingRule(part, (part,)) for part in rule.parts if "(" not in part or part.startswith("sorted")]
    return frozenset().union(*map(rule_fields, settled))


def _identifiers(fields: Sequence[Field]) -> list[tuple[str, ...]]:
    return [(field.name,) for field in fields if field.kind == "identifier"]


def _both_names(fields: Sequence[Field]) -> list[tuple[str, ...]]:
    """Return rules on forename and surname in either order, alone and, for large tables, with a third part."""
    given = [field.name for field in fields if field.kind == "given_name"]
    family = [field.name for field in fields if field.kind == "surname"]
    if not given or not family:
        return []
    both = f"sorted({given[0]}, {family[0]})"
    third = [_COARSE[f.kind][0].format(f.name) for f in fields if f.kind in {"date", "years", "postcode", "address"}]
    return [(both,), *((both, part) for part in third)]


def _pairs(fields: Sequence[Field], *, exact: bool) -> list[tuple[str, ...]]:
    """Return a rule for each two fields: on their whole values, or on parts that survive an error."""
    able = [field for field in fields if field.kind in _COARSE]
    telling = any(field.kind in _TELLING for field in able)
    rules: list[tuple[str, ...]] = []
    for a, b in combinations(able, 2):
        if telling and a.kind not in _TELLING and b.kind not in _TELLING:
            continue
        if exact:
            rules.append((a.name, b.name))
        else:
            rules.extend((x.format(a.name), y.format(b.name)) for x in _COARSE[a.kind] for y in _COARSE[b.kind])
    return rules
