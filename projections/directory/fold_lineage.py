"""The lineage part of the directory's fold: which steps are published anew, and with which successors. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from projections.directory.lineage import shown
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
        return [ShownStep(step, step.successors) for step in steps.values()]
    children = {*identities, *(step.child_number for step in steps.values())}
    if decided.severed:
        children.update(state.children_of(decided.severed))
    again = state.steps_of(children, decided.severed)
    for step in again:
        steps.setdefault(step.event_id, _scrub(step, decided.floors))
    return _shown(steps, identities, decided, state)


def _shown(
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
    return shown(steps.values(), known, theirs, _severances(keys, decided))


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
