"""Must-links that follow from merges which sources announced, by record key.

A merge says that loser and survivor are one person. All records that merges connect, directly or over records that
are no longer live or were never seen, are one group; its live records are must-linked.
"""

from __future__ import annotations

from collections.abc import KeysView
from typing import Final

_NOBODY: Final[frozenset[str]] = frozenset()


class MergeLinks:
    """Which records merges connect."""

    def __init__(self) -> None:
        self._links: dict[str, set[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._links)

    def names(self) -> KeysView[str]:
        """Return the record keys that merges connect."""
        return self._links.keys()

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

    def others(self, key: str) -> set[str] | frozenset[str]:
        """Return the record keys that a merge connects with this one directly."""
        return self._links.get(key, _NOBODY)
