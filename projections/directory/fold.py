"""The directory's fold: events in, changes out, without I/O.

An entry is a function of the newest version of each record and the newest membership of each child number, and of
nothing else: whatever order the topics arrive in, however the events are cut into batches and however often they are
repeated, the same rows result. A batch therefore keeps only the newest versions, asks the state which of them are news,
and makes the entries of the touched children again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from projections.directory.entry import entry_row, without_sensitive_detail
from projections.directory.state import (
    Batch,
    Changes,
    DirectoryState,
    EntryRow,
    IdentityVersion,
    LineageStep,
    Membership,
    RecordVersion,
    Stamp,
)
from projections.directory.views import IdentityView, Person, RecordView

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LINEAGE_KINDS = frozenset({"identity.merged", "identity.split", "identity.retired"})


def add_record(batch: Batch, view: RecordView, source_kind: str) -> None:
    """Keep this version of a record if it is the newest in the batch."""
    known = batch.records.get(view.subject)
    if known is None or known.stamp < (view.source_version, view.fingerprint, view.event_type):
        batch.records[view.subject] = record_version(view, source_kind)


def add_identity(batch: Batch, view: IdentityView) -> None:
    """Keep this version of a child number if it is the newest in the batch, and its lineage step in any case."""
    data = view.data
    known = batch.identities.get(view.subject)
    if known is None or known.stamp < (data.version, view.event_type):
        batch.identities[view.subject] = IdentityVersion(view.subject, data.version, view.event_type, data.members)
    if view.event_type in LINEAGE_KINDS:
        batch.lineage[view.event_id] = LineageStep(
            view.event_id,
            view.subject,
            view.event_type.removeprefix("identity."),
            data.version,
            data.successors,
            data.causes,
            view.decided_at,
        )


def record_version(view: RecordView, source_kind: str) -> RecordVersion:
    """Return the version that a record event states, without anything that could name a sensitive provider."""
    person: Person | None = view.data if view.event_type == "record.observed" else None
    sensitive = person is not None and any(service.sensitive for service in person.involvements)
    if person is not None and sensitive:
        involvements = tuple(map(without_sensitive_detail, person.involvements))
        person = msgspec.structs.replace(person, involvements=involvements)
    recorded_at = None if view.source_time is None else (view.source_time - _EPOCH) // _MICROSECOND
    return RecordVersion(
        view.subject,
        view.source_version,
        view.fingerprint,
        view.event_type,
        view.event_id,
        source_kind,
        recorded_at,
        sensitive,
        person,
    )


def changes(batch: Batch, state: DirectoryState) -> Changes:
    """Return what the batch changes in this state; an event that is not newer than what is known changes nothing."""
    stamps = state.stamps(batch.records) if batch.records else {}
    records = _newer_records(batch, stamps)
    stored = state.identities(batch.identities) if batch.identities else {}
    identities = _newer_identities(batch, stored)
    joined, left = _membership_changes(identities.values(), stored)
    touched = _touched(records, identities, stored, state)
    entries, removed = _entries(touched, records, state)
    fresh = identities.keys() - stored.keys()
    return Changes(
        new_records=[record for record in records.values() if record.record_key not in stamps],
        changed_records=[record for record in records.values() if record.record_key in stamps],
        new_identities=[identity for identity in identities.values() if identity.child_number not in stored],
        changed_identities=[identity for identity in identities.values() if identity.child_number in stored],
        joined=joined,
        left=left,
        lineage=list(batch.lineage.values()),
        new_entries=[row for row in entries if row.child_number in fresh],
        changed_entries=[row for row in entries if row.child_number not in fresh],
        removed_entries=removed,
    )


def _newer_records(batch: Batch, stamps: Mapping[str, Stamp]) -> dict[str, RecordVersion]:
    return {
        key: record
        for key, record in batch.records.items()
        if (known := stamps.get(key)) is None or known < record.stamp
    }


def _newer_identities(batch: Batch, stored: Mapping[str, IdentityVersion]) -> dict[str, IdentityVersion]:
    return {
        child: identity
        for child, identity in batch.identities.items()
        if (known := stored.get(child)) is None or known.stamp < identity.stamp
    }


def _membership_changes(
    identities: Iterable[IdentityVersion], stored: Mapping[str, IdentityVersion]
) -> tuple[list[Membership], list[Membership]]:
    """Return the memberships that begin and those that end."""
    joined: list[Membership] = []
    left: list[Membership] = []
    for identity in identities:
        child, known = identity.child_number, stored.get(identity.child_number)
        after = frozenset(identity.members)
        if known is None:
            joined.extend([Membership(key, child) for key in after])
            continue
        before = frozenset(known.members)
        joined.extend([Membership(key, child) for key in after - before])
        left.extend([Membership(key, child) for key in before - after])
    return joined, left


def _touched(
    records: Mapping[str, RecordVersion],
    identities: Mapping[str, IdentityVersion],
    stored: Mapping[str, IdentityVersion],
    state: DirectoryState,
) -> dict[str, IdentityVersion]:
    """Return the newest version of every child number that has a new membership or a member with a new version."""
    touched = dict(identities)
    if not records:
        return touched
    others = [child for child in state.children_of(records) if child not in touched]
    known = {child: stored[child] for child in others if child in stored}
    unread = [child for child in others if child not in known]
    touched.update(known)
    if unread:
        touched.update(state.identities(unread))
    return touched


def _entries(
    touched: Mapping[str, IdentityVersion], records: Mapping[str, RecordVersion], state: DirectoryState
) -> tuple[list[EntryRow], list[str]]:
    """Return the entries of the touched children, and the child numbers that have none (any longer)."""
    wanted = {key for identity in touched.values() for key in identity.members if key not in records}
    versions = dict(state.live_records(wanted)) if wanted else {}
    versions.update(records)
    entries: list[EntryRow] = []
    removed: list[str] = []
    for child, identity in touched.items():
        row = entry_row(child, _members(identity.members, versions))
        if row is None:
            removed.append(child)
        else:
            entries.append(row)
    return entries, removed


def _members(keys: Sequence[str], versions: Mapping[str, RecordVersion]) -> list[RecordVersion]:
    return [versions[key] for key in keys if key in versions]
