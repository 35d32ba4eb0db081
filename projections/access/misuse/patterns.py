"""Rules that look at many accesses of one user: how many, at what hours, in what order, with which words.

Volume is compared with the user's own days and with those of peers in the same role; hours with what peers do. Only
accesses that no involvement explains count, so a busy caseload is no finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from operator import attrgetter
from statistics import median
from typing import TypeVar

from projections.access.misuse.facts import Access, Facts, Finding, Rule

Slot = tuple[bool, int]  # weekend, hour
Key = TypeVar("Key", bound=Hashable)
_NUMBER_GAP = timedelta(hours=1)


def look_at_patterns(accesses: Sequence[Access], facts: Facts) -> Iterator[Finding]:
    """Yield what the accesses (in the order of the trail) show over time."""
    doubtful = [access for access in accesses if not facts.involved(access)]
    of_user = _by(doubtful, lambda access: access.user)
    yield from _volume(of_user, facts)
    yield from _out_of_hours(accesses, doubtful, facts)
    yield from _searched_for_another(doubtful, facts)
    for mine in of_user.values():
        yield from _sequential(mine, facts)
        yield from _probing(mine, facts)
        yield from _repeated_reason(mine, facts)


def _volume(of_user: Mapping[str, Sequence[Access]], facts: Facts) -> Iterator[Finding]:
    """More children on one day than four times the user's own and the peers' median day, and not just a few."""
    days = {user: _by(mine, lambda access: access.time.date()) for user, mine in of_user.items()}
    counts = {user: {day: _children(found) for day, found in mine.items()} for user, mine in days.items()}
    of_role: dict[str, list[int]] = defaultdict(list)
    for user, mine in counts.items():
        of_role[_role(user, facts)] += mine.values()
    limits = facts.thresholds
    for user, mine in counts.items():
        peers = median(of_role[_role(user, facts)])
        for day, count in mine.items():
            own = median([other for when, other in mine.items() if when != day] or [0])
            if count >= max(limits.volume_floor, limits.volume_factor * max(own, peers)):
                yield _finding("volume", days[user][day])


def _out_of_hours(accesses: Iterable[Access], doubtful: Iterable[Access], facts: Facts) -> Iterator[Finding]:
    """At an hour when hardly anyone in this role works, and this user never does with a child of their own work."""
    slots = Counter((_role(access.user, facts), _slot(access)) for access in accesses)
    totals: Counter[str] = Counter()
    for (role, _), count in slots.items():
        totals[role] += count
    explained = {(access.user, _slot(access)) for access in accesses if facts.involved(access)}
    odd = [
        access
        for access in doubtful
        if (access.user, _slot(access)) not in explained
        and slots[_role(access.user, facts), _slot(access)]
        <= facts.thresholds.quiet_share * totals[_role(access.user, facts)]
    ]
    for found in _by(odd, lambda access: (access.user, access.time.date())).values():
        yield _finding("out_of_hours", found)


def _searched_for_another(doubtful: Sequence[Access], facts: Facts) -> Iterator[Finding]:
    """One finds a child and does not open it; within minutes another of the same organisation opens it."""
    within = timedelta(minutes=facts.thresholds.proxy_minutes)
    opened = {(access.user, access.child) for access in doubtful if access.action == "opened"}
    for found in _by([each for each in doubtful if each.child is not None], lambda access: access.child).values():
        searches = [each for each in found if each.action == "searched" and (each.user, each.child) not in opened]
        for access in found:
            if access.action == "opened":
                for search in searches:
                    close = timedelta(0) <= access.time - search.time <= within
                    if close and search.user != access.user and _same_employer(search.user, access.user, facts):
                        yield _finding("searched_for_another", [search, access])


def _sequential(mine: Sequence[Access], facts: Facts) -> Iterator[Finding]:
    """Numbers asked for one after the other, each a little larger (or smaller) than the one before."""
    run: list[Access] = []
    for access in mine:
        if access.number is None or (run and access.number == run[-1].number):
            continue  # a search and the opening after it ask for one number
        if run and not _follows(run, access, facts.thresholds.sequential_step):
            yield from _run(run, facts)
            run = run[-1:] if _follows(run[-1:], access, facts.thresholds.sequential_step) else []
        run.append(access)
    yield from _run(run, facts)


def _follows(run: Sequence[Access], access: Access, step: int) -> bool:
    last, number = run[-1].number or 0, access.number or 0
    rising = len(run) < 2 or (last > (run[-2].number or 0)) == (number > last)
    return rising and 0 < abs(number - last) <= step and access.time - run[-1].time <= _NUMBER_GAP


def _run(run: Sequence[Access], facts: Facts) -> Iterator[Finding]:
    if len(run) >= facts.thresholds.sequential_run:
        yield _finding("sequential_numbers", run)


def _probing(mine: Sequence[Access], facts: Facts) -> Iterator[Finding]:
    """Searches under one surname that find nothing, each with another guess at what a shield would hide."""
    limits = facts.thresholds
    failed = [each for each in mine if each.action == "searched" and each.child is None and each.query.get("family")]
    for found in _by(failed, lambda access: access.query["family"].casefold()).values():
        for group in _bursts(found, timedelta(minutes=limits.probing_minutes)):
            guesses = {tuple(sorted(each.query.items())) for each in group}
            if len(group) >= limits.probing_failures and len(guesses) >= limits.probing_failures:
                yield _finding("shield_probing", group)


def _repeated_reason(mine: Sequence[Access], facts: Facts) -> Iterator[Finding]:
    """The same words for many children within days, also if a few texts take turns: all but one of each text repeat."""
    limits = facts.thresholds
    worded = [each for each in mine if each.reason and each.child is not None]
    for burst in _bursts(worded, timedelta(days=limits.repeated_days)):
        of_text = _by(burst, lambda access: " ".join((access.reason or "").casefold().split())).values()
        again = [group for group in of_text if _children(group) > 1]
        if sum(_children(group) - 1 for group in again) + 1 >= limits.repeated_reason:
            yield _finding("repeated_reason", sorted(chain.from_iterable(again), key=attrgetter("leaf")))


def _bursts(accesses: Sequence[Access], length: timedelta) -> Iterator[list[Access]]:
    """Cut accesses into groups that each begin with one and hold what follows it within this length."""
    group: list[Access] = []
    for access in accesses:
        if group and access.time - group[0].time > length:
            yield group
            group = []
        group.append(access)
    if group:
        yield group


def _finding(rule: Rule, accesses: Sequence[Access]) -> Finding:
    return Finding(rule, accesses[0].user, tuple(sorted({each.leaf for each in accesses})), accesses[-1].time)


def _by(accesses: Iterable[Access], key: Callable[[Access], Key]) -> dict[Key, list[Access]]:
    groups: dict[Key, list[Access]] = {}
    for access in accesses:
        groups.setdefault(key(access), []).append(access)
    return groups


def _children(accesses: Iterable[Access]) -> int:
    return len({access.child for access in accesses if access.child is not None})


def _slot(access: Access) -> Slot:
    return access.time.weekday() >= 5, access.time.hour


def _role(user: str, facts: Facts) -> str:
    known = facts.users.get(user)
    return "" if known is None else known.role


def _same_employer(one: str, other: str, facts: Facts) -> bool:
    left, right = facts.users.get(one), facts.users.get(other)
    return left is not None and right is not None and left.organisation == right.organisation
