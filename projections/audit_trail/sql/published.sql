-- The audit trail: one row an event, append-only. Names of items, never values.

create table if not exists source_event (
    event_id text collate "C" primary key,
    record_key text collate "C" not null,
    event_type text not null,
    schema_version integer not null,
    feed text collate "C" not null,
    source_version bigint not null,
    fingerprint text collate "C" not null,
    source_time timestamptz,
    effective_time timestamptz,
    ingested_at timestamptz not null,
    items text[] not null,
    survivor text collate "C",
    causation_id text collate "C",
    correlation_id text collate "C",
    topic text not null,          -- where the event stands in the log: not part of the digest
    part integer not null,
    log_offset bigint not null
);
create index if not exists source_event_record_key on source_event (record_key, source_version, fingerprint);

create table if not exists identity_event (
    event_id text collate "C" primary key,
    child_number text collate "C" not null,
    event_type text not null,
    schema_version integer not null,
    version bigint not null,
    decided_at timestamptz not null,
    founder text collate "C",
    members text[] collate "C" not null,
    before json not null,
    successors text[] collate "C" not null,
    causes text[] collate "C" not null,
    model text not null,
    evidence json not null,
    causation_id text collate "C",
    correlation_id text collate "C"
);
create index if not exists identity_event_child_number on identity_event (child_number, version);

-- Up to which source version the events of a record are erased: they were deleted here, and are not taken in again.
create table if not exists erased_record (
    record_key text collate "C" primary key,
    source_version bigint not null
);
