"""The directory's fold: events in, changes out, without I/O.

An entry is a function of the newest version of each record, the newest membership of each child number, the decisions
that hold and the newest day that a clock event named, and of nothing else: whatever order the topics arrive in, however
the events are cut into batches and however often they are repeated, the same rows result. A batch therefore keeps only
the newest versions, asks the state which of them are news, and makes the entries of the touched children again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date

from projections.directory.child import Outcome, outcome
from projections.directory.fold_lineage import lineage_changes
from projections.directory.overlay import Overlay
from projections.directory.rulings import (
    CLOCK,
    RETRACTED,
    STANDING,
    WITHDRAWN,
    DecisionView,
    day_of,
    revocation_of,
    ruling_of,
)
from projections.directory.state import (
    Batch,
    Changes,
    DirectoryState,
    IdentityVersion,
    LineageStep,
    Membership,
    RecordVersion,
    Stamp,
)
from projections.directory.views import IdentityView, RecordView
from projections.erasures import ERASED, floors_of
from schemas.moments import micros

RETIRED = "identity.retired"
DUE_AT_ONCE = 5_000  # children whose entries are made again in one go because a day has begun
LINEAGE_KINDS = frozenset({"identity.merged", "identity.split", RETIRED})


def add_record(batch: Batch, view: RecordView, source_kind: str) -> None:
    """Keep this version of a record if it is the newest in the batch."""
    known, version = batch.records.get(view.subject), record_version(view, source_kind)
    if known is None or known.stamp < version.stamp:
        batch.records[view.subject] = version


def add_identity(batch: Batch, view: IdentityView) -> None:
    """Keep this version of a child number if it is the newest in the batch, and its lineage step in any case.

    After a restored backup matching tells a step again, with a later time: the first counts, as in the tables, and the
    records that were told last.
    """
    data, retired = view.data, view.event_type == RETIRED
    own = tuple(key for former in data.before if former.child_number == view.subject for key in former.members)
    known = batch.identities.get(view.subject)
    if known is None or known.stamp < (data.version, view.event_type):
        batch.identities[view.subject] = IdentityVersion(
            view.subject, data.version, view.event_type, data.members, data.held, own if retired else ()
        )
    if view.event_type in LINEAGE_KINDS:
        step = LineageStep(
            view.event_id,
            view.subject,
            view.event_type.removeprefix("identity."),
            data.version,
            data.successors,
            data.causes,
            view.decided_at,
            tuple(sorted({*own, *data.members})),
        )
        first = batch.lineage.setdefault(view.event_id, step)
        batch.lineage[view.event_id] = first._replace(records=step.records)


def add_decision(batch: Batch, view: DecisionView) -> None:
    """Keep what a decision says if the directory follows its kind; the others are matching's."""
    kind = view.event_type
    if kind in STANDING:
        batch.rulings[view.event_id] = ruling_of(view)
    elif kind in {RETRACTED, WITHDRAWN}:
        batch.revocations[view.event_id] = revocation_of(view)
    elif kind == ERASED:
        at = view.decided_at.astimezone(UTC)
        for key, floor in floors_of(view.data).items():
            batch.erased[key] = max(floor, batch.erased.get(key, floor))
            batch.erased_at[key] = max(at, batch.erased_at.get(key, at))
    elif kind == CLOCK:
        batch.today = max(day_of(view), batch.today or date.min)


def record_version(view: RecordView, source_kind: str) -> RecordVersion:
    """Return the version that a record event states."""
    live = view.event_type == "record.observed"
    return RecordVersion(
        view.subject,
        view.source_version,
        view.fingerprint,
        view.event_type,
        view.event_id,
        source_kind,
        None if view.source_time is None else micros(view.source_time),
        view.data if live else None,
        None if live else micros(view.ingested_at),
    )


def fold_into(state: DirectoryState, batch: Batch) -> None:
    """Write what the batch changes, and then by slices what else has come due: a day may concern everybody."""
    made = changes(batch, state)
    state.save(made)
    while made.more_due:
        made = changes(Batch(), state)
        state.save(made)


