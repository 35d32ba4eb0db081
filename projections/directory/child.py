"""What becomes of one child: which rows, in which tables, for whom. Pure.

The one place that decides who may see a child at all. Readers see an entry, or what a shield leaves of it; everything
else goes to tables in database schemas of their own, or nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from projections.directory.compose import compose
from projections.directory.entry import Entry, behind_shield, fold_name
from projections.directory.retention import Facts, Life, life, next_of
from projections.directory.rulings import SEVERED, SHIELD, Standing
from projections.directory.state import (
    ArchivedRow,
    DueRow,
    EntryRow,
    IdentityVersion,
    RecordVersion,
    SensitiveRow,
    ShieldedRow,
)
from projections.directory.views import Name
from schemas.moments import day_of

_encoder = msgspec.json.Encoder()


class Outcome(NamedTuple):
    """The rows of one child; at most one of `entry`, `archived` and `closed` is there."""

    entry: EntryRow | None = None
    shielded: ShieldedRow | None = None
    sensitive: SensitiveRow | None = None
    archived: ArchivedRow | None = None
    closed: ArchivedRow | None = None
    due: DueRow | None = None


NOTHING = Outcome()


def outcome(
    identity: IdentityVersion, records: Sequence[RecordVersion], standings: Sequence[Standing], today: date | None
) -> Outcome:
    """Return the rows of a child whom these records concern, under the decisions that name any of them.

    `standings` are in the order in which they were made. Of a child that is held, and of one in which a severed
    identity and the new one are still together, readers see nothing, and it is erased in its time all the same.
    """
    live = [record for record in records if record.person is not None]
    if not live:
        return _withdrawn(identity.child_number, records, today)
    if not identity.members:
        return NOTHING  # the number is retired, and what it had is somebody else's now
    child = identity.child_number
    made = compose(child, live, standings, today)
    shielded = any(each.ruling.kind == SHIELD and each.holds for each in standings)
    stage = life(made.facts, standings, today)
    due = _due(child, (stage.due, *made.leaves), today)
    unseen = identity.held or (standings and _joins_what_is_severed(identity, standings))
    if unseen:
        return _unsaid(child, stage, due) if stage.stage == "purge_due" else Outcome(due=due)
    if stage.stage != "live":
        return _archived(made.entry, stage, due, shielded=shielded)
    sensitive = SensitiveRow(child, _encode(made.sensitive)) if made.sensitive else None
    if not shielded:
        return Outcome(entry_row(made.entry), sensitive=sensitive, due=due)
    return Outcome(_shielded_row(made.entry), ShieldedRow(child, _encode(made.entry)), sensitive=sensitive, due=due)


def entry_row(entry: Entry) -> EntryRow:
    """Return the published row of an entry that anybody who may read the directory may see."""
    place = entry.whereabouts.value.address if entry.whereabouts else None
    names = [item.value for item in entry.names]
    return _row(entry, names, place.postcode if place else None, _encode(entry), shielded=False)


def _shielded_row(entry: Entry) -> EntryRow:
    kept = behind_shield(entry)
    return _row(entry, kept.names, None, _encode(kept), shielded=True)


def _row(entry: Entry, names: Sequence[Name], postcode: str | None, document: str, *, shielded: bool) -> EntryRow:
    first = names[0] if names else None
    return EntryRow(
        entry.child_number,
        fold_name(first.family) if first and first.family else None,
        fold_name(first.given) if first and first.given else None,
        _other_names(names) if len(names) > 1 else (),
        entry.birth_date.value.date if entry.birth_date else None,
        entry.sex.value if entry.sex else None,
        postcode,
        shielded,
        document,
    )


def _other_names(names: Sequence[Name]) -> tuple[str, ...]:
    """Return the further names as they are searched: `surname` alone and `surname forename`, sorted."""
    found: set[str] = set()
    for name in names[1:]:
        if name.family:
            found.add(fold_name(name.family))
            if name.given:
                found.add(f"{fold_name(name.family)} {fold_name(name.given)}")
    return tuple(sorted(found))


def _withdrawn(child: str, records: Sequence[RecordVersion], today: date | None) -> Outcome:
    """Return the rows of a child of whom nothing is said any more: the days of its archive."""
    days = [day for record in records if (day := day_of(record.withdrawn_at)) is not None]
    stage = life(Facts(withdrawn=max(days, default=None)), (), today)
    due = _due(child, (stage.due,), today)
    return Outcome(due=due) if stage.stage == "live" else _unsaid(child, stage, due)


def _due(child: str, days: Sequence[date | None], today: date | None) -> DueRow | None:
    first = next_of(days, today)
    return None if first is None else DueRow(child, first)


def _unsaid(child: str, stage: Life, due: DueRow | None) -> Outcome:
    """Return the rows of a child in the archive of whom nothing is to be told but that."""
    return _archived(Entry(child, []), stage, due, shielded=False)


def _archived(entry: Entry, stage: Life, due: DueRow | None, *, shielded: bool) -> Outcome:
    since = stage.since or date.max
    until = stage.due or since
    row = ArchivedRow(entry.child_number, stage.cause or "", since, until, shielded, _encode(entry))
    return Outcome(archived=row, due=due) if stage.stage == "archive" else Outcome(closed=row, due=due)


def _joins_what_is_severed(identity: IdentityVersion, standings: Sequence[Standing]) -> bool:
    members = set(identity.members)
    return any(
        each.ruling.kind == SEVERED
        and members.intersection(each.ruling.records)
        and members.intersection(each.ruling.current)
        for each in standings
    )


def _encode(document: object) -> str:
    return _encoder.encode(document).decode()
