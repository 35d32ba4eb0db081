"""Which successors of a child number are published: all, except where that would connect a severed identity. Pure.

A decision `decision.severed` names the records of a former identity and those of the new one. A step from a number is
cut when its records are on one side and those of a successor on the other. While a successor of a named record is not
known yet, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from projections.directory.rulings import Ruling
from projections.directory.state import IdentityVersion, LineageStep, ShownStep

Sides = frozenset[tuple[str, str]]
"""Sides of severances: the decision's event id and `former` or `current`."""
_NONE: Sides = frozenset()


def shown(
    steps: Iterable[LineageStep],
    identities: Mapping[str, IdentityVersion],
    others: Iterable[LineageStep],
    severances: Sequence[Ruling],
) -> list[ShownStep]:
    """Return the steps as they are published.

    `identities` are the numbers that the steps name, `others` the steps of their successors, `severances` those in
    force that name any record of either.
    """
    if not severances:
        return [ShownStep(step, step.successors) for step in steps]
    sides = _sides(severances)
    left: dict[str, Sides] = {}
    for step in others:
        left[step.child_number] = left.get(step.child_number, _NONE) | _of(step.records, sides)
    return [_shown(step, identities, left, sides) for step in steps]


def _shown(
    step: LineageStep, identities: Mapping[str, IdentityVersion], left: Mapping[str, Sides], sides: Mapping[str, Sides]
) -> ShownStep:
    own = identities.get(step.child_number)
    here = _of(step.records, sides) | _of(own.members if own else (), sides)
    if not here:
        return ShownStep(step, step.successors)
    kept = []
    for successor in step.successors:
        there = identities.get(successor)
        if there is None:
            continue
        now = _of(there.members, sides) or left.get(successor, _NONE)
        if not any((event, _other(side)) in now for event, side in here):
            kept.append(successor)
    return ShownStep(step, tuple(kept))


def _sides(severances: Iterable[Ruling]) -> Mapping[str, Sides]:
    found: dict[str, set[tuple[str, str]]] = {}
    for ruling in severances:
        for side, keys in (("former", ruling.records), ("current", ruling.current)):
            for key in keys:
                found.setdefault(key, set()).add((ruling.event_id, side))
    return {key: frozenset(pairs) for key, pairs in found.items()}


def _of(records: Iterable[str], sides: Mapping[str, Sides]) -> Sides:
    found = [sides[key] for key in records if key in sides]
    return frozenset().union(*found) if found else _NONE


def _other(side: str) -> str:
    return "current" if side == "former" else "former"
