"""Rules that look at one access: family, a shared home, a colleague's child, work that is over.

After the co-worker and family rules of patient privacy monitoring (facts/security.md §3). A user's own involvement
explains an access; the involvement of the organisation explains it unless the child is the user's own or lives with
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from projections.access.misuse.facts import Access, Facts, Family, Finding, Rule, User


def look_at_relations(accesses: Iterable[Access], facts: Facts) -> Iterator[Finding]:
    """Yield a finding for each access to a child that the relation between user and child makes doubtful."""
    for access in accesses:
        rule = _doubt(access, facts)
        if rule is not None:
            yield Finding(rule, access.user, (access.leaf,), access.time)


def _doubt(access: Access, facts: Facts) -> Rule | None:
    if access.action == "overrode_shield":
        return "shield_override"  # each opens an investigation: reg. 6's guidance, facts/contactpoint-rules.md §2.5
    user, family = facts.users.get(access.user), facts.families.get(access.child or "")
    if user is None or family is None or facts.personally_involved(access):
        return None
    if (user.given, user.surname) in family.carers:
        return "own_child"
    if user.home is not None and user.home == family.home:
        return "same_address"
    return None if facts.involved(access) else _doubt_unexplained(access, user, family, facts)


def _doubt_unexplained(access: Access, user: User, family: Family, facts: Facts) -> Rule | None:
    if user.surname == family.surname:
        return "same_surname"
    if any(_is_child_of(family, other) for other in facts.colleagues[user.organisation] if other.user != user.user):
        return "colleagues_child"
    return "involvement_ended" if facts.ended_before(access) else None


def _is_child_of(family: Family, user: User) -> bool:
    lives_there = user.home is not None and user.home == family.home
    return lives_there or (user.given, user.surname) in family.carers
