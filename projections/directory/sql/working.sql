-- Working tables of the directory: the newest version of each record and the newest membership of each child number.
-- Names are unqualified: the search path says whether these are the live tables or those of a rebuild.

create table if not exists record_version (
    record_key text collate "C" primary key,
    source_version bigint not null,
    fingerprint text collate "C" not null,
    event_type text collate "C" not null,
    event_id text collate "C" not null,
    source_kind text not null,
    recorded_at bigint,             -- the source's own time, in microseconds since 1970
    hides_source boolean not null,  -- has a sensitive involvement: readers never see this record's key
    person text                     -- JSON; null when the record is withdrawn or merged
) with (fillfactor = 90);

create table if not exists identity (
    child_number text collate "C" primary key,
    version bigint not null,
    event_type text collate "C" not null,
    members text[] collate "C" not null
) with (fillfactor = 80);

create table if not exists membership (
    record_key text collate "C" not null,
    child_number text collate "C" not null,
    primary key (record_key, child_number)
);
