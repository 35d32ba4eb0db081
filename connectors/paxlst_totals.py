"""What a passenger list says of its own length: UNT's number of segments, CNT's passengers and crew.

Real lists are often wrong about themselves (`facts/source-formats.md` §4), so a difference is a flaw to be told, and no
reason to refuse anybody.
"""

from __future__ import annotations

from collections import Counter

from connectors.edifact import component

_COUNTED = {"42": "FL", "41": "FM"}  # CNT's qualifier, and the role in NAD of whom it counts


class Totals:
    """Counts one message (UNH to UNT); people of earlier parts of one list may be in the total of the last part."""

    def __init__(self) -> None:
        self._list = ""
        self._segments = 0
        self._people: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._goes_on = self._unsure = False

    def begin(self, header: list[list[str]]) -> None:
        """Begin a message with its UNH segment; element 3 names the list, element 4 says which part follows."""
        name, part = component(header, 3), component(header, 4)
        follows = bool(name) and name == self._list and part.lstrip("0") not in ("", "1")
        self._before = self._before + self._people if follows else Counter()
        self._unsure &= follows
        self._list, self._goes_on = name, component(header, 4, 1) == "C"
        self._segments, self._people = 1, Counter()

    def segment(self) -> None:
        """Count a segment after UNH, readable or not; UNT is among them."""
        self._segments += 1

    def person(self, role: str) -> None:
        """Count a person by the role in NAD."""
        self._people[role] += 1

    def spoilt(self) -> None:
        """Note that somebody could not be read, so that nobody knows how many there are."""
        self._unsure = True

    def flaw(self, elements: list[list[str]]) -> str:
        """Return what a CNT or UNT segment says wrongly, for the report; empty when it is right or cannot be told."""
        tag, claimed = component(elements, 0), component(elements, 1)
        if tag == "UNT":
            return "" if _number(claimed) == self._segments else "UNT: segment_count"
        role, claimed = _COUNTED.get(claimed, ""), component(elements, 1, 1)
        if tag != "CNT" or not role or self._unsure or self._goes_on:
            return ""
        here = self._people[role]
        return "" if _number(claimed) in {here, here + self._before[role]} else f"CNT: {role}_count"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
