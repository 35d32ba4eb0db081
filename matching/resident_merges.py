"""Must-links that follow from merges which sources announced, by record key.

A merge says that loser and survivor are one person. All records that merges connect, directly or over records that
are no longer live or were never seen, are one group; its live records are must-linked.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from matching.linkage.hashing import Indices


class MergeLinks:
    """Which records merges connect."""

    def __init__(self) -> None:
        self._links: dict[str, set[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._links)

    def __contains__(self, key: str) -> bool:
        return key in self._links

    def link(self, loser: str, survivor: str) -> None:
        """Record that the source merged one record into another."""
        if loser != survivor:
            self._links.setdefault(loser, set()).add(survivor)
            self._links.setdefault(survivor, set()).add(loser)

    def unlink(self, loser: str, survivor: str, *, still_linked: bool) -> None:
        """Take a merge back because a newer one replaced it, unless the two are linked the other way round as well."""
        if loser != survivor and not still_linked:
            for a, b in ((loser, survivor), (survivor, loser)):
                self._links[a].discard(b)
                if not self._links[a]:
                    del self._links[a]

    def group(self, key: str) -> set[str]:
        """Return all record keys that merges connect with this one, itself included."""
        group, todo = {key}, [key]
        while todo:
            fresh = self._links.get(todo.pop(), set()) - group
            group |= fresh
            todo.extend(fresh)
        return group

    def groups(self, keys: Iterable[str]) -> list[set[str]]:
        """Return the different groups, of two records or more, that these keys are in."""
        groups: list[set[str]] = []
        seen: set[str] = set()
        for key in keys:
            if key in self._links and key not in seen:
                groups.append(self.group(key))
                seen |= groups[-1]
        return groups


def chain_pairs(groups: Iterable[Iterable[int]]) -> Indices:
    """Return pairs, shape (pairs, 2), that connect the members of each group one to the next."""
    pairs = [pair for group in groups for pair in pairwise(sorted(group))]
    return np.array(pairs, np.int64).reshape(-1, 2)
