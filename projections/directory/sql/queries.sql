-- name: surroundings
select (select today from clock),
       exists (select from ruling) or exists (select from revocation),
       exists (select from ruling where kind = 'decision.severed'),
       exists (select from erased),
       exists (select from shielded_entry) or exists (select from sensitive_service)
           or exists (select from archived_entry) or exists (select from closed_entry),
       exists (select from due);

-- name: stamps
select record_key, source_version, fingerprint, event_type, -coalesce(withdrawn_at, 0)
from record_version
where record_key = any(%s::text[]);

-- name: identities
select child_number, version, event_type, members, held, former from identity where child_number = any(%s::text[]);

-- name: children_of
select child_number from membership where record_key = any(%s::text[])
union
select child_number from identity where former <> '{}' and former && %s::text[];

-- name: versions
select record_key, source_version, fingerprint, event_type, event_id, source_kind, recorded_at, person,
       withdrawn_at
from record_version
where record_key = any(%s::text[]);

-- name: copy_new_records
copy record_version (record_key, source_version, fingerprint, event_type, event_id, source_kind, recorded_at,
                     person, withdrawn_at) from stdin;

-- name: copy_changed_records
copy incoming_record (record_key, source_version, fingerprint, event_type, event_id, source_kind, recorded_at,
                      person, withdrawn_at) from stdin;

-- name: update_records
update record_version as stored
set source_version = incoming.source_version,
    fingerprint = incoming.fingerprint,
    event_type = incoming.event_type,
    event_id = incoming.event_id,
    source_kind = incoming.source_kind,
    recorded_at = incoming.recorded_at,
    person = incoming.person,
    withdrawn_at = incoming.withdrawn_at
from incoming_record as incoming
where stored.record_key = incoming.record_key;

-- name: copy_new_identities
copy identity (child_number, version, event_type, members, held, former) from stdin;

-- name: copy_changed_identities
copy incoming_identity (child_number, version, event_type, members, held, former) from stdin;

-- name: update_identities
update identity as stored
set version = incoming.version, event_type = incoming.event_type, members = incoming.members,
    held = incoming.held, former = incoming.former
from incoming_identity as incoming
where stored.child_number = incoming.child_number;

-- name: delete_memberships
delete from membership as stored
using unnest(%s::text[], %s::text[]) as ended (record_key, child_number)
where stored.record_key = ended.record_key and stored.child_number = ended.child_number;

-- name: copy_memberships
copy membership (record_key, child_number) from stdin;

-- name: copy_new_entries
copy entry (child_number, surname, forename, others, birth_date, sex, postcode, shielded, document) from stdin;

-- name: copy_changed_entries
copy incoming_entry (child_number, surname, forename, others, birth_date, sex, postcode, shielded, document) from stdin;

-- name: upsert_entries
-- A row that says the same again is left alone: what a shield hides must not show in `changed`.
insert into entry as stored (child_number, surname, forename, others, birth_date, sex, postcode, shielded, document)
select child_number, surname, forename, others, birth_date, sex, postcode, shielded, document from incoming_entry
on conflict (child_number) do update
set surname = excluded.surname,
    forename = excluded.forename,
    others = excluded.others,
    birth_date = excluded.birth_date,
    sex = excluded.sex,
    postcode = excluded.postcode,
    shielded = excluded.shielded,
    document = excluded.document,
    changed = excluded.changed
where stored.document::text is distinct from excluded.document::text or stored.shielded <> excluded.shielded;

-- name: delete_entries
delete from entry where child_number = any(%s::text[]);

-- name: add_gone
insert into gone (child_number) select unnest(%s::text[]) on conflict do nothing;

-- name: delete_gone
delete from gone where child_number = any(%s::text[]);

-- name: copy_lineage
copy incoming_lineage (event_id, child_number, kind, version, successors, causes, decided_at, records,
                       shown_kind, shown_successors, shown_causes)
