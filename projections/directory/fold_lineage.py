"""The lineage part of the directory's fold: which steps are published anew, and with which successors. Pure.

A decision `decision.severed` names the records of a former identity and those of the new one. A step from a number is
cut when its records are on one side and those of a successor on the other. While a successor of a named record is not
known yet, nothing is shown. What is left looks like any other step: nothing shows that a severance is behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from projections.directory.overlay import Overlay
from projections.directory.rulings import SEVERED, Ruling
from projections.directory.state import (
    Batch,
    DirectoryState,
    IdentityVersion,
    LineageStep,
    ShownStep,
    Surroundings,
)

Sides = frozenset[tuple[str, str]]
"""Sides of severances: the decision's event id and `former` or `current`."""
_NONE: Sides = frozenset()


def lineage_changes(
    batch: Batch,
    identities: Mapping[str, IdentityVersion],
    decided: Overlay,
    state: DirectoryState,
    around: Surroundings,
) -> Sequence[ShownStep]:
    """Return the steps of the batch, and those that its decisions and memberships change, as they are published."""
    steps = {event: _scrub(step, decided.floors) for event, step in batch.lineage.items()}
    if batch.erased:
        stored = state.steps_of((), batch.erased)
        steps.update((step.event_id, _scrub(step, decided.floors)) for step in stored if step.event_id not in steps)
    severs = around.severances or any(ruling.kind == SEVERED for ruling in decided.fresh.values()) or decided.severed
    if not severs:
        return [ShownStep(step, step) for step in steps.values()]
    children = {*identities, *(step.child_number for step in steps.values())}
    if decided.severed:
        children.update(state.children_of(decided.severed))
    again = state.steps_of(children, decided.severed)
    for step in again:
        steps.setdefault(step.event_id, _scrub(step, decided.floors))
    return _with_successors(steps, identities, decided, state)


def _with_successors(
    steps: Mapping[str, LineageStep], fresh: Mapping[str, IdentityVersion], decided: Overlay, state: DirectoryState
) -> Sequence[ShownStep]:
    if not steps:
        return ()
    successors = {child for step in steps.values() for child in step.successors}
    known = _identities({*successors, *(step.child_number for step in steps.values())}, fresh, state)
    others = {step.event_id: step for step in state.steps_of(successors, ())}
    others.update(steps)
    theirs = [_scrub(step, decided.floors) for step in others.values() if step.child_number in successors]
    keys = {key for step in (*steps.values(), *theirs) for key in step.records}
    keys.update(key for identity in known.values() for key in identity.members)
    return _shown(steps.values(), known, theirs, _severances(keys, decided))


def _identities(
    children: Collection[str], fresh: Mapping[str, IdentityVersion], state: DirectoryState
) -> dict[str, IdentityVersion]:
    found = dict(state.identities(children))
    found.update((child, fresh[child]) for child in children if child in fresh)
    return found


def _severances(keys: Iterable[str], decided: Overlay) -> list[Ruling]:
    return [each.ruling for each in decided.about(set(keys)) if each.ruling.kind == SEVERED]


def _scrub(step: LineageStep, floors: Mapping[str, int]) -> LineageStep:
    """Return the step without the records that are erased."""
    if not floors or floors.keys().isdisjoint(step.records):
        return step
    return step._replace(records=tuple(key for key in step.records if key not in floors))


def _shown(
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
        return [ShownStep(step, step) for step in steps]
    sides = _sides(severances)
    left: dict[str, Sides] = {}
    for step in others:
        left[step.child_number] = left.get(step.child_number, _NONE) | _of(step.records, sides)
    made = {ruling.event_id for ruling in severances}
    return [ShownStep(step, _shown_step(_without(step, made), identities, left, sides)) for step in steps]


def _without(step: LineageStep, causes: Collection[str]) -> LineageStep:
    return step._replace(causes=tuple(each for each in step.causes if each not in causes))


def _shown_step(
    step: LineageStep, identities: Mapping[str, IdentityVersion], left: Mapping[str, Sides], sides: Mapping[str, Sides]
) -> LineageStep | None:
    own = identities.get(step.child_number)
    here = _of(step.records, sides) | _of(own.members if own else (), sides)
    if not here:
        return step
    kept = []
    for successor in step.successors:
        there = identities.get(successor)
        if there is None:
            continue
        now = _of(there.members, sides) or left.get(successor, _NONE)
        if not any((event, _other(side)) in now for event, side in here):
            kept.append(successor)
    if len(kept) == len(step.successors):
        return step
    in_use = own is not None and own.members
    if in_use and not kept:
        return None
    kind = step.kind if in_use or len(kept) > 1 else ("retired", "merged")[len(kept)]
    return step._replace(kind=kind, successors=tuple(kept), causes=())


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
