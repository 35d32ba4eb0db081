"""What two ways of linking the same records differ in: children, questions for people, and the work that these are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from matching.changes import ConflictState
from matching.linkage.model import CENTIBITS

Members = tuple[str, ...]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What linkage ends in: records (sorted) by child number, the numbers held, and the open questions by id."""

    memberships: Mapping[str, Members]
    held: frozenset[str] = frozenset()
    conflicts: Mapping[str, ConflictState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildChange:
    """Some children whose records would be grouped in another way: before and after, by child number.

    merge: fewer children than before, split: more, move: as many. `numbers_gone` and `numbers_new` are those that would
    be retired and come into use.
    """

    kind: Literal["merge", "split", "move"]
    before: dict[str, Members]
    after: dict[str, Members]

    @property
    def records(self) -> frozenset[str]:
        """All records concerned."""
        groups = (*self.before.values(), *self.after.values())
        return frozenset(key for members in groups for key in members)

    def as_row(self) -> Row:
        """Return the change as plain values."""
        return {
            "what": self.kind,
            "before": {number: list(members) for number, members in sorted(self.before.items())},
            "after": {number: list(members) for number, members in sorted(self.after.items())},
            "numbers gone": sorted(self.before.keys() - self.after.keys()),
            "numbers new": sorted(self.after.keys() - self.before.keys()),
        }


def child_changes(before: Mapping[str, Members], after: Mapping[str, Members]) -> list[ChildChange]:
    """Return each set of children between which records would move, in order of its first record.

    Children that would keep their records and their number are in none.
    """
    old = {key: number for number, members in before.items() for key in members}
    new = {key: number for number, members in after.items() for key in members}
    changes, seen = [], set[str]()
    for key in sorted(old.keys() | new.keys()):
        if key in seen:
            continue
        one, other = _connected(key, (before, after), (old, new))
        parts = {number: before[number] for number in one}, {number: after[number] for number in other}
        seen.update(key for part in parts for members in part.values() for key in members)
        if parts[0] != parts[1]:
            changes.append(ChildChange(_kind(len(parts[0]), len(parts[1])), *parts))
    return changes


def conflict_changes(
    before: Mapping[str, ConflictState], after: Mapping[str, ConflictState]
) -> tuple[dict[str, ConflictState], dict[str, ConflictState]]:
    """Return the questions that would come up, and those that would close."""
    opened = {name: state for name, state in after.items() if name not in before}
    closed = {name: state for name, state in before.items() if name not in after}
    return opened, closed


def workload(before: Mapping[str, ConflictState], after: Mapping[str, ConflictState]) -> list[Row]:
    """Return, by kind and owner, how many questions are open now, would come up, would close, and would be open."""
    opened, closed = conflict_changes(before, after)
    counts = [Counter(map(_desk, states.values())) for states in (before, opened, closed, after)]
    desks = sorted({desk for count in counts for desk in count})
    return [
        {"kind": kind, "owner": owner or None}
        | dict(zip(("open", "new", "closed", "then"), [count[kind, owner] for count in counts], strict=True))
        for kind, owner in desks
    ]


def told(before: Outcome, after: Outcome, hides: Callable[[frozenset[str]], bool]) -> Row:
    """Return the differences as plain values, without what `hides` says of some records: nor how many these are.

    A child is told to be held only with the question that holds it: that names the shielded one as well.
    """
    changes = [each for each in child_changes(before.memberships, after.memberships) if not hides(each.records)]
    seen = [
        {name: state for name, state in each.conflicts.items() if not hides(frozenset(state.records))}
        for each in (before, after)
    ]
    opened, closed = conflict_changes(*seen)
    held = [{state.held for state in states.values() if state.held} for states in seen]
    children = len(before.memberships)
    return {
        "children": {"now": children, "then": children + sum(len(c.after) - len(c.before) for c in changes)},
        "children whose membership would change": sum(len(each.before.keys() | each.after.keys()) for each in changes),
        "changes": [each.as_row() for each in changes],
        "new conflicts": [_conflict(name, state) for name, state in sorted(opened.items())],
        "closed conflicts": [_conflict(name, state) for name, state in sorted(closed.items())],
        "workload": workload(*seen),
        "held": {"new": sorted(held[1] - held[0]), "released": sorted(held[0] - held[1])},
    }


def named(told: Row, now: Outcome) -> set[str]:
    """Return the numbers of the children in use now that a told difference is about."""
    records = {key for kind in ("new conflicts", "closed conflicts") for each in told[kind] for key in each["records"]}
    children = {number for each in told["changes"] for number in each["before"]} | set(told["held"]["released"])
    return children | {number for number, members in now.memberships.items() if not records.isdisjoint(members)}


def _connected(
    start: str, groups: tuple[Mapping[str, Members], ...], of: tuple[Mapping[str, str], ...]
) -> tuple[set[str], set[str]]:
    """Return the child numbers, before and after, that records connect with the first one's."""
    found: tuple[set[str], set[str]] = (set(), set())
    waiting = [start]
    while waiting:
        key = waiting.pop()
        for side in (0, 1):
            number = of[side].get(key)
            if number is not None and number not in found[side]:
                found[side].add(number)
                waiting += groups[side][number]
    return found


def _kind(before: int, after: int) -> Literal["merge", "split", "move"]:
    return "merge" if after < before else "split" if after > before else "move"


def _desk(state: ConflictState) -> tuple[str, str]:
    return state.kind, state.authority


def _conflict(name: str, state: ConflictState) -> Row:
    return {
        "conflict": name,
        "kind": state.kind,
        "owner": state.authority or None,
        "records": list(state.records),
        "weight": state.evidence[0].weight / CENTIBITS if state.evidence else None,
    }
