-- name: session
-- Whatever the tables' statistics say, everything is found by index; a plan that flips costs ten times as much.
set jit = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set enable_seqscan = off;
set plan_cache_mode = force_generic_plan

-- name: limits
-- A worker that freezes between two statements of a transaction is ended by the server, one whose host is gone too, and
-- nobody waits for a lock without end.
select set_config('idle_in_transaction_session_timeout', %(silent)s, false),
    set_config('lock_timeout', %(patience)s, false),
    set_config('tcp_keepalives_idle', '5', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('tcp_user_timeout', '20s', false)

-- name: end_silent_workers
-- A worker that froze in the middle of a COPY, or of an answer, is not idle to the server, which waits for it for ever.
select pg_terminate_backend(pid)
from pg_stat_activity
where application_name = %(application)s and pid <> pg_backend_pid() and datname = current_database()
  and state <> 'idle' and wait_event_type = 'Client'
  and state_change < clock_timestamp() - %(silent)s * interval '1 second'

-- name: made_by
select obj_description(to_regnamespace('matching'), 'pg_namespace')

-- name: begin_work
-- The lock is the session's: no owner takes the tables while anybody has it.
select pg_advisory_lock_shared(20090308)

-- name: doubt_index
-- Whoever takes the tables from an owner, even one that did nothing, has to make the index again.
delete from matching.shared_whole
where exists (select from matching.owner where holder is null or expires_at < clock_timestamp())

-- name: claim_tables
-- The lease that never ends keeps every resident owner standing by while one worker is there. It is not taken from an
-- owner that holds one.
update matching.owner
set holder = %(holder)s, expires_at = 'infinity', epoch = epoch + 1, model_id = coalesce(model_id, %(model_id)s),
    fold_version = case when model_id is null then %(fold_version)s else fold_version end
where holder = %(holder)s or holder is null or expires_at < clock_timestamp()
returning model_id, fold_version

-- name: owner_state
select paused from matching.owner

-- name: begin_partitions
-- An insert would wait for a worker that is moving the position, and for one that froze while it did.
insert into matching.position (topic, partition, next_offset)
select m.topic, m.partition, 0
from unnest(%(topics)s::text[], %(partitions)s::integer[]) as m(topic, partition)
where not exists (select from matching.position p where p.topic = m.topic and p.partition = m.partition)
on conflict do nothing

-- name: advance_positions
update matching.position p
set next_offset = m.next_offset, last_time = m.last_time
from unnest(%(topics)s::text[], %(partitions)s::integer[], %(expected)s::bigint[], %(next_offsets)s::bigint[],
            %(times)s::bigint[]) as m(topic, partition, expected, next_offset, last_time)
where p.topic = m.topic and p.partition = m.partition and p.next_offset = m.expected

-- name: number_names
-- Two workers may hear of a key at once: the second one's insert returns nothing for it, and it asks again.
with given as (select key from unnest(%(keys)s::text[]) as g(key)),
known as (select n.rid, n.key from given g join matching.shared_name n on n.key = g.key),
fresh as (
    insert into matching.shared_name (key)
    select g.key from given g where not exists (select from known k where k.key = g.key) order by g.key
    on conflict (key) do nothing
    returning rid, key
)
select rid, key, false as is_new from known union all select rid, key, true from fresh

-- name: copy_incoming
copy matching.shared_incoming (rid, event_id, source, features, worker) from stdin (format binary)

-- name: copy_blocks
copy matching.shared_block (key, rid) from stdin (format binary)

-- name: find_candidates
-- Keys and contents in one statement: every record that shares a key with an own one, as it is linked and as it is
-- announced.
with pair as materialized (
    select distinct k.at, b.rid
    from unnest(%(keys)s::bigint[], %(at)s::integer[], %(rids)s::integer[]) as k(key, at, rid)
    join matching.shared_block b on b.key = k.key and b.rid <> k.rid
)
select p.at, p.rid, false as announced, r.source, r.features
from pair p join matching.record r on r.rid = p.rid
where r.live
union all
select p.at, p.rid, true, i.source, i.features
from pair p join matching.shared_incoming i on i.rid = p.rid

-- name: find_covered
select distinct k.at, r.rid, false as announced, r.source, r.features
from unnest(%(keys)s::bigint[], %(at)s::integer[], %(rids)s::integer[]) as k(key, at, rid)
join matching.shared_covered c on c.key = k.key and c.rid <> k.rid
join matching.record r on r.rid = c.rid
where r.live

-- name: index_is_whole
select exists (select from matching.shared_whole)

-- name: begin_index
-- Tables emptied in the same transaction may be filled frozen, which spares each row's first reader a look at the heap.
set local enable_hashjoin = on;
set local enable_mergejoin = on;
set local enable_seqscan = on;
truncate matching.shared_name, matching.shared_incoming, matching.shared_block, matching.shared_neighbour,
    matching.shared_question, matching.shared_covered, matching.shared_whole;
drop index matching.shared_block_key, matching.shared_neighbour_rid;
alter table matching.shared_name drop constraint shared_name_pkey, drop constraint shared_name_key_key;
insert into matching.shared_name (rid, key) overriding system value select rid, key from matching.record;
alter table matching.shared_name add primary key (rid), add unique (key);
select setval('matching.shared_name_rid_seq', (select coalesce(max(rid), 0) + 1 from matching.shared_name), false);
select setval('matching.shared_batch', (select greatest(o.batch, s.last_value)
    from matching.owner o, matching.shared_batch s))

-- name: indexed_records
-- No cursor: an open one would forbid filling frozen.
select rid, source, features, edges from matching.record where live and rid > %(after)s order by rid limit %(size)s

-- name: fill_blocks
copy matching.shared_block (key, rid) from stdin (format binary, freeze)

-- name: fill_neighbours
copy matching.shared_neighbour (rid, other, weight) from stdin (format binary, freeze)

-- name: end_index
create index shared_block_key on matching.shared_block (key, rid);
create index shared_neighbour_rid on matching.shared_neighbour (rid) include (other, weight);
insert into matching.shared_name (key)
select distinct r.merged_into from matching.record r
where r.merged_into <> '' and not exists (select from matching.shared_name n where n.key = r.merged_into);
insert into matching.shared_neighbour (rid, other, weight)
select case when d then r.rid else n.rid end, case when d then n.rid else r.rid end, 2147483647
from matching.record r join matching.shared_name n on n.key = r.merged_into, (values (true), (false)) as direction(d)
where r.merged_into <> '';
insert into matching.shared_whole default values

-- name: take_turn
-- Batches with records take turns together, one with decisions alone.
select pg_advisory_xact_lock_shared(20090307)

-- name: take_turn_alone
select pg_advisory_xact_lock(20090307)

-- name: decided
select d.stamp, o.replay_until is not null, o.model_id, o.fold_version
from matching.shared_decided d, matching.owner o

-- name: are_new
select batch = 0 from matching.owner

-- name: open_at
-- The owner's batch number is not used here but for saying that the tables are no longer new.
with numbered as (select setval('matching.shared_batch', %(batch)s, false))
update matching.owner set batch = %(batch)s, replay_until = %(until)s from numbered

-- name: start_relinking
update matching.owner set model_id = %(model_id)s, fold_version = %(fold_version)s, replay_until = %(until)s
where (model_id is distinct from %(model_id)s and fold_version = %(fold_version)s) or fold_version < %(fold_version)s

-- name: empty_tables
-- Names stay, and so do batch numbers and the outbox.
truncate matching.record, matching.position, matching.decision, matching.conflict, matching.shared_incoming,
    matching.shared_block, matching.shared_neighbour, matching.shared_question, matching.shared_covered

-- name: replay_until
select replay_until from matching.owner

-- name: close_replay
update matching.owner set replay_until = null

-- name: note_decided
update matching.shared_decided set stamp = stamp + 1

-- name: keys_of
select rid, key from matching.shared_name where rid = any(%(rids)s)

-- name: conflicts
select c.conflict_id, c.payload
from matching.conflict c
where c.conflict_id in (select q.conflict_id from matching.shared_question q where q.rid = any(%(rids)s))

-- name: questioned_with
select distinct o.rid
from matching.shared_question q join matching.shared_question o on o.conflict_id = q.conflict_id
where q.rid = any(%(rids)s)

-- name: forget_questions
delete from matching.shared_question where conflict_id = any(%(conflicts)s)

-- name: add_questions
insert into matching.shared_question (rid, conflict_id) select * from unnest(%(rids)s::integer[], %(conflicts)s::text[])

-- name: uncover
delete from matching.shared_covered where rid = any(%(rids)s)

-- name: copy_covered
copy matching.shared_covered (key, rid) from stdin (format binary)

-- name: reserve
-- Always in the same order, so that two workers never wait for each other.
select count(*) from (
    select rid from matching.shared_name where rid = any(%(rids)s) order by rid for no key update
) as reserved

-- name: reserve_at_once
select count(*) from (
    select rid from matching.shared_name where rid = any(%(rids)s) order by rid for no key update nowait
) as reserved

-- name: reserve_if_free
select rid from matching.shared_name where rid = any(%(rids)s) order by rid for no key update skip locked

-- name: settled
select rid, '' as event_id, source, features from matching.record where rid = any(%(rids)s) and live

-- name: still_incoming
select distinct rid from matching.shared_incoming where rid = any(%(rids)s)

-- name: incoming
select rid, event_id, source, features from matching.shared_incoming where rid = any(%(rids)s)

-- name: neighbours
select rid, other, weight from matching.shared_neighbour where rid = any(%(rids)s) and weight >= %(least)s

-- name: records
select * from matching.record where rid = any(%(rids)s) order by rid

-- name: next_batch
select nextval('matching.shared_batch')

-- name: delete_incoming
delete from matching.shared_incoming i
using unnest(%(rids)s::integer[], %(event_ids)s::text[]) as d(rid, event_id)
where i.rid = d.rid and i.event_id = d.event_id
returning i.rid, i.event_id

-- name: forget_incoming
delete from matching.shared_incoming where rid = any(%(rids)s) and worker = %(worker)s

-- name: delete_blocks
delete from matching.shared_block b
using unnest(%(keys)s::bigint[], %(rids)s::integer[]) as d(key, rid)
where b.key = d.key and b.rid = d.rid

-- name: delete_neighbours
delete from matching.shared_neighbour n
using unnest(%(rids)s::integer[], %(others)s::integer[]) as d(rid, other)
where n.rid = d.rid and n.other = d.other and n.weight < %(below)s

-- name: copy_neighbours
copy matching.shared_neighbour (rid, other, weight) from stdin (format binary)
