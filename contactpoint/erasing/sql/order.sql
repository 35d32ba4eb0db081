-- name: is_due
select exists (
    select from archive.closed_entry as closed, projection.clock as clock
    where closed.child_number = %s and closed.until <= clock.today
);

-- name: due
select closed.child_number
from archive.closed_entry as closed, projection.clock as clock
where closed.until <= clock.today
order by closed.until, closed.child_number
limit %s;

-- name: newest_day
select today from projection.clock;

-- name: numbers
-- All numbers that the child ever had: its own, those that were merged into it, and those that ended with records that are
-- the child's now, or ended with it. Such a one is what a severance left of the new identity's former number: nothing
-- leads from there, and it has no erasure of its own.
with recursive numbers as (
    select %(child)s::text collate "C" as child_number
    union
    select other.child_number
    from numbers
    cross join lateral (
        select step.child_number
        from projection.lineage_step as step
        where numbers.child_number = any(step.successors) and step.kind = 'merged'
        union all
        select ended.child_number
        from projection.identity as own
        join projection.identity as ended on ended.former <> '{}' and ended.former && (own.members || own.former)
        where own.child_number = numbers.child_number and (own.members = '{}' or ended.former <@ own.members)
    ) as other
)
select child_number from numbers order by child_number;

-- name: records
-- Every record that the child, under any of its numbers, ever had and that is with no other child now, or was the last
-- of one: it goes with that.
with ever as (
    select unnest(event.members) as record_key
    from audit.identity_event as event where event.child_number = any(%(numbers)s::text[])
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
and not exists (
    select from projection.identity as other
    where other.former <> '{}' and other.former @> array[ever.record_key]
        and other.child_number <> all(%(numbers)s::text[])
)
and (heard.key is not null or known.record_key is not null)
and heard.status is distinct from 'erased'
order by ever.record_key;

-- name: corrections
-- Decisions that state values and are about these records and no others.
select ruling.event_id
from projection.ruling as ruling
where ruling.kind = 'correction.made'
    and exists (
        select from projection.ruling_record as named
        where named.event_id = ruling.event_id and named.record_key = any(%(keys)s::text[])
    )
    and not exists (
        select from projection.ruling_record as named
        where named.event_id = ruling.event_id and named.record_key <> all(%(keys)s::text[])
    )
order by ruling.event_id;

-- name: statements
-- What is said of the child, as JSON.
select person from projection.record_version where record_key = any(%(keys)s::text[]) and person is not null
union all
select document from projection.ruling where event_id = any(%(decisions)s::text[]);

-- name: statements_of_all
-- What is said of anybody, as JSON, and by which record or decision.
select record_key, person from projection.record_version where person is not null
union all
select event_id, document from projection.ruling;

-- name: has_linkage
select to_regclass('matching.record') is not null;

-- name: compared
-- What linkage compares of a record: the directory keeps no numbers.
select key, convert_from(features, 'UTF8') from matching.record
where live and (%(keys)s::text[] is null or key = any(%(keys)s::text[]));

-- name: has_staff
select to_regclass('service.organisation') is not null and to_regclass('service.behind_account') is not null;

-- name: names_of_staff
-- Employers, and the people behind accounts, by whose name a child's record may call them.
select 'employer ' || organisation, row_to_json(employer)::text from service.organisation as employer
union all
select 'account ' || subject, row_to_json(account)::text from service.behind_account as account;

-- name: register
insert into retention.erasure (event_id, document, sealed_values) values (%s, %s, %s) on conflict do nothing;

-- name: unfinished
select event_id, document, sealed_values
from retention.erasure
where finished_at is null and (%(again)s or found = '{}')
order by registered_at, event_id;

-- name: known
select event_id from retention.erasure;

-- name: steps
select event_id, place from retention.step where event_id = any(%s::text[]);

-- name: step
insert into retention.step (event_id, place) values (%s, %s) on conflict do nothing;

-- name: finish
-- What was looked for is not needed any more.
update retention.erasure
set finished_at = clock_timestamp(), found = '{}', searched = %(searched)s, sealed_values = null
where event_id = %(event)s;

-- name: found
update retention.erasure set found = %(found)s, searched = %(searched)s where event_id = %(event)s;

-- name: outcome
select finished_at is not null, searched, found from retention.erasure where event_id = %s;

-- name: take_turn
-- One process at a time carries erasures out; the lock ends with the connection.
select pg_advisory_lock(hashtext('contactpoint.erasing'));

-- name: has_directory
select to_regclass('projection.record_version') is not null and to_regclass('projection.ruling') is not null
    and to_regclass('projection.clock') is not null and to_regclass('archive.closed_entry') is not null;

-- name: orders
select erasure.event_id, erasure.registered_at, erasure.finished_at, erasure.searched, erasure.found,
       erasure.document::json ->> 'reason', coalesce(array_agg(step.place order by step.done_at)
           filter (where step.place is not null), '{}')
from retention.erasure as erasure left join retention.step as step using (event_id)
group by erasure.event_id
order by erasure.registered_at desc, erasure.event_id
limit %s;

-- name: has_exports
select to_regclass('export.member') is not null and to_regclass('export.ledger') is not null;

-- name: forget_in_exports
-- The tokens behind published cells still count for later releases, and nobody can make them from the number any more.
update export.member as member
set token = replacement.token
from unnest(%(numbers)s::text[], %(tokens)s::text[]) as replacement (child_number, token), export.ledger as ledger
where member.token = export.mac(ledger.inner_pad, ledger.outer_pad, replacement.child_number);

-- name: try_lead
select pg_try_advisory_lock(hashtext('contactpoint.retention'));
