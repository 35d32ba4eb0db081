-- name: stamps
select record_key, source_version, fingerprint, event_type from record_version where record_key = any(%s::text[]);

-- name: identities
select child_number, version, event_type, members from identity where child_number = any(%s::text[]);

-- name: children_of
select distinct child_number from membership where record_key = any(%s::text[]);

-- name: live_records
select record_key, source_version, fingerprint, event_type, event_id, source_kind, recorded_at, hides_source, person
from record_version
where record_key = any(%s::text[]) and person is not null;

-- name: copy_new_records
copy record_version (record_key, source_version, fingerprint, event_type, event_id, source_kind, recorded_at,
                     hides_source, person) from stdin;

-- name: copy_changed_records
copy incoming_record (record_key, source_version, fingerprint, event_type, event_id, source_kind, recorded_at,
                      hides_source, person) from stdin;

-- name: update_records
update record_version as stored
set source_version = incoming.source_version,
    fingerprint = incoming.fingerprint,
    event_type = incoming.event_type,
    event_id = incoming.event_id,
    source_kind = incoming.source_kind,
    recorded_at = incoming.recorded_at,
    hides_source = incoming.hides_source,
    person = incoming.person
from incoming_record as incoming
where stored.record_key = incoming.record_key;

-- name: copy_new_identities
copy identity (child_number, version, event_type, members) from stdin;

-- name: copy_changed_identities
copy incoming_identity (child_number, version, event_type, members) from stdin;

-- name: update_identities
update identity as stored
set version = incoming.version, event_type = incoming.event_type, members = incoming.members
from incoming_identity as incoming
where stored.child_number = incoming.child_number;

-- name: delete_memberships
delete from membership as stored
using unnest(%s::text[], %s::text[]) as ended (record_key, child_number)
where stored.record_key = ended.record_key and stored.child_number = ended.child_number;

-- name: copy_memberships
copy membership (record_key, child_number) from stdin;

-- name: copy_new_entries
copy entry (child_number, surname, forename, birth_date, postcode, document) from stdin;

-- name: copy_changed_entries
copy incoming_entry (child_number, surname, forename, birth_date, postcode, document) from stdin;

-- name: upsert_entries
insert into entry (child_number, surname, forename, birth_date, postcode, document)
select child_number, surname, forename, birth_date, postcode, document from incoming_entry
on conflict (child_number) do update
set surname = excluded.surname,
    forename = excluded.forename,
    birth_date = excluded.birth_date,
    postcode = excluded.postcode,
    document = excluded.document;

-- name: delete_entries
delete from entry where child_number = any(%s::text[]);

-- name: copy_lineage
copy incoming_lineage (event_id, child_number, kind, version, successors, causes, decided_at) from stdin;

-- name: insert_lineage
insert into lineage (event_id, child_number, kind, version, successors, causes, decided_at)
select event_id, child_number, kind, version, successors, causes, decided_at from incoming_lineage
on conflict do nothing;
