-- name: is_due
select exists (
    select from archive.closed_entry as closed, projection.clock as clock
    where closed.child_number = %s and closed.until <= clock.today
);

-- name: records
-- Every record that the child, or a number that led to it, ever had and that is with no other child now.
with recursive numbers as (
    select %(child)s::text collate "C" as child_number
    union
    select step.child_number
    from projection.lineage_step as step join numbers on numbers.child_number = any(step.successors)
    where step.kind = 'merged'
),
ever as (
    select unnest(event.members) as record_key
    from audit.identity_event as event join numbers using (child_number)
    union
    select record_key from projection.membership where child_number = %(child)s
)
select ever.record_key, greatest(heard.version, known.source_version, 0)
from ever
left join ingest.record as heard on heard.key = ever.record_key
left join projection.record_version as known using (record_key)
where not exists (
    select from projection.membership as other
    where other.record_key = ever.record_key and other.child_number <> %(child)s
)
and (heard.key is not null or known.record_key is not null)
and heard.status is distinct from 'erased'
order by ever.record_key;
