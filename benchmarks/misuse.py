"""How many planted misuses of a made-up month the rules find, at how many alerts: `python -m benchmarks.misuse`."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contactpoint.world.access_month import Month, access_month
from projections.access.misuse.review import Review, review

SEEDS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rules found in one month. `alerts` is the share of accesses that a person has to look at."""

    accesses: int
    planted: int
    recall: float
    alerts: float
    lines: int
    by_kind: dict[str, float]
    by_rule: dict[str, tuple[int, float]]


def judge(month: Month, lines: Sequence[Review]) -> Outcome:
    """Compare the review list with what was planted; a misuse is found when a line holds one of its entries."""
    flagged = {leaf for line in lines for leaf in line.leaves}
    planted = {leaf for plot in month.planted for leaf in plot.leaves}
    found = Counter(plot.kind for plot in month.planted if flagged & set(plot.leaves))
    kinds = Counter(plot.kind for plot in month.planted)
    rules = Counter(line.rule for line in lines)
    right = Counter(line.rule for line in lines if planted & set(line.leaves))
    return Outcome(
        accesses=len(month.accesses),
        planted=len(month.planted),
        recall=sum(found.values()) / len(month.planted),
        alerts=len(flagged) / len(month.accesses),
        lines=len(lines),
        by_kind={kind: found[kind] / count for kind, count in sorted(kinds.items())},
        by_rule={rule: (count, right[rule] / count) for rule, count in sorted(rules.items())},
    )


def measure(*, seeds: Sequence[int] = SEEDS, users: int = 1_500, children: int = 12_000) -> dict[str, Any]:
    """Return recall, alerts and speed over a month for each seed."""
    outcomes, seconds = [], 0.0
    for seed in seeds:
        month = access_month(seed, users=users, children=children)
        start = time.process_time()
        lines = review(month.accesses, month.facts)
        seconds += time.process_time() - start
        outcomes.append(judge(month, lines))
    accesses = sum(each.accesses for each in outcomes)
    by_rule = {f"misuse {rule}": _rule(rule, outcomes) for rule in sorted(outcomes[0].by_kind)}
    return {
        **by_rule,
        "misuse recall": _value([each.recall for each in outcomes], "share of planted misuses"),
        "misuse alerts": _value([100 * each.alerts for each in outcomes], "% of accesses"),
        "misuse rules": _value([accesses / seconds], "accesses/s"),
    }


def _rule(rule: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how many planted misuses of a rule's kind were found (value), and its lines' precision (ratio)."""
    found = _value([each.by_kind[rule] for each in outcomes], "share found; ratio: precision of the rule's lines")
    precisions = sorted(each.by_rule.get(rule, (0, 0.0))[1] for each in outcomes)
    return found | {"ratio": precisions[len(precisions) // 2]}


def _value(runs: list[float], unit: str) -> dict[str, Any]:
    middle = sorted(runs)[len(runs) // 2]
    return {"value": middle, "unit": unit, "limit": None, "ratio": None, "runs": runs}


def main() -> None:
    """Print what each rule found."""
    month = access_month(int(sys.argv[1]) if sys.argv[1:] else 1)
    outcome = judge(month, review(month.accesses, month.facts))
    print(json.dumps({name: getattr(outcome, name) for name in Outcome.__slots__}, indent=1))


if __name__ == "__main__":
    main()
