-- What ingest keeps: how far each file was read, the last state of each record, the counts of each feed.
create schema if not exists ingest;

create table if not exists ingest.feed (
    feed text primary key,
    received bigint not null default 0,
    accepted bigint not null default 0,
    unchanged bigint not null default 0,
    out_of_scope bigint not null default 0,
    rejected bigint not null default 0,
    paused boolean not null default false,
    reason text not null default ''
);

-- A file is its content: digest is the SHA-256, name only what it was called when it was first read.
create table if not exists ingest.file (
    feed text not null,
    digest text not null,
    name text not null,
    items bigint not null,
    finished boolean not null,
    primary key (feed, digest)
);

-- content: the items of a source that sends changes, each with its version (ingest/partial.py); seen: the moment, in
-- microseconds since 1970, of the newest full refresh that held the record.
create table if not exists ingest.record (
    key text primary key,
    source text not null generated always as (split_part(key, ':', 1)) stored,
    version bigint not null,
    fingerprint text not null,
    status text not null check (status in ('observed', 'withdrawn', 'merged', 'erased')),
    content bytea,
    seen bigint not null
);

-- An earlier release did not know 'erased'.
do $$
begin
    if pg_get_constraintdef(oid) not like '%erased%' from pg_constraint
        where conname = 'record_status_check' and conrelid = 'ingest.record'::regclass then
        alter table ingest.record drop constraint record_status_check;
        alter table ingest.record add constraint record_status_check
            check (status in ('observed', 'withdrawn', 'merged', 'erased'));
    end if;
end
$$;

create index if not exists record_by_source on ingest.record (source) where status = 'observed';

-- The newest full refresh of each source that was taken in as a whole; older ones say nothing new.
create table if not exists ingest.snapshot (
    source text primary key,
    snapshot bigint not null
);
