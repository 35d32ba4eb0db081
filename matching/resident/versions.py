"""What a batch of changes says of records, and does to them: the newest-version rule.

A record's state is its newest version by (version, fingerprint); of two kinds with one version and fingerprint, no
longer being there wins. Late and repeated versions change nothing but the first `ingested_at`, of which the minimum
is kept. The newest merge is kept apart: it still says which record survived when the loser is observed again. An
erasure is a change that beats every version up to its own (`refuse_erased` keeps them out from then on); the record is
then taken as first received when it was erased, which does not depend on what had been received by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from matching.changes import SourceChange

Merge = tuple[str, int, str]
"""(surviving record's key, version, fingerprint) of the newest merge of a record; ("", 0, "") if there was none."""
NO_MERGE: Final[Merge] = ("", 0, "")
ERASED: Final = "~"
"""The fingerprint of an erased version: after all real ones, which are hexadecimal."""


@dataclass(slots=True)
class Fold:
    """What a batch of changes does to records: lists of record numbers.

    `inserted` were unknown, with `sources` theirs. `ended` were live and are not. `compared` are live and have new
    content, with `rows` their values and what `Preparer` made of these (b"" = not asked yet); `replaced` are those of
    them that had other content before. `relabelled` have a new version or first `ingested_at` but nothing that
    comparison sees; `refounded` are those of any kind that are live and were first ingested earlier than was known.
    `rewritten` are known records of which the whole row changes, `former_rows` the values that they had. `events` are
    the ids of the source events that changed each record.
    """

    inserted: list[int] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)
    rows: list[tuple[str, bytes]] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    rewritten: list[int] = field(default_factory=list)
    former_rows: list[str] = field(default_factory=list)
    relabelled: list[int] = field(default_factory=list)
    refounded: list[int] = field(default_factory=list)
    merges: list[tuple[int, Merge]] = field(default_factory=list)
    events: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def rewrite(self, stored: Stored) -> None:
        """Note that the whole row of a known record changes."""
        self.rewritten.append(stored.rid)
        self.former_rows.append(stored.row)

    def compare_again(self, stored: Stored, row: str, prepared: bytes) -> None:
        """Note that a known record is live with these values now.

        What is not compared can change the durable row as well, whose edges are not in memory: compare again.
        """
        self.compared.append(stored.rid)
        self.rows.append((row, prepared))
        self.rewrite(stored)
        if stored.live:
            self.replaced.append(stored.rid)


class Stored(NamedTuple):
    """What is known of one record before a batch; `row` are its values, joined by SEPARATOR."""

    rid: int
    version: int
    live: bool
    ingested: int
    verified: int
    fingerprint: str
    row: str
    authority: str


class Touched:
    """All that one batch says of one record."""

    __slots__ = ("erasure", "first_ingested", "merge", "newest")

    def __init__(self, change: SourceChange) -> None:
        self.newest = change
        self.first_ingested = change
        self.merge = change if change.kind == "merged" else None
        self.erasure = change if change.kind == "erased" else None

    def add(self, change: SourceChange) -> None:
        """Take in one more change of the record, in any order."""
        if change.kind == "erased":
            self.erasure = change
        if order_of(change) > order_of(self.newest):
            self.newest = change
        if change.ingested_at < self.first_ingested.ingested_at:
            self.first_ingested = change
        if change.kind == "merged" and (self.merge is None or newer_merge(merge_of(change), merge_of(self.merge))):
            self.merge = change


def order_of(change: SourceChange) -> tuple[int, str, bool]:
    """Return by what the newest of a record's versions is told."""
    return change.version, change.fingerprint, change.kind != "observed"


def is_plain(stored: Stored, change: SourceChange) -> bool:
    """Tell whether a change, the only one of a live record, is a newer version of it and nothing else: most are."""
    newer = change.version > stored.version and change.ingested_at >= stored.ingested
    return newer and stored.live and change.kind == "observed"


def newer_merge(merge: Merge, than: Merge) -> bool:
    """Tell whether a merge replaces another one of the same record."""
    return (merge[1], merge[2], merge[0]) > (than[1], than[2], than[0])


def merge_of(change: SourceChange) -> Merge:
    """Return the merge that a change of kind "merged" tells of."""
    return change.merged_into or "", change.version, change.fingerprint
