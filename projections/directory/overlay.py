"""The decisions of a batch laid over those of the state: what is new, what it concerns, and what holds. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from projections.directory.rulings import OF_ONE, SEVERED, Revocation, Ruling, Standing, standing
from projections.directory.state import Batch, DirectoryState, IdentityVersion, Surroundings


class Overlay:
    """Decisions as they are after the batch. Erased records are taken out of every earlier decision about them.

    A decision after the erasure is about what was said since: a shield must not be lost on a child who comes back.

    `fresh` are decisions to write, `dropped` those that name nothing any more, `concerns` the records whose children
    have to be made again, `severed` those whose lineage has to.
    """

    def __init__(self, batch: Batch, state: DirectoryState, around: Surroundings) -> None:
        self._batch, self._state, self._around = batch, state, around
        named = {key for ruling in batch.rulings.values() for key in ruling.about}
        named.update(key for step in batch.lineage.values() for key in step.records)
        self.floors = self._floors(named | batch.records.keys())
        self._erased_at = self._times()
        self.fresh: dict[str, Ruling] = {}
        self.dropped: list[str] = []
        self.revocations = self._new_revocations()
        concerned = [*self._made(), *self._revoked(), *self._scrubbed()]
        self.concerns = {key for ruling in concerned for key in ruling.about} | batch.erased.keys()
        self.severed = {key for ruling in concerned if ruling.kind == SEVERED for key in ruling.about}

    def about(self, record_keys: Collection[str]) -> Sequence[Standing]:
        """Return the decisions that hold (or, for consent, held) and name any of these records, as they were made."""
        stored = self._state.rulings_about(record_keys) if self._around.rulings else ()
        gone = {*self.fresh, *self.dropped}
        found = [ruling for ruling in stored if ruling.event_id not in gone]
        found += [ruling for ruling in self.fresh.values() if any(key in record_keys for key in ruling.about)]
        return standing(found, self)

    def shared(self, record_keys: Collection[str]) -> set[str]:
        """Return every record of the decisions that name any of these and hold for one child alone."""
        if not record_keys or (not self._around.rulings and not self.fresh):
            return set()
        return {key for each in self.about(record_keys) if each.ruling.kind in OF_ONE for key in each.ruling.records}

    def of_children(self, children: Iterable[IdentityVersion]) -> Mapping[str, list[Standing]]:
        """Return the decisions about the members of each of these children, by child number; most have none.

        `children` has to hold every child of the records that `shared` names.
        """
        if not self._around.rulings and not self.fresh:
            return {}
        children_of = _children_by_member(children)
        found: dict[str, list[Standing]] = {}
        for each in self.about(children_of.keys()) if children_of else ():
            for child in _whose(each.ruling, children_of):
                found.setdefault(child, []).append(each)
        return found

    def revocations_of(self, event_ids: Collection[str]) -> Iterable[Revocation]:
        """Return the revocations, stored or in the batch, that name any of these events."""
        found = {each.event_id: each for each in self._batch.revocations.values() if each.target in event_ids}
        if self._around.rulings:
            found.update((each.event_id, each) for each in self._state.revocations_of(event_ids))
        return found.values()

    def _floors(self, keys: Collection[str]) -> Mapping[str, int]:
        floors = dict(self._batch.erased)
        if self._around.erasures:
            for key, floor in self._state.floors({*keys, *floors}).items():
                floors[key] = max(floor, floors.get(key, floor))
        return floors

    def _times(self) -> Mapping[str, datetime]:
        """Return when each of the erased records was last erased."""
        if not self.floors:
            return {}
        times = dict(self._batch.erased_at)
        if self._around.erasures:
            for key, at in self._state.erased_at(self.floors.keys()).items():
                times[key] = max(at, times.get(key, at))
        return times

    def _without(self, ruling: Ruling) -> Ruling:
        """Return a decision without the records that were erased after it, or when it was made."""
        gone = {key for key in ruling.about if key in self._erased_at and ruling.decided_at <= self._erased_at[key]}
        if not gone:
            return ruling
        records = tuple(key for key in ruling.records if key not in gone)
        current = tuple(key for key in ruling.current if key not in gone)
        return msgspec.structs.replace(ruling, records=records, current=current)

    def _new_revocations(self) -> list[Revocation]:
        if not self._batch.revocations:
            return []
        known = {each.event_id for each in self._state.revocations(self._batch.revocations)}
        return [each for each in self._batch.revocations.values() if each.event_id not in known]

    def _made(self) -> list[Ruling]:
        """Note the decisions of the batch that are not stored yet; return them as they were made."""
        if not self._batch.rulings:
            return []
        known = {ruling.event_id for ruling in self._state.rulings(self._batch.rulings)}
        made = [ruling for ruling in self._batch.rulings.values() if ruling.event_id not in known]
        for ruling in made:
            kept = self._without(ruling)
            if kept.about:
                self.fresh[kept.event_id] = kept
        return made

    def _revoked(self) -> list[Ruling]:
        """Return the decisions that the new revocations take back, or bring back by taking back a withdrawal."""
        targets = {each.target for each in self.revocations}
        if not targets:
            return []
        inner = {each.event_id: each for each in self._batch.revocations.values() if each.event_id in targets}
        inner.update((each.event_id, each) for each in self._state.revocations(targets))
        targets |= {each.target for each in inner.values()}
        return [*self._state.rulings(targets), *(self.fresh[each] for each in targets if each in self.fresh)]

    def _scrubbed(self) -> list[Ruling]:
        """Note the stored decisions that name what the batch erases, without it; return them as they were."""
        if not self._batch.erased or not self._around.rulings:
            return []
        found = list(self._state.rulings_about(self._batch.erased))
        for ruling in found:
            kept = self._without(ruling)
            if kept.about:
                self.fresh[kept.event_id] = kept
            else:
                self.dropped.append(ruling.event_id)
        return found


def _whose(ruling: Ruling, children_of: Mapping[str, Sequence[str]]) -> Collection[str]:
    """Return the children that a decision is about; one that shows something has the child with most of its records.

    Where a wrong merge was undone, the other child must not get what was said of the first.
    """
    held = [(key, child) for key in ruling.about for child in children_of.get(key, ())]
    if ruling.kind not in OF_ONE:
        return {child for _, child in held}
    living, counts = len({key for key, _ in held}), Counter(child for _, child in held)
    return [child for child, count in counts.items() if 2 * count > living]


def _children_by_member(children: Iterable[IdentityVersion]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for child in children:
        for key in child.members:
            found.setdefault(key, []).append(child.child_number)
    return found
