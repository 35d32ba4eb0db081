-- name: append_source_events
copy source_event (event_id, record_key, event_type, schema_version, feed, source_version, fingerprint, source_time,
                   effective_time, ingested_at, items, survivor, causation_id, correlation_id, topic, part, log_offset)
from stdin;

-- name: copy_source_events
copy incoming_source_event (event_id, record_key, event_type, schema_version, feed, source_version, fingerprint,
                            source_time, effective_time, ingested_at, items, survivor, causation_id, correlation_id,
                            topic, part, log_offset) from stdin;

-- name: upsert_source_events
insert into source_event as stored
select * from incoming_source_event
on conflict (event_id) do update
set ingested_at = excluded.ingested_at,
    correlation_id = excluded.correlation_id,
    causation_id = excluded.causation_id,
    feed = excluded.feed,
    topic = excluded.topic,
    part = excluded.part,
    log_offset = excluded.log_offset
where (excluded.ingested_at, coalesce(excluded.correlation_id, ''), coalesce(excluded.causation_id, ''), excluded.feed)
    < (stored.ingested_at, coalesce(stored.correlation_id, ''), coalesce(stored.causation_id, ''), stored.feed);

-- name: append_identity_events
copy identity_event (event_id, child_number, event_type, schema_version, version, decided_at, founder, members, before,
                     successors, causes, model, evidence, causation_id, correlation_id) from stdin;

-- name: copy_identity_events
copy incoming_identity_event (event_id, child_number, event_type, schema_version, version, decided_at, founder, members,
                              before, successors, causes, model, evidence, causation_id, correlation_id) from stdin;

-- name: insert_identity_events
insert into identity_event select * from incoming_identity_event on conflict do nothing;

-- name: any_erased
select exists (select from erased_record);

-- name: floors
select record_key, source_version from erased_record where record_key = any(%s::text[]);

-- name: erase
with floors as (
    insert into erased_record as stored (record_key, source_version)
    select * from unnest(%(keys)s::text[], %(floors)s::bigint[])
    on conflict (record_key) do update set source_version = greatest(stored.source_version, excluded.source_version)
)
delete from source_event as stored
using unnest(%(keys)s::text[], %(floors)s::bigint[]) as floor (record_key, source_version)
where stored.record_key = floor.record_key and stored.source_version <= floor.source_version;
