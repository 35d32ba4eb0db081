"""From clusters before and after to identity changes: what became of each child number.

A cluster is known by its founder: the member with the earliest `ingested_at`, ties by record key. The child number is a
function of the founder's key, so a number follows the founder through merges and splits; but a severance gives the new
identity a number of its own, and no step leads across it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from matching.changes import EvidencePair, FormerChild, IdentityChange, IdentityKind
from matching.linkage.lives import NO_LIVES, Lives, across
from matching.resident.child_numbers import ChildNumbers
from matching.resident.records import RecordTable
from schemas.identity import child_number, number_basis


@dataclass(frozen=True, slots=True)
class Severed:
    """What severances say in a batch.

    `lives` of its live records, as of all that statements connect with them; `named` of any record by itself; `fresh`
    are the severances that came with the batch.
    """

    lives: Mapping[int, Lives]
    named: Callable[[int], Lives]
    fresh: frozenset[str]

    def after(self, rid: int) -> Lives:
        """Return what is said of a live record after the batch."""
        return self.lives.get(rid, NO_LIVES)

    def before(self, members: Iterable[int]) -> frozenset[str]:
        """Return the severances that named a former cluster, on either side.

        What a later must-link or merge connects with a new identity was not known as that child before.
        """
        found: set[str] = set()
        for rid in members:
            found.update(*self.named(rid), *(each & self.fresh for each in self.after(rid)))
        return frozenset(found)


@dataclass(slots=True)
class Regrouping:
    """How a batch changed clusters; clusters go by their founder's record number.

    `before` and `after` hold the members of every cluster that went, came or changed; a founder that stands in both
    keeps its number, and a former cluster goes by the complement (~) of its founder if that has another one now:
    `renamed` has the severances that it had then. `moved` says for a former cluster which other clusters its members
    are in now. `evidence` is by new cluster, `events` by record.
    """

    before: dict[int, list[int]] = field(default_factory=dict)
    after: dict[int, list[int]] = field(default_factory=dict)
    origins: dict[int, list[int]] = field(default_factory=dict)
    moved: dict[int, set[int]] = field(default_factory=dict)
    renamed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    evidence: dict[int, list[EvidencePair]] = field(default_factory=dict)
    events: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def rename(self, founder: int, severances: tuple[str, ...]) -> None:
        """Tell a former cluster, which had these severances, from the one that has its founder now, if any."""
        former = ~founder
        self.renamed[former] = severances
        self.before[former] = self.before.pop(founder)
        moved = self.moved.pop(founder, set())
        for each, origins in self.origins.items():
            if founder in origins:
                origins[origins.index(founder)] = former
                moved.add(each)
        if moved:
            self.moved[former] = moved

    def is_about(self, founder: int) -> bool:
        """Tell whether this cluster, as it is now or was before, went, came or changed."""
        return founder in self.after or founder in self.before or ~founder in self.before

    def sever(self, said: Severed, adopted: Mapping[int, tuple[str, ...]]) -> None:
        """Say nothing of where a number of a former identity, or of both together, has to do with a new one.

        `adopted` are the severances that make clusters new identities. All numbers that a named child had before the
        severance are the former identity's; the new one's came from nowhere.
        """
        for origin, moved in [(each, tuple(moved)) for each, moved in self.moved.items()]:
            own = frozenset(self.renamed[origin] if origin < 0 else adopted.get(origin, ()))
            former = {each: (said.after(rid).former for rid in self.after.get(each, ())) for each in {*moved, origin}}
            parts = {
                each: Lives(frozenset[str]().union(*ids), frozenset(adopted.get(each, ())))
                for each, ids in former.items()
            }
            for each in across(Lives(said.before(self.before[origin]) - own, own), parts).intersection(moved):
                self._cut(origin, each)

    def _cut(self, origin: int, successor: int) -> None:
        """Say nothing of the members that went from the one to the other, unless no other is left to tell of."""
        gone = set(self.after[successor])
        self.before[origin] = [rid for rid in self.before[origin] if rid not in gone] or self.before[origin]
        self.origins[successor].remove(origin)
        self.moved[origin].discard(successor)
        if not self.moved[origin]:
            del self.moved[origin]


def numbers_of(change: Regrouping, records: RecordTable) -> ChildNumbers:
    """Return the child numbers of clusters, with those of a batch's former and present ones worked out."""
    numbers = ChildNumbers(records.basis if records.adopted else records.keys.__getitem__)
    for former, severances in change.renamed.items():
        numbers[former] = child_number(number_basis(records.keys[~former], severances))
    numbers.work_out({**change.before, **change.after})
    return numbers


