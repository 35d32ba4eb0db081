"""People's decisions as a shared worker knows them: read again whenever another worker has linked some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from matching.linkage.decisions import Decision, DecisionBook
from matching.linkage.hashing import Indices
from matching.shared.neighbours import STATED, Neighbours, both_ways
from matching.shared.tables import Tables
from matching.stage import store
from matching.stage.made_with import MadeWith
from schemas.errors import RetriableError


class Decided:
    """All decisions ever linked, by record key. There are few of them beside the records."""

    def __init__(self, tables: Tables, model_id: str) -> None:
        self._tables = tables
        self._made_with = MadeWith(model_id)
        self._stamp = -1
        self.replaying = False
        self._made: dict[str, Decision] = {}
        self._by_key: dict[str, list[Decision]] = {}
        self._retractions: dict[str, list[Decision]] = {}
        self._newest_day: list[Decision] = []
        self.shield_rids: Indices = np.empty(0, np.int64)

    def __bool__(self) -> bool:
        return bool(self._made)

    def refresh(self) -> None:
        """Read the decisions again if there are new ones, and whether a replay is going on; call it in turn.

        Raises RetriableError when the tables are made with another model or fold now.
        """
        stamp, self.replaying, made = self._tables.decided()
        if made != self._made_with:
            raise RetriableError(f"model {made.model_id} and fold version {made.fold_version} are in force now")
        if stamp == self._stamp:
            return
        self._made = {each.event_id: each for each in store.read_decisions(self._tables.connection)}
        self._by_key, self._retractions = {}, {}
        for each in self._made.values():
            for key in (*each.left, *each.right):
                self._by_key.setdefault(key, []).append(each)
            if each.kind == "retracted":
                self._retractions.setdefault(each.target, []).append(each)
        days = [each for each in self._made.values() if each.kind == "clock"]
        self._newest_day = [max(days, key=lambda each: each.day)] if days else []
        self.shield_rids = self.rids_of_shields(self._made.values())
        self._stamp = stamp

    def rids_of_shields(self, decisions: Iterable[Decision]) -> Indices:
        """Return the records that shields name, whether they still hold or not."""
        keys = {key for each in decisions if each.kind == "shield" for key in each.left}
        return np.array(sorted(self._tables.rids_of(keys).values()), np.int64)

    def everything(self) -> list[Decision]:
        """Return all decisions."""
        return list(self._made.values())

    def about(self, keys: Iterable[str]) -> list[Decision]:
        """Return the decisions that name one of these keys, with what bears on whether they are in force."""
        found = {each.event_id: each for key in keys for each in self._by_key.get(key, ())}
        taken_back = [each for event_id in found for each in self._retractions.get(event_id, ())]
        return [*found.values(), *taken_back, *self._newest_day]

    def touched_by(self, decisions: Sequence[Decision]) -> set[str]:
        """Return the keys of whose decisions a batch changes what is in force, and of all whose decisions clash."""
        book = DecisionBook()
        book.add(self._made.values())
        clashing = {key for clash in book.clashes for key in clash.records}
        judged = book.add(decisions)
        clashing |= {key for clash in book.clashes for key in clash.records}
        return {*judged.touched, *judged.erased, *clashing}


def pairs_named(decisions: Iterable[Decision], rid_of: dict[str, int]) -> Neighbours:
    """Return neighbours that connect all keys which one decision names.

    Also those of a shield: whether it protects anybody depends on all that it names.
    """
    pairs = []
    for each in decisions:
        if each.kind in ("must_link", "cannot_link", "severed", "shield"):
            first, *rest = (*each.left, *each.right)
            pairs += [(rid_of[first], rid_of[key]) for key in rest if key != first]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return both_ways(table[:, 0], table[:, 1], np.full(len(table), STATED))