from stdin;

-- name: insert_lineage
with steps as (
    insert into lineage_step as stored
        (event_id, child_number, kind, version, successors, causes, decided_at, records)
    select event_id, child_number, kind, version, successors, causes, decided_at, records from incoming_lineage
    on conflict (event_id) do update set records = excluded.records where stored.records <> excluded.records
), hidden as (
    delete from lineage as stored using incoming_lineage as incoming
    where stored.event_id = incoming.event_id and incoming.shown_kind is null
)
insert into lineage as stored (event_id, child_number, kind, version, successors, causes, decided_at)
select event_id, child_number, shown_kind, version, shown_successors, shown_causes, decided_at
from incoming_lineage where shown_kind is not null
on conflict (event_id) do update set kind = excluded.kind, successors = excluded.successors, causes = excluded.causes
where (stored.kind, stored.successors, stored.causes) <> (excluded.kind, excluded.successors, excluded.causes);

-- name: steps_of
select event_id, child_number, kind, version, successors, causes, decided_at, records
from lineage_step
where child_number = any(%s::text[]) or successors && %s::text[];

-- name: steps_with_records
select event_id, child_number, kind, version, successors, causes, decided_at, records
from lineage_step
where records && %s::text[];

-- name: rulings_about
select distinct r.event_id, r.document
from ruling_record n join ruling r using (event_id)
where n.record_key = any(%s::text[]);

-- name: rulings
select event_id, document from ruling where event_id = any(%s::text[]);

-- name: revocations
select event_id, target, kind, decided_at from revocation where event_id = any(%s::text[]);

-- name: revocations_of
select event_id, target, kind, decided_at from revocation where target = any(%s::text[]);

-- name: floors
select record_key, source_version, ordered_at from erased where record_key = any(%s::text[]);

-- name: due_children
select child_number from due where due <= %s order by due limit %s;

-- name: delete_rulings
with names as (delete from ruling_record where event_id = any(%(ids)s::text[]))
delete from ruling where event_id = any(%(ids)s::text[]);

-- name: copy_rulings
copy ruling (event_id, kind, document) from stdin;

-- name: copy_ruling_records
copy ruling_record (record_key, event_id) from stdin;

-- name: copy_revocations
copy revocation (event_id, target, kind, decided_at) from stdin;

-- name: erase
with floors as (
    insert into erased as stored (record_key, source_version, ordered_at)
    select * from unnest(%(keys)s::text[], %(floors)s::bigint[], %(times)s::timestamptz[])
    on conflict (record_key) do update
    set source_version = greatest(stored.source_version, excluded.source_version),
        ordered_at = greatest(stored.ordered_at, excluded.ordered_at)
)
delete from record_version as stored
using unnest(%(keys)s::text[], %(floors)s::bigint[]) as floor (record_key, source_version)
where stored.record_key = floor.record_key and stored.source_version <= floor.source_version;

-- name: set_clock
insert into clock (today) values (%s)
on conflict (singleton) do update set today = greatest(clock.today, excluded.today);

-- name: delete_remade
with shielded as (delete from shielded_entry where child_number = any(%(children)s::text[])),
     sensitive as (delete from sensitive_service where child_number = any(%(children)s::text[])),
     archived as (delete from archived_entry where child_number = any(%(children)s::text[])),
     closed as (delete from closed_entry where child_number = any(%(children)s::text[]))
delete from due where child_number = any(%(children)s::text[]);

-- name: copy_shielded
copy shielded_entry (child_number, document) from stdin;

-- name: copy_sensitive
copy sensitive_service (child_number, document) from stdin;

-- name: copy_archived
copy archived_entry (child_number, cause, archived_on, until, shielded, document) from stdin;

-- name: copy_closed
copy closed_entry (child_number, cause, archived_on, until, shielded, document) from stdin;

-- name: copy_due
copy due (child_number, due) from stdin;
