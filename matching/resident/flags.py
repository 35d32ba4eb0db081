"""What an identity change says beside the membership: who is held, by which questions, and which decisions name it."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from matching.changes import FormerChild, IdentityChange
from matching.resident.child_numbers import ChildNumbers
from matching.resident.identities import Regrouping
from matching.resident.records import NO_CLUSTER, RecordTable
from matching.resident.regroup import Clusters

_MOST_CAUSES: Final = 10


class Flags:
    """The flags of one batch's identity changes, all by founder: the questions that hold it, the decisions about it."""

    def __init__(self, clusters: Clusters, records: RecordTable, numbers: ChildNumbers, change: Regrouping) -> None:
        self._clusters, self._records, self._numbers, self._change = clusters, records, numbers, change

    def apply(
        self,
        changes: list[IdentityChange],
        holds: Mapping[int, set[str]],
        decided: Mapping[int, tuple[str, ...]],
        flipped: Mapping[int, list[str]],
        batch: int,
    ) -> list[IdentityChange]:
        """Return the changes with their flags, and one for each child of which only the flag changed.

        `flipped` are clusters that are held now and were not, or the reverse, with the records in question.
        """
        keys, change = self._records.keys, self._change
        flagged = {keys[founder]: founder for founder in change.after.keys() & {*holds, *decided}}
        for at, each in enumerate(changes if flagged else ()):
            if each.members and each.founder in flagged:
                founder = flagged[each.founder]
                held = holds.get(founder, set())
                changes[at] = each._replace(
                    held=bool(held), conflicts=tuple(sorted(held)), decisions=decided.get(founder, ())
                )
        only = [founder for founder in flipped if not change.is_about(founder)]
        changes.extend(
            self._flip(founder, flipped[founder], holds.get(founder, set()), batch)._replace(
                decisions=decided.get(founder, ())
            )
            for founder in only
        )
        if only:
            changes.sort(key=attrgetter("child_number"))
        return changes

    def _flip(self, founder: int, about: list[str], held: set[str], batch: int) -> IdentityChange:
        """Return that a child whose members stay is held now, or not any more."""
        keys, number = self._records.keys, self._numbers(founder)
        members = tuple(sorted(keys[rid] for rid in self._clusters.members_of(founder)))
        return IdentityChange(
            "held" if held else "released",
            number,
            batch,
            keys[founder],
            members,
            (FormerChild(number, members),),
            (),
            self._causes(about),
            (),
            held=bool(held),
            conflicts=tuple(sorted(held)),
        )

    def _causes(self, about: list[str]) -> tuple[str, ...]:
        """Return the events of the records in question and of those with them, or else the first few of the batch."""
        records, events = self._records, self._change.events
        rids = {records.rid_of[key] for key in about}
        for founder in {int(records.founders[rid]) for rid in rids} - {NO_CLUSTER}:
            rids.update(self._clusters.members_of(founder))
        causes = sorted({event for rid in rids for event in events.get(rid, ())})
        return tuple(causes or sorted({each for some in events.values() for each in some})[:_MOST_CAUSES])
