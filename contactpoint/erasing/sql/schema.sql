-- How far each erasure was carried out: a killed process, or a restored backup, goes on from here. Safe to run at every
-- start. Nothing here says anything of the child but numbers and record keys, which alone mean nobody.
create schema if not exists retention;
revoke all on schema retention from public;

-- `document` is the event that orders it, kept before it is published. `sealed_values` is what the proof will look for,
-- under a data key of the vault that is destroyed when the proof is done.
create table if not exists retention.erasure (
    event_id text collate "C" primary key,
    registered_at timestamptz not null default clock_timestamp(),
    document text not null,
    sealed_values bytea,
    searched integer,                   -- how many values the proof looked for; null: there was none to look for
    found text[] not null default '{}', -- places in which the newest proof found something
    finished_at timestamptz
);
create index if not exists erasure_unfinished on retention.erasure (registered_at) where finished_at is null;

create table if not exists retention.step (
    event_id text collate "C" not null references retention.erasure,
    place text not null,
    done_at timestamptz not null default clock_timestamp(),
    primary key (event_id, place)
);
