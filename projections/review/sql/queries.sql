-- name: conflicts
select conflict_id, version, event_type, event_id, decided_at, causation_id, kind, records, children, evidence::text,
       decisions, authority, shielded, model, opened_version, opened_at
from review_conflict where conflict_id = any(%s);

-- name: conflicts_about
select conflict_id, version, event_type, event_id, decided_at, causation_id, kind, records, children, evidence::text,
       decisions, authority, shielded, model, opened_version, opened_at
from review_conflict where records && %s::text[];

-- name: decisions_about
select event_id, event_type, decided_at, by_user, approved_by, reason, one_side, other_side
from review_decision where one_side || other_side && %s::text[];

-- name: save_conflict
insert into review_conflict (conflict_id, version, event_type, event_id, decided_at, causation_id, kind, records, children,
                             evidence, decisions, authority, shielded, model, opened_version, opened_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (conflict_id) do update
set version = excluded.version, event_type = excluded.event_type, event_id = excluded.event_id,
    decided_at = excluded.decided_at, causation_id = excluded.causation_id, kind = excluded.kind,
    records = excluded.records, children = excluded.children, evidence = excluded.evidence,
    decisions = excluded.decisions, authority = excluded.authority, shielded = excluded.shielded,
    model = excluded.model, opened_version = excluded.opened_version, opened_at = excluded.opened_at;

-- name: save_decision
insert into review_decision (event_id, event_type, decided_at, by_user, approved_by, reason, one_side, other_side)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict do nothing;

-- name: save_ordinary
insert into conflict (conflict_id, kind, state, version, opened_at, changed_at, closed_at, authority, records, children,
                      evidence, decisions, model, resolution, answers)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (conflict_id) do update
set kind = excluded.kind, state = excluded.state, version = excluded.version, opened_at = excluded.opened_at,
    changed_at = excluded.changed_at, closed_at = excluded.closed_at, authority = excluded.authority,
    records = excluded.records, children = excluded.children, evidence = excluded.evidence,
    decisions = excluded.decisions, model = excluded.model, resolution = excluded.resolution, answers = excluded.answers;

-- name: save_shielded
insert into shielded_conflict (conflict_id, kind, state, version, opened_at, changed_at, closed_at, authority, records,
                               children, evidence, decisions, model, resolution, answers)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (conflict_id) do update
set kind = excluded.kind, state = excluded.state, version = excluded.version, opened_at = excluded.opened_at,
    changed_at = excluded.changed_at, closed_at = excluded.closed_at, authority = excluded.authority,
    records = excluded.records, children = excluded.children, evidence = excluded.evidence,
    decisions = excluded.decisions, model = excluded.model, resolution = excluded.resolution, answers = excluded.answers;

-- name: drop_ordinary
delete from conflict where conflict_id = any(%s);

-- name: drop_shielded
delete from shielded_conflict where conflict_id = any(%s);
