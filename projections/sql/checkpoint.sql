-- Positions of every projection. `projection.checkpoint` has one row a projection, which each commit locks and counts
-- up: it makes one writer of many and fences the others. Qualified names: a rebuild keeps its positions here too.

-- name: session
-- A writer that freezes inside a transaction holds the checkpoint's row: the server ends it, and another can go on.
set idle_in_transaction_session_timeout = '30s';

-- name: do_not_wait_for_ever
set lock_timeout = '5s';

-- name: end_silent_writer
-- A writer that froze in the middle of a COPY is not idle to the server, which waits for its next rows for ever.
select pg_terminate_backend(pid)
from pg_stat_activity
where application_name = %s and pid <> pg_backend_pid() and datname = current_database()
  and state = 'active' and wait_event = 'ClientRead' and state_change < clock_timestamp() - interval '30 seconds';

-- name: create
create schema if not exists projection;
create table if not exists projection.checkpoint (
    projection text collate "C" primary key,
    commits bigint not null,
    fold_version integer not null
);
create table if not exists projection.position (
    projection text collate "C" not null references projection.checkpoint on delete cascade on update cascade,
    topic text collate "C" not null,
    part integer not null,
    next_offset bigint not null,
    advanced_at timestamptz, -- when something new was last taken in, so that readers can see how fresh a source is
    last_time bigint, -- when the message before next_offset was sent (ms since 1970): tells whether the log is the same
    primary key (projection, topic, part)
);
do $$
begin
    -- Only where it is missing: adding it, even in vain, would wait for every writer.
    if not exists (select from pg_attribute
                   where attrelid = 'projection.position'::regclass and attname = 'last_time') then
        alter table projection.position add column if not exists advanced_at timestamptz, add column last_time bigint;
    end if;
end
$$;

-- name: register
insert into projection.checkpoint (projection, commits, fold_version) values (%s, 0, %s) on conflict do nothing;

-- name: load_commits
select commits from projection.checkpoint where projection = %s;

-- name: load_fold_version
select fold_version from projection.checkpoint where projection = %s;

-- name: lock
select commits from projection.checkpoint where projection = %s for update;

-- name: load_positions
select topic, part, next_offset from projection.position where projection = %s order by topic, part;

-- name: load_times
select topic, part, last_time from projection.position where projection = %s and last_time is not null;

-- name: advance_commits
update projection.checkpoint set commits = commits + 1 where projection = %s and commits = %s;

-- name: register_positions
insert into projection.position (projection, topic, part, next_offset)
select %s, topic, part, 0 from unnest(%s::text[], %s::int[]) as known (topic, part)
on conflict do nothing;

-- name: advance_positions
update projection.position as stored
set next_offset = new.next_offset,
    last_time = new.last_time,
    advanced_at = case when stored.next_offset < new.next_offset then clock_timestamp() else stored.advanced_at end
from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[])
    as new (topic, part, expected, next_offset, last_time)
where stored.projection = %s
  and stored.topic = new.topic and stored.part = new.part and stored.next_offset = new.expected;

-- name: forget
delete from projection.checkpoint where projection = %s;

-- name: take_over
update projection.checkpoint set commits = commits + 1, fold_version = %s where projection = %s;

-- name: all_positions
select projection, topic, part, next_offset from projection.position order by projection, topic, part;
