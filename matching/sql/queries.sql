-- Every time is the database's own clock.

-- name: take_lease
-- Succeeds when the lease is free, has run out, or is this worker's own (which starts afresh after an error). The new
-- epoch waits for a commit in flight to end, and fences every later one of an earlier epoch. It follows the clock, so
-- that it grows even after the tables were dropped. A lease without end is that of shared workers, each of which holds the
-- lock as long as it may write; their batch numbers are drawn from a sequence.
update matching.owner
set epoch = greatest(epoch + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint),
    batch = greatest(batch, (
        select last_value from pg_sequences where schemaname = 'matching' and sequencename = 'shared_batch')),
    holder = %(holder)s,
    expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
where holder is null or holder = %(holder)s or expires_at < clock_timestamp()
    or (expires_at = 'infinity' and pg_try_advisory_xact_lock(20090308))
returning epoch, batch, paused, replay_until

-- name: evict_silent_owner
-- A stopped process can hold the owner row locked, in the middle of a transaction, for ever: when its lease has run
-- out, its committer's connection is ended. The owner's token is the end of its name.
select pg_terminate_backend(a.pid)
from matching.owner o
join pg_stat_activity a on a.application_name = 'contactpoint-committer-' || right(o.holder, 8)
where o.expires_at < clock_timestamp() and o.holder <> %(holder)s

-- name: remaining_lease
select extract(epoch from
    least(greatest(expires_at, clock_timestamp()), clock_timestamp() + interval '1 hour') - clock_timestamp()
)::float8 as seconds from matching.owner

-- name: renew_lease
update matching.owner
set expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
where epoch = %(epoch)s
returning paused

-- name: release_lease
with released as (
    update matching.owner set holder = null, expires_at = '-infinity' where epoch = %(epoch)s returning 1
)
select pg_notify('matching_lease', 'released') from released

-- name: listen_lease
listen matching_lease

-- name: set_paused
update matching.owner set paused = %(paused)s

-- name: advance_batch
update matching.owner set batch = %(batch)s where epoch = %(epoch)s and batch = %(batch)s - 1

-- name: made_with
select model_id, fold_version from matching.owner

-- name: is_settled
-- Whether the tables hold all that was ever read, as this fold makes it.
select batch > 0 and replay_until is null and fold_version = %(fold_version)s from matching.owner

-- name: claim
update matching.owner set model_id = %(model_id)s, fold_version = %(fold_version)s where epoch = %(epoch)s

-- name: start_relinking
update matching.owner set model_id = %(model_id)s, fold_version = %(fold_version)s, replay_until = %(until)s
where epoch = %(epoch)s

-- name: empty_tables
truncate matching.record, matching.position, matching.decision, matching.conflict

-- name: outbox_left
select 1 from matching.outbox limit 1

-- name: start_replay
update matching.owner set batch = %(batch)s, replay_until = %(until)s where epoch = %(epoch)s and batch = 0

-- name: end_replay
update matching.owner set replay_until = null where epoch = %(epoch)s

-- name: move_positions
insert into matching.position (topic, partition, next_offset, last_time)
select * from unnest(%(topics)s::text[], %(partitions)s::integer[], %(next_offsets)s::bigint[], %(times)s::bigint[])
on conflict (topic, partition) do update set next_offset = excluded.next_offset, last_time = excluded.last_time

-- name: read_positions
select topic, partition, next_offset, coalesce(last_time, 0) from matching.position order by topic, partition

-- name: add_to_outbox
insert into matching.outbox (batch, payload) values (%(batch)s, %(payload)s)

-- name: keep_decision
insert into matching.decision (event_id, payload) values (%s, %s)
on conflict (event_id) do update set payload = excluded.payload

-- name: read_decisions
select payload from matching.decision order by event_id

-- name: keep_conflict
insert into matching.conflict (conflict_id, kind, holds, payload) values (%s, %s, %s, %s)
on conflict (conflict_id) do update set kind = excluded.kind, holds = excluded.holds, payload = excluded.payload

-- name: close_conflicts
delete from matching.conflict where conflict_id = any(%(conflicts)s)

-- name: read_conflicts
select conflict_id, payload from matching.conflict order by conflict_id

-- name: read_outbox
-- The oldest rows, until they have so many bytes: the first in any case. What is left out is not read from its pages.
select batch, payload
from (
    select batch, payload, sum(octet_length(payload)) over (order by batch) - octet_length(payload) as bytes_before
    from (select batch, payload from matching.outbox order by batch limit %(limit)s) as oldest
) as counted
where bytes_before <= %(bytes)s
order by batch

-- name: lead_relays
-- The lock is the session's: it goes to another relay when this one ends.
select pg_try_advisory_lock(20090306)

