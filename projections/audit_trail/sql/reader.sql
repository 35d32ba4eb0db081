-- name: identity_history
with recursive line as (
    select %s::text collate "C" as child_number
    union
    select formerly ->> 'child_number'
    from line
    join audit.identity_event using (child_number)
    cross join json_array_elements(before) as formerly
)
select event_id, child_number, event_type, version, decided_at, founder, members, before, successors, causes, model,
       evidence
from audit.identity_event join line using (child_number)
order by decided_at, version, child_number, event_id;

-- name: lineage
with recursive line as (
    select %s::text collate "C" as child_number
    union
    select unnest(successors)
    from line
    join audit.identity_event using (child_number)
)
select child_number, event_type, version, decided_at, members, before, successors, causes
from audit.identity_event join line using (child_number);

-- name: kinds_of_events
select event_id, event_type from audit.source_event where event_id = any(%s)
union all
select event_id, event_type from audit.identity_event where event_id = any(%s);

-- name: record_history
select event_id, record_key, event_type, feed, source_version, fingerprint, source_time, ingested_at, items, survivor,
       topic, part, log_offset
from audit.source_event
where record_key = any(%s)
order by record_key, source_version, fingerprint, event_type;

-- name: counts
select (select count(*) from audit.source_event), (select count(*) from audit.identity_event);