def changes(batch: Batch, state: DirectoryState) -> Changes:
    """Return what the batch changes in this state; an event that is not newer than what is known changes nothing."""
    around = state.surroundings()
    decided = Overlay(batch, state, around)
    stamps = _stamps(batch, state)
    records = _newer_records(batch, stamps, decided.floors)
    stored = state.identities(batch.identities) if batch.identities else {}
    identities = _newer_identities(batch, stored)
    joined, left = _membership_changes(identities.values(), stored)
    today = max(around.today or date.min, batch.today or date.min)
    clock = None if today == date.min else today
    touched = _touched({*records, *decided.concerns}, identities, stored, state)
    due = state.due(clock, DUE_AT_ONCE) if clock and around.dues else ()
    touched.update(state.identities([child for child in due if child not in touched]))
    _add_sharers(touched, {membership.record_key for membership in left}, decided, state)
    made = _outcomes(touched, records, decided, state, clock)
    fresh = identities.keys() - stored.keys()
    return Changes(
        new_records=[record for record in records.values() if record.record_key not in stamps],
        changed_records=[record for record in records.values() if record.record_key in stamps],
        new_identities=[identity for identity in identities.values() if identity.child_number not in stored],
        changed_identities=[identity for identity in identities.values() if identity.child_number in stored],
        joined=joined,
        left=left,
        lineage=lineage_changes(batch, identities, decided, state, around),
        new_entries=[row.entry for child, row in made.items() if row.entry and child in fresh],
        changed_entries=[row.entry for child, row in made.items() if row.entry and child not in fresh],
        removed_entries=[child for child, row in made.items() if row.entry is None],
        remade=[child for child in made if child not in fresh] if around.restricted or around.dues else (),
        shielded=[row.shielded for row in made.values() if row.shielded],
        sensitive=[row.sensitive for row in made.values() if row.sensitive],
        archived=[row.archived for row in made.values() if row.archived],
        closed=[row.closed for row in made.values() if row.closed],
        dues=[row.due for row in made.values() if row.due],
        rulings=list(decided.fresh.values()),
        dropped_rulings=decided.dropped,
        revocations=decided.revocations,
        erased=batch.erased,
        erased_at=batch.erased_at,
        today=clock if clock != around.today else None,
        more_due=len(due) == DUE_AT_ONCE,
    )


def _stamps(batch: Batch, state: DirectoryState) -> dict[str, Stamp]:
    """Return the stamps of the batch's records that stay stored: a record that the batch erases is not known."""
    if not batch.records:
        return {}
    stamps = state.stamps(batch.records)
    if not batch.erased:
        return dict(stamps)
    return {key: stamp for key, stamp in stamps.items() if stamp[0] > batch.erased.get(key, stamp[0] - 1)}


def _newer_records(batch: Batch, stamps: Mapping[str, Stamp], floors: Mapping[str, int]) -> dict[str, RecordVersion]:
    return {
        key: record
        for key, record in batch.records.items()
        if ((known := stamps.get(key)) is None or known < record.stamp)
        and (not floors or record.source_version > floors.get(key, record.source_version - 1))
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
    record_keys: Collection[str],
    identities: Mapping[str, IdentityVersion],
    stored: Mapping[str, IdentityVersion],
    state: DirectoryState,
) -> dict[str, IdentityVersion]:
    """Return the newest version of every child number that has a new membership or a member that these keys name."""
    touched = dict(identities)
    if not record_keys:
        return touched
    others = [child for child in state.children_of(record_keys) if child not in touched]
    known = {child: stored[child] for child in others if child in stored}
    unread = [child for child in others if child not in known]
    touched.update(known)
    if unread:
        touched.update(state.identities(unread))
    return touched


def _add_sharers(
    touched: dict[str, IdentityVersion], left: Collection[str], decided: Overlay, state: DirectoryState
) -> None:
    """Add the children that share decisions with these: who has a decision depends on who else has its records."""
    keys = {key for identity in touched.values() for key in identity.members} | set(left)
    while more := [child for child in state.children_of(decided.shared(keys)) if child not in touched]:
        found = state.identities(more)
        touched.update(found)
        keys = {key for identity in found.values() for key in identity.members}


def _outcomes(
    touched: Mapping[str, IdentityVersion],
    records: Mapping[str, RecordVersion],
    decided: Overlay,
    state: DirectoryState,
    today: date | None,
) -> dict[str, Outcome]:
    """Return what becomes of each of the touched children."""
    wanted = {key for identity in touched.values() for key in identity.concerns if key not in records}
    versions = dict(state.versions(wanted)) if wanted else {}
    if decided.floors:
        versions = {
            key: version
            for key, version in versions.items()
            if version.source_version > decided.floors.get(key, version.source_version - 1)
        }
    versions.update(records)
    about = decided.of_children(touched.values())
    return {
        child: outcome(identity, _known(identity, versions), about.get(child, ()), today)
        for child, identity in touched.items()
    }


def _known(identity: IdentityVersion, versions: Mapping[str, RecordVersion]) -> list[RecordVersion]:
    return [versions[key] for key in identity.concerns if key in versions]
