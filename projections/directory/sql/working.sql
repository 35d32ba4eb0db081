-- Working tables of the directory: the newest version of each record and the newest membership of each child number,
-- the decisions about them and the newest day. Names are unqualified: the search path says whether these are the live
-- tables or those of a rebuild.

create table if not exists record_version (
    record_key text collate "C" primary key,
    source_version bigint not null,
    fingerprint text collate "C" not null,
    event_type text collate "C" not null,
    event_id text collate "C" not null,
    source_kind text not null,
    recorded_at bigint,             -- the source's own time, in microseconds since 1970
    person text,                    -- JSON; null when the record is withdrawn or merged
    withdrawn_at bigint             -- when we heard of that, in microseconds since 1970
) with (fillfactor = 90);

create table if not exists identity (
    child_number text collate "C" primary key,
    version bigint not null,
    event_type text collate "C" not null,
    members text[] collate "C" not null,
    held boolean not null,
    former text[] collate "C" not null  -- the last members of a retired number; none while it has any
) with (fillfactor = 80);
create index if not exists identity_former on identity using gin (former) where former <> '{}';

create table if not exists membership (
    record_key text collate "C" not null,
    child_number text collate "C" not null,
    primary key (record_key, child_number)
);

-- Steps of lineage whole: `lineage` publishes them without the records and without what a severance cuts.
create table if not exists lineage_step (
    event_id text collate "C" primary key,
    child_number text collate "C" not null,
    kind text not null,
    version bigint not null,
    successors text[] collate "C" not null,
    causes text[] collate "C" not null,
    decided_at timestamptz not null,
    records text[] collate "C" not null
);
create index if not exists lineage_step_child_number on lineage_step (child_number);
create index if not exists lineage_step_successors on lineage_step using gin (successors);

-- Decisions that the directory follows, whether they hold or not, and the records that they name.
create table if not exists ruling (
    event_id text collate "C" primary key,
    kind text collate "C" not null,
    document text not null  -- JSON of a Ruling
);
create table if not exists ruling_record (
    record_key text collate "C" not null,
    event_id text collate "C" not null,
    primary key (record_key, event_id)
);

-- Retractions, and withdrawals of consent.
create table if not exists revocation (
    event_id text collate "C" primary key,
    target text collate "C" not null,
    kind text collate "C" not null,
    decided_at timestamptz not null
);
create index if not exists revocation_target on revocation (target);

-- Up to which source version the statements of a record are erased, and when that was last ordered: decisions until then
-- do not name the record any more, later ones do.
create table if not exists erased (
    record_key text collate "C" primary key,
    source_version bigint not null,
    ordered_at timestamptz not null
);
do $$
begin
    -- An earlier release did not know when; until the rebuild that is due, every decision so far counts as earlier.
    if not exists (select from pg_attribute where attrelid = 'erased'::regclass and attname = 'ordered_at') then
        alter table erased add column ordered_at timestamptz not null default now();
        alter table erased alter column ordered_at drop default;
    end if;
end
$$;

-- The newest day that a clock event named: one row.
create table if not exists clock (
    singleton boolean primary key default true check (singleton),
    today date not null
);

-- The day on which an entry has to be made again although no event touches it.
create table if not exists due (
    child_number text collate "C" primary key,
    due date not null
);
create index if not exists due_due on due (due);
