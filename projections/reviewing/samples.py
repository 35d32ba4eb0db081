"""Samples of pairs that people review blind: kept, given out one by one, and counted up by weight band."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from connectors.postgres import wrap_errors
from projections.base import Rows
from projections.reviewing.desk import SQL, Item, ReviewDesk
from projections.reviewing.estimates import Agreement, Interval, Stratum, StratumResult, agreement, overall, result
from projections.reviewing.rules import Verdict, verdict
from schemas.errors import RejectedError


class DrawnPair(NamedTuple):
    """A pair of the sample, by its record keys, and its stratum."""

    stratum: Stratum
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample as it was drawn: its pairs in the order in which they are given out, and each stratum's share.

    `linked_pairs` is how many pairs of records of one child there are in all.
    """

    seed: int
    model: str
    pairs: tuple[DrawnPair, ...]
    shares: dict[Stratum, float]
    linked_pairs: int


class SampleSummary(NamedTuple):
    """One sample: what it was drawn by, how many items it has and how many are open."""

    sample: str
    seed: int
    model: str
    drawn_by: str
    drawn_at: datetime
    items: int
    open: int


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What a sample says. `precision` is that of all links, `missed` the share of one child among unlinked near pairs.

    `errors` are the pairs about which people contradict linkage or never agreed: (item, answer, left, right).
    """

    strata: tuple[StratumResult, ...]
    precision: Interval | None
    missed: Interval | None
    agreement: Agreement | None
    errors: tuple[tuple[str, str, str, str], ...]


class Samples:
    """Samples on one connection in autocommit mode."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection
        self._desk = ReviewDesk(connection)

    def keep(self, drawn: Drawn, by: str, now: datetime) -> str:
        """Keep a sample; return its name."""
        name = f"S{secrets.token_hex(6)}"
        made = {"id": name, "seed": drawn.seed, "model": drawn.model, "by": by, "now": now}
        strata = [(name, *stratum, share) for stratum, share in drawn.shares.items()]
        items = [
            (f"{name}.{place}", name, place, *pair.stratum, pair.left, pair.right)
            for place, pair in enumerate(drawn.pairs, 1)
        ]
        with wrap_errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(SQL["add_sample"], {**made, "linked_pairs": drawn.linked_pairs})
            cursor.executemany(SQL["add_stratum"], strata)
            cursor.executemany(SQL["add_item"], items)
        return name

    def list(self) -> list[SampleSummary]:
        """Return every sample, the oldest first."""
        with wrap_errors():
            return [SampleSummary(*row) for row in self._connection.execute(SQL["samples"]).fetchall()]

    def next(self, sample: str, by: str, now: datetime) -> Item | None:
        """Claim the next item that this person may answer; None when there is none now."""
        self._demand(sample)
        with wrap_errors():
            row = self._connection.execute(SQL["next_item"], {"sample": sample, "by": by, "now": now}).fetchone()
        if row is None:
            return None
        item = Item(row[0])
        self._desk.claim(item, by, by, now)
        return item

    def pair(self, item: Item) -> tuple[str, str]:
        """Return the record keys of an open item; raise RejectedError when there is none."""
        _, left, right = self._open(item)
        return left, right

    def withdraw(self, item: Item) -> None:
        """Take an item out: one of its records is gone, or may no longer be shown."""
        self._close(item, "withdrawn", keep=False)

    def answer(self, item: Item, answer: str, reason: str, by: str, now: datetime) -> Verdict:
        """Take an answer (`ReviewDesk.answer`). A pair that is found right is forgotten."""
        with wrap_errors(), self._connection.transaction():
            linked, _, _ = self._open(item)
            found = self._desk.answer(item, answer, reason, by, now)
            if not found.is_open:
                self._close(item, "settled", keep=_is_error(linked=linked, found=found))
        return found

    def report(self, sample: str) -> SampleReport:
        """Return what the sample says so far; raise RejectedError when there is none of this name."""
        self._demand(sample)
        with wrap_errors():
            shares = {
                Stratum(linked, band): share
                for linked, band, share in self._connection.execute(SQL["strata"], [sample]).fetchall()
            }
            rows = self._connection.execute(SQL["results"], [sample]).fetchall()
        settled: dict[Stratum, list[str]] = {stratum: [] for stratum in shares}
        sampled = dict.fromkeys(shares, 0)
        errors = []
        for name, linked, band, state, left, right, answers in rows:
            found = verdict(answers)
            sampled[Stratum(linked, band)] += state != "withdrawn"
            if found.answer is not None:
                settled[Stratum(linked, band)].append(found.answer)
            if state == "settled" and left is not None:
                errors.append((name, found.answer or found.standing, left, right))
        strata = tuple(result(each, shares[each], sampled[each], settled[each]) for each in shares)
        firsts = [(answers[0], answers[1]) for *_, answers in rows if len(answers) > 1]
        precision, missed = overall(strata, linked=True), overall(strata, linked=False)
        return SampleReport(strata, precision, missed, agreement(firsts), tuple(errors))

    def _demand(self, sample: str) -> None:
        with wrap_errors():
            if self._connection.execute(SQL["sample"], [sample]).fetchone() is None:
                raise RejectedError("sample_unknown", f"there is no sample {sample}: see `contactpoint sample list`")

    def _open(self, item: Item) -> tuple[bool, str, str]:
        with wrap_errors():
            row = self._connection.execute(SQL["item"], [item.name]).fetchone()
        if row is None:
            raise RejectedError("item_unknown", f"there is no open item {item.name}: see `contactpoint sample next`")
        return row[1], row[2], row[3]

    def _close(self, item: Item, state: str, *, keep: bool) -> None:
        with wrap_errors():
            self._connection.execute(SQL["close_item"], {"item": item.name, "state": state, "keep": keep})


def forget_records(connection: Rows, keys: Sequence[str]) -> int:
    """Take every item out that names one of these records, which are erased; return how many."""
    if not ReviewDesk(connection).is_open():
        return 0
    with wrap_errors():
        return connection.execute(SQL["forget_records"], {"keys": list(keys)}).rowcount


def _is_error(*, linked: bool, found: Verdict) -> bool:
    return found.answer is None or found.answer == ("different" if linked else "same")