def identity_changes(
    change: Regrouping, keys: Mapping[int, str], numbers: ChildNumbers, batch: int
) -> list[IdentityChange]:
    """Return one identity change for each child number that came, went or changed, in order of child number."""
    causes = _Causes(change)
    changes = [
        _alone(founder, change, keys[founder], numbers[founder], batch)
        if len(members) == 1 and not change.origins[founder]
        else _present(founder, change, keys, numbers, (batch, causes))
        for founder, members in change.after.items()
    ]
    changes.extend(
        _gone(founder, change, keys, numbers, (batch, causes))
        for founder in change.before
        if founder not in change.after
    )
    changes.sort(key=_by_number)
    return changes


def _alone(founder: int, change: Regrouping, key: str, number: str, batch: int) -> IdentityChange:
    """Return the creation of a child from one new record: most changes of most batches, so built without detours."""
    return IdentityChange("created", number, batch, key, (key,), (), (), change.events.get(founder, ()), ())


def _present(
    founder: int, change: Regrouping, keys: Mapping[int, str], numbers: ChildNumbers, context: tuple[int, _Causes]
) -> IdentityChange:
    """Return what became of a number that a cluster has now."""
    members, origins, before = change.after[founder], change.origins[founder], change.before
    moved = change.moved.get(founder)
    kind: IdentityKind = "created" if founder not in before else "split" if moved else "changed"
    return IdentityChange(
        kind,
        numbers[founder],
        context[0],
        keys[founder],
        _sorted_keys(members, keys),
        tuple([FormerChild(numbers[origin], _sorted_keys(before[origin], keys)) for origin in origins]),
        tuple(sorted(map(numbers, moved))) if moved else (),
        context[1].of(founder, members, origins),
        tuple(change.evidence.get(founder, ())),
    )


def _gone(
    founder: int, change: Regrouping, keys: Mapping[int, str], numbers: ChildNumbers, context: tuple[int, _Causes]
) -> IdentityChange:
    """Return what became of a number that no cluster has any more."""
    successors = change.moved.get(founder, set())
    kind: IdentityKind = "merged" if len(successors) == 1 else "split" if successors else "retired"
    members = change.before[founder]
    number = numbers(founder)
    return IdentityChange(
        kind,
        number,
        context[0],
        keys[max(founder, ~founder)],
        (),
        (FormerChild(number, _sorted_keys(members, keys)),),
        tuple(sorted(map(numbers, successors))),
        context[1].of(founder, members, []),
        (),
    )


class _Causes:
    """Which source events brought a change about.

    Those of the cluster's own records, before or after, and of the clusters that its members went to. If there are
    none, a record that changed set off a chain: then those of all clusters between which members moved, step by step.
    """

    def __init__(self, change: Regrouping) -> None:
        self._change = change
        self._by_region: dict[int, tuple[str, ...]] = {}

    def of(self, founder: int, members: list[int], origins: list[int]) -> tuple[str, ...]:
        """Return the causes of a cluster's change, sorted."""
        before, events = self._change.before, self._change.events
        rids = {*members}
        for origin in origins:
            rids.update(before[origin])
        for successor in self._change.moved.get(founder, ()):
            rids.update(self._change.after[successor])
        own = list(filter(None, map(events.get, rids)))
        if len(own) == 1 and len(own[0]) == 1:
            return own[0]
        return tuple(sorted({event for each in own for event in each})) if own else self._of_region(founder)

    def _events_of(self, records: Iterable[int]) -> list[str]:
        events = self._change.events
        return [event for rid in records if rid in events for event in events[rid]]

    def _of_region(self, founder: int) -> tuple[str, ...]:
        """Return the events of the clusters, before and after, that moved members connect with this one.

        If there are none either, those of the whole batch.
        """
        if founder not in self._by_region:
            region, both = self._region(founder), (self._change.before, self._change.after)
            own = self._events_of(rid for each in region for group in both for rid in group.get(each, ()))
            events = own or [event for some in self._change.events.values() for event in some]
            self._by_region.update(dict.fromkeys(region, tuple(sorted(set(events)))))
        return self._by_region[founder]

    def _region(self, founder: int) -> set[int]:
        """Return the founders of the clusters between which members moved, step by step, from this one on."""
        region, todo = {founder}, [founder]
        while todo:
            cluster = todo.pop()
            near = {*self._change.origins.get(cluster, ()), *self._change.moved.get(cluster, ())}
            todo.extend(near - region)
            region |= near
        return region


def _sorted_keys(members: list[int], keys: Mapping[int, str]) -> tuple[str, ...]:
    if len(members) == 1:  # most are; worth the branch
        return (keys[members[0]],)
    return tuple(sorted(map(keys.__getitem__, members)))


def _by_number(change: IdentityChange) -> str:
    return change.child_number
