"""What people and sources state about a few records, each with the decision that says so, as clustering obeys it.

The same rules as `matching.linkage.constraints.constrain`, which keeps no reasons: what must-links and merges connect,
directly or by way of other records, is one group; where a cannot-link stands inside a group its merges count for
nothing; must-links that clash with cannot-links count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise

from matching.decision_reader import read_decision
from matching.linkage.decisions import DecisionBook, connected
from matching.linkage.lives import Lives, lives_among, severed_pairs
from schemas.codec import encode
from schemas.decisions import DecisionEvent

SOURCE_MERGE = "source merge"

Between = list[tuple[str, str, str]]
"""Record keys that must or must not be one child, and the decision (or SOURCE_MERGE) that says so."""


def decision_book(decisions: Iterable[DecisionEvent], until: datetime | None = None) -> DecisionBook:
    """Return the book of the decisions that were made (by then), as matching keeps it."""
    book = DecisionBook()
    for event in decisions:
        if until is None or event.decided_at <= until:
            book.add(read_decision(encode(event).value))  # type: ignore[arg-type] # decision events are events
    return book


def stated(book: DecisionBook, merges: Iterable[tuple[str, str]], members: Iterable[str]) -> tuple[Between, Between]:
    """Return the must-links and cannot-links among some live records; `merges` are (loser, survivor)."""
    inside = frozenset(members)
    merged = _neighbours(merges)
    must: Between = []
    lives: dict[str, Lives] = {}
    seen: set[str] = set()
    for key in sorted(inside):
        if key in seen:
            continue
        group = connected(key, lambda each: (*merged.get(each, ()), *book.must_with(each)))
        seen |= group
        apart = any(other in group for each in group for other in book.cannot.others(each))
        parts = {frozenset(connected(each, book.must_with)) for each in group} if apart else {frozenset(group)}
        for part in sorted(parts, key=sorted):
            must += _links(book, merged, sorted(part & inside))
            lives |= dict.fromkeys(part & inside, lives_among(part, book.lives))
    said = [
        *((key, other, by) for key in inside for other, ids in book.cannot.others(key).items() for by in ids),
        *severed_pairs(lives),
    ]
    cannot: dict[tuple[str, str], str] = {}
    for key, other, by in said:
        if other in inside:
            pair = min(key, other), max(key, other)
            cannot[pair] = min(by, cannot.get(pair, by))
    return must, [(*pair, by) for pair, by in sorted(cannot.items())]


def _links(book: DecisionBook, merged: Mapping[str, set[str]], members: list[str]) -> Between:
    """Return must-links that connect all of these: those between two of them, then others that they follow from."""
    direct = [
        (key, other, min(ids))
        for key in members
        if book.clash_of(key) is None
        for other, ids in sorted(book.must.others(key).items())
        if key < other and other in members
    ]
    linked: dict[str, set[str]] = {}
    for a, b, _ in direct:
        linked.setdefault(a, set()).add(b)
        linked.setdefault(b, set()).add(a)
    indirect = []
    for a, b in pairwise(members):
        if b not in connected(a, lambda each: linked.get(each, ())):
            indirect.append((a, b, _reason(book, merged, a, b)))
            linked.setdefault(a, set()).add(b)
            linked.setdefault(b, set()).add(a)
    return direct + indirect


def _reason(book: DecisionBook, merged: Mapping[str, set[str]], a: str, b: str) -> str:
    """Return what connects two records by way of others: a merge, unless a decision has a part in it."""
    if b in connected(a, lambda each: merged.get(each, ())):
        return SOURCE_MERGE
    ids = {event for key in (a, b) for each in book.must.others(key).values() for event in each}
    return min(ids, default=SOURCE_MERGE)


def _neighbours(merges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    merged: dict[str, set[str]] = {}
    for loser, survivor in merges:
        merged.setdefault(loser, set()).add(survivor)
        merged.setdefault(survivor, set()).add(loser)
    return merged
