"""What a run of a feed did, in numbers that add up and without anybody's data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from connectors.base import FileFailure


@dataclass(slots=True)
class FeedReport:
    """The counts of one run: `received = accepted + unchanged + out_of_scope + rejected`.

    `accepted` records led to an event, `unchanged` ones said nothing new (of these, `late` ones were older than what is
    known), `out_of_scope` ones are about people whom the directory may not hold, `rejected` ones are dead letters.
    `withdrawn_by_absence` events come on top: no row stands for them. `dropped` counts fields that the law does not
    permit, by name; `notes` counts items that could not be used, by item and reason.
    """

    feed: str
    files: int = 0
    received: int = 0
    accepted: int = 0
    unchanged: int = 0
    late: int = 0
    out_of_scope: int = 0
    rejected: int = 0
    events: int = 0
    withdrawn_by_absence: int = 0
    paused: bool = False
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    failures: list[FileFailure] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        """Whether every record that was received is counted once."""
        return self.received == self.accepted + self.unchanged + self.out_of_scope + self.rejected

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for `--output json`."""
        return {
            "feed": self.feed,
            "files": self.files,
            "received": self.received,
            "accepted": self.accepted,
            "unchanged": self.unchanged,
            "late": self.late,
            "out_of_scope": self.out_of_scope,
            "rejected": self.rejected,
            "events": self.events,
            "withdrawn_by_absence": self.withdrawn_by_absence,
            "paused": self.paused,
            "dropped_fields": dict(sorted(self.dropped.items())),
            "notes": dict(sorted(self.notes.items())),
            "rejects": dict(sorted(self.rejects.items())),
            "warnings": list(self.warnings),
            "failures": [
                {"file": one.file, "place": one.place, "code": one.code, "reason": one.reason} for one in self.failures
            ],
        }
