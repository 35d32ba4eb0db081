-- The durable form of the matching stage: the owner's state, its positions, and what is still to be published.
-- Safe to run at every start.

create schema if not exists matching;

-- One row. `epoch` fences: whoever takes the lease raises it, and every commit must find its own epoch and the batch
-- before its own. `model_id` and `fold_version` say what the tables are made with. `replay_until` is set while they are
-- being made again from the topics (topic -> partition -> end).
create table if not exists matching.owner (
    single boolean primary key default true check (single),
    epoch bigint not null default 0,
    batch bigint not null default 0,
    holder text,
    expires_at timestamptz not null default '-infinity',
    paused boolean not null default false,
    model_id text,
    fold_version integer not null default 0,
    replay_until jsonb
) with (fillfactor = 10);

do $$
begin
    -- Only where it is missing: adding it, even in vain, would wait for every commit. 0: made by an earlier build.
    if not exists (select from pg_attribute
                   where attrelid = 'matching.owner'::regclass and attname = 'fold_version') then
        alter table matching.owner add column fold_version integer not null default 0;
    end if;
end
$$;

insert into matching.owner default values on conflict do nothing;

-- Next offset to read of each partition, moved in the transaction that writes the rows.
create table if not exists matching.position (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    last_time bigint, -- when the message before it was sent (ms since 1970): tells whether the log is the same
    primary key (topic, partition)
) with (fillfactor = 10);
do $$
begin
    -- An earlier release had no times. Only where it is missing: adding it, even in vain, would wait for every writer.
    if not exists (select from pg_attribute
                   where attrelid = 'matching.position'::regclass and attname = 'last_time') then
        alter table matching.position add column last_time bigint;
    end if;
end
$$;

-- One row a record: `matching.changes.RecordRow`, column for column. Rows are inserted whole and seldom change, so the
-- table is kept lean; the room left on each page keeps an update on the same page.
create table if not exists matching.record (
    rid integer primary key,
    key text collate "C" not null unique,
    source text not null,
    version bigint not null,
    fingerprint text not null,
    ingested_at bigint not null,
    live boolean not null,
    merged_into text not null,
    merged_version bigint not null,
    merged_fingerprint text not null,
    content_version integer not null,
    child_number text,
    features bytea not null,
    edges bytea not null,
    authority text not null,
    verified smallint not null
) with (fillfactor = 85);

-- What people and operators have stated: `matching.linkage.decisions.Decision` as MessagePack, each event once. Which of
-- them are in force follows from all of them.
create table if not exists matching.decision (
    event_id text primary key,
    payload bytea not null
);

-- Open conflicts: `matching.changes.ConflictState` as MessagePack. `holds` is the child number that is not to be
-- published while the conflict is open.
create table if not exists matching.conflict (
    conflict_id text primary key,
    kind text not null,
    holds text,
    payload bytea not null
);

create index if not exists conflict_holds on matching.conflict (holds) where holds is not null;

-- One row a batch until the relay has published it: one MessagePack message with the events' values and dead letters.
create table if not exists matching.outbox (
    batch bigint primary key,
    payload bytea not null
);

-- lz4 costs a sixth of pglz here; servers built without it keep their default.
do $$
begin
    alter table matching.outbox alter column payload set compression lz4;
exception when feature_not_supported or invalid_parameter_value then
    null;
end
$$;
