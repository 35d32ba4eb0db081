-- Who may use the directory, how much they use it, and what must be looked into. Needs projections/sql/roles.sql and
-- projections/access/sql/schema.sql. Safe to run at every start.

create schema if not exists service;
revoke all on schema service from public;
create extension if not exists fuzzystrmatch with schema service;

-- Employers. One whose name changes is another one until its staff are vetted again.
create table if not exists service.organisation (
    organisation text collate "C" primary key check (organisation ~ '^[A-Za-z0-9/_.-]{1,40}$'),
    name text not null check (length(name) between 1 and 200),
    accredited_until timestamptz
);

create table if not exists service.person (
    subject text collate "C" primary key check (subject ~ '^[A-Za-z0-9:/_.@|-]{1,100}$'),
    category text collate "C" not null check (category ~ '^[a-z_]{1,40}$'),
    organisation text collate "C" not null references service.organisation,
    active boolean not null default false,
    trained_until timestamptz,
    vetted_at timestamptz,          -- the enhanced check; it holds for three years
    vetted_organisation text collate "C",
    vetted_name text,               -- the employer's name at that time
    agreed_until timestamptz,
    rights text[] collate "C" not null default '{}',
    blocked_at timestamptz,
    blocked_for text collate "C"
) with (fillfactor = 90);

-- The person behind an account, as names and homes are compared: for the rules about the use of accounts alone.
create table if not exists service.behind_account (
    subject text collate "C" primary key references service.person,
    given text not null,
    surname text not null,
    home text
);

-- How much each person uses the directory: one row a day.
create table if not exists service.usage (
    subject text collate "C" not null,
    day date not null,
    hour smallint not null,              -- of the newest request
    shown_hour integer not null,
    shown integer not null,              -- records opened that day (`shown_hour`: in that hour)
    listed integer not null,             -- children listed by searches that day
    missed integer not null,             -- child numbers asked for that nobody has
    last_number text collate "C",        -- of the newest opening
    run integer not null,                -- openings in a row with rising numbers: a list that is worked through
    primary key (subject, day)
) with (fillfactor = 70);
-- The reasons that the newest twenty children were opened for, newest last, as keyed hashes.
alter table service.usage add column if not exists reasons bytea[] not null default '{}',
    drop column if exists last_words, drop column if exists same_words;

-- The same for organisations and client systems; spread over rows so that their people do not wait for each other.
create table if not exists service.tally (
    kind text collate "C" not null check (kind in ('client', 'organisation')),
    name text collate "C" not null,
    hour timestamptz not null,
    part smallint not null,
    shown integer not null,
    primary key (kind, name, hour, part)
) with (fillfactor = 70);

-- Proofs of possession that were used, until they are too old to be accepted again.
create table if not exists service.used_proof (
    digest bytea primary key,
    used_at timestamptz not null default clock_timestamp()
);

-- Names for addresses (FHIR ids): random, of one person, and soon over.
create table if not exists service.handle (
    handle text collate "C" primary key,
    subject text collate "C" not null,
    child_number text collate "C" not null,
    until timestamptz not null
);
create index if not exists handle_until on service.handle (until);

-- What a person of the management team must look into, and the alerts that say so by reference alone.
create table if not exists service.investigation (
    id uuid primary key default gen_random_uuid(),
    opened_at timestamptz not null default clock_timestamp(),
    kind text collate "C" not null check (kind in ('shield_override', 'unusual_use')),
    subject text collate "C" not null,
    detail text collate "C" not null,    -- the ground of an override, the limit that was passed
    request text collate "C" not null,   -- of the entry in the audit trail
    child_number text collate "C",
    closed_at timestamptz,
    closed_by text collate "C",
    outcome text collate "C"
);
create table if not exists service.alert (
    id uuid primary key default gen_random_uuid(),
    at timestamptz not null default clock_timestamp(),
    investigation uuid not null references service.investigation,
    seen_at timestamptz,
    seen_by text collate "C"
);

-- Where the manager of an employer reads mail ('*': of all others), and what a manager was told of.
create table if not exists service.manager (
    organisation text collate "C" primary key,
    address text not null check (address ~ '^[^@[:space:]<>",;]+@[^@[:space:]<>",;]+$' and length(address) <= 254)
);
create table if not exists service.told (
    reference text collate "C" primary key,
    at timestamptz not null default clock_timestamp()
);

-- Keys of this deployment, made here: for cursors and for digests of reasons.
create table if not exists service.server_key (
    name text collate "C" primary key,
    value bytea not null
);
insert into service.server_key (name, value)
select wanted.name, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
from (values ('cursor'), ('reason')) as wanted (name)
on conflict do nothing;
