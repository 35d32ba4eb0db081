-- name: entry
select document::text from directory.entry where child_number = %s;

-- name: archived
select json_build_object(
    'child_number', child_number, 'cause', cause, 'archived_on', archived_on, 'until', until, 'entry', document
)::text
from archive.archived_entry
where child_number = %s;

-- name: in_use
select 1 from projection.membership where child_number = %s limit 1;

-- name: lineage
select child_number, kind, successors, causes, decided_at
from directory.lineage
where child_number = %s
order by version desc, kind desc, event_id;

-- name: find
select document::text
from directory.entry
where birth_date = %s and surname = %s and (%s::text is null or forename = %s)
order by child_number
limit %s;

-- name: child_of_record
select child_number from projection.membership where record_key = %s order by child_number;

-- name: some_children
-- Those whom the most kinds of source know come first, of these the ones with the fewest records.
select m.child_number
from projection.membership m
join projection.record_version v using (record_key)
where v.person is not null
group by m.child_number
order by count(distinct v.source_kind) desc, count(*), m.child_number
limit %s;

-- name: see_working_tables
set local search_path = directory, projection, sealed, archive;

-- name: unclaimed
-- Decisions of which no child has most of the records that any child has, and these children.
select event_id, array_agg(child_number order by child_number)
from (
    select event_id, child_number, count(*) as own
    from projection.ruling
    join projection.ruling_record using (event_id)
    join projection.membership using (record_key)
    where kind = any(%s)
    group by event_id, child_number
) as part
group by event_id
having 2 * max(own) <= sum(own);

-- name: due_for_erasure
select closed.child_number, closed.until
from archive.closed_entry as closed, projection.clock as clock
where closed.until <= clock.today
order by closed.until, closed.child_number;

-- name: counts
select (select count(*) from directory.entry),
       (select count(*) from projection.record_version where person is not null),
       (select count(*) from projection.record_version where person is null);

-- name: lineage_counts
select kind, count(*) from directory.lineage group by kind order by kind;

-- name: source_kinds
select kinds, count(*)
from (
    select count(distinct record.source_kind) as kinds
    from projection.membership join projection.record_version as record using (record_key)
    where record.person is not null
    group by membership.child_number
) as children
group by kinds
order by kinds;
