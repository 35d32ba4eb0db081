"""The review list: findings about users, in the order of time, and which of them suspend an account at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from projections.access.misuse.facts import Access, Facts, Finding, Rule
from projections.access.misuse.patterns import look_at_patterns
from projections.access.misuse.relations import look_at_relations
from schemas.events import event_id

# What has no innocent reading that could wait. The others are looked at by a person first.
SUSPENDING: frozenset[Rule] = frozenset({"volume", "sequential_numbers", "shield_probing"})
_RULES_TOGETHER = 3  # different rules that speak against one user suspend too


@dataclass(frozen=True, slots=True)
class Review:
    """One line of the review list: an account, a rule, the entries to look at, and whether the account is suspended."""

    finding: str
    user: str
    rule: Rule
    leaves: tuple[int, ...]
    at: datetime
    suspend: bool


def review(accesses: Sequence[Access], facts: Facts) -> list[Review]:
    """Return the findings about users over these accesses (in the order of the trail), oldest first.

    One line a user and rule and day: what belongs together is looked at together.
    """
    findings = [*look_at_relations(accesses, facts), *look_at_patterns(accesses, facts)]
    together: dict[tuple[str, Rule, str], list[Finding]] = defaultdict(list)
    rules: dict[str, set[Rule]] = defaultdict(set)
    for finding in findings:
        together[finding.user, finding.rule, finding.at.date().isoformat()].append(finding)
        rules[finding.user].add(finding.rule)
    lines = [
        Review(
            finding=event_id("misuse", user, rule, day),
            user=user,
            rule=rule,
            leaves=tuple(sorted({leaf for each in group for leaf in each.leaves})),
            at=max(each.at for each in group),
            suspend=rule in SUSPENDING or len(rules[user]) >= _RULES_TOGETHER,
        )
        for (user, rule, day), group in together.items()
    ]
    return sorted(lines, key=lambda line: (line.at, line.finding))