-- name: end_silent_relay
-- A relay asks for rows all the time; one that has not for so long, or does not take the answer, is frozen and would hold
-- the lock for ever.
select pg_terminate_backend(a.pid)
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objid = 20090306 and a.datname = current_database()
  and a.pid <> pg_backend_pid() and a.wait_event_type = 'Client'
  and a.state_change < clock_timestamp() - %(silent)s * interval '1 second'

-- name: count_outbox
select count(*) from matching.outbox

-- name: delete_from_outbox
delete from matching.outbox where batch = any(%(batches)s)

-- name: create_scratch
-- Rows on their way to an update; emptied at each commit.
create temporary table if not exists rewritten (like matching.record) on commit delete rows;
create temporary table if not exists relabelled
    (rid integer, version bigint, fingerprint text, ingested_at bigint, child_number text) on commit delete rows

-- name: plan_by_index
-- The scratch tables have no statistics: whatever their size, rows are to be found by their primary key.
set enable_hashjoin = off; set enable_mergejoin = off

-- name: copy_inserted
copy matching.record (rid, key, source, version, fingerprint, ingested_at, live, merged_into, merged_version,
    merged_fingerprint, content_version, child_number, features, edges, authority,
    verified) from stdin (format binary)

-- name: copy_rewritten
copy rewritten (rid, key, source, version, fingerprint, ingested_at, live, merged_into, merged_version,
    merged_fingerprint, content_version, child_number, features, edges, authority,
    verified) from stdin (format binary)

-- name: update_rewritten
update matching.record r
set version = w.version, fingerprint = w.fingerprint, ingested_at = w.ingested_at, live = w.live,
    merged_into = w.merged_into, merged_version = w.merged_version, merged_fingerprint = w.merged_fingerprint,
    content_version = w.content_version, child_number = w.child_number, features = w.features, edges = w.edges,
    authority = w.authority, verified = w.verified
from rewritten w
where r.rid = w.rid

-- name: copy_relabelled
copy relabelled (rid, version, fingerprint, ingested_at, child_number) from stdin (format binary)

-- name: update_relabelled
update matching.record r
set version = w.version, fingerprint = w.fingerprint, ingested_at = w.ingested_at, child_number = w.child_number
from relabelled w
where r.rid = w.rid

-- name: copy_out
copy (select rid, key, source, version, fingerprint, ingested_at, live, merged_into, merged_version,
    merged_fingerprint, content_version, child_number, features, edges, authority, verified
    from matching.record order by rid)
    to stdout (format binary)

-- name: rows_by_key
select rid, key, source, version, fingerprint, ingested_at, live, merged_into, merged_version, merged_fingerprint,
    content_version, child_number, features, edges, authority, verified
from matching.record where key = any(%(keys)s) order by key

-- name: rows_of_child
select rid, key, source, version, fingerprint, ingested_at, live, merged_into, merged_version, merged_fingerprint,
    content_version, child_number, features, edges, authority, verified
from matching.record where child_number = %(child_number)s order by key

-- name: children
-- Every child as the tables have it, the founder (earliest received, then by key) first among its members' columns.
select child_number,
    (array_agg(key order by ingested_at, key))[1] as founder,
    array_agg(key order by key) as members
from matching.record
where child_number is not null
group by child_number
order by child_number

-- name: keys_of_same_children
-- The records that are one child with any of these, themselves included while they are live.
select m.key from matching.record m
where m.child_number in (select r.child_number from matching.record r where r.key = any(%(keys)s))
order by m.key

-- name: model_of_tables
select model_id from matching.owner

-- name: live_features
select source, features from matching.record where live order by key

-- name: count_live
select count(*) from matching.record where live

-- name: children_of_keys
-- Nothing is said of records that were never received, nor of those that are erased and have not come back ('~').
select key, child_number, live from matching.record where key = any(%(keys)s) and fingerprint <> '~'

-- name: last_batch
-- The newest number that a batch has: an owner counts its own, shared workers draw theirs from a sequence.
select greatest(o.batch, s.last_value)
from matching.owner o
left join pg_sequences s on s.schemaname = 'matching' and s.sequencename = 'shared_batch'

-- name: first_waiting
-- The oldest batch that is not published, or none.
select min(batch) from matching.outbox

-- name: merges_about
select key, merged_into from matching.record
where merged_into <> '' and (key = any(%(keys)s) or merged_into = any(%(keys)s))

-- name: settled_model
select case when replay_until is null then model_id end from matching.owner

-- name: draw_linked_pairs
-- Pairs of records that are one child, as many as asked for, in an order that the seed decides and nothing else.
select a.key, b.key, a.source, b.source, a.features, b.features
from matching.record a join matching.record b on a.child_number = b.child_number and a.key < b.key
order by md5(%(seed)s || chr(31) || a.key || chr(31) || b.key), a.key, b.key
limit %(limit)s

-- name: count_linked_pairs
select coalesce(sum(n * (n - 1) / 2), 0)::bigint
from (select count(*) as n from matching.record where child_number is not null group by child_number) as child
