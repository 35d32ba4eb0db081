-- Bulk output. What a release is made of comes from one function, which generalises in the database: whoever calls it
-- sees pseudonyms and no number, name, date or address. Safe to run at every start.

create schema if not exists export;

-- The secret behind the tokens that tell whether two releases speak of the same child. It never leaves the database.
create table if not exists export.ledger (
    single boolean primary key default true check (single),
    inner_pad bytea not null,
    outer_pad bytea not null
);

-- A project's pseudonym key as HMAC's two padded keys (RFC 2104); destroyed by setting them to null.
create table if not exists export.project (
    name text primary key,
    purpose text not null,
    recipient text not null,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    inner_pad bytea,
    outer_pad bytea,
    destroyed_by text,
    destroyed_at timestamptz,
    check ((inner_pad is null) = (destroyed_at is not null))
);

create table if not exists export.release (
    id text primary key,
    project text not null references export.project,
    spec jsonb not null,
    requested_by text not null,
    requested_at timestamptz not null default clock_timestamp(),
    released_at timestamptz,
    sha256 text
);

create table if not exists export.approval (
    release_id text not null references export.release,
    approved_by text not null,
    approved_at timestamptz not null default clock_timestamp(),
    primary key (release_id, approved_by)
);

-- Which children stand behind each published cell of what has left, for the next release to be compared with.
create table if not exists export.member (
    release_id text not null references export.release,
    cell text[] not null,
    token text not null
);
create index if not exists member_release on export.member (release_id);

-- HMAC-SHA-256, 128 bits of it. Pads are 64 bytes: SHA-256's block.
create or replace function export.mac(inner_pad bytea, outer_pad bytea, message text) returns text
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
return encode(substring(sha256(outer_pad || sha256(inner_pad || convert_to(message, 'UTF8'))) for 16), 'hex');

-- The published children of the directory, generalised. A shielded or held child is in no table that this reads.
-- A pseudonym is of one release: nobody can follow a child from one to the next, though the project's key is one.
drop function if exists export.rows(text, date);
create or replace function export.rows(for_project text, as_of date, for_release text)
returns table (
    pseudonym text, token text, sex text, age integer, authority text, whereabouts text, in_education boolean,
    has_practice boolean
)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select
    export.mac(p.inner_pad, p.outer_pad, for_release || ' ' || e.child_number),
    export.mac(l.inner_pad, l.outer_pad, e.child_number),
    coalesce(e.document #>> '{sex,value}', 'not known'),
    extract(year from age(as_of, e.birth_date))::integer,
    coalesce(e.document #>> '{responsible_authority,value,code}', 'not known'),
    coalesce(e.document #>> '{whereabouts,value,status}', 'not known'),
    exists (select 1 from json_array_elements(e.document -> 'education') as s where s #>> '{value,end}' is null),
    e.document -> 'primary_care' is not null
from directory.entry as e, export.project as p, export.ledger as l
where p.name = for_project and p.inner_pad is not null and not e.shielded
    and (e.birth_date is null or e.birth_date <= as_of)
$$;

-- The child behind a pseudonym, for the people whom a project's approval names, while the key exists.
create or replace function export.child_behind(for_project text, wanted text) returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select e.child_number
from directory.entry as e, export.project as p join export.release as r on r.project = p.name
where p.name = for_project and export.mac(p.inner_pad, p.outer_pad, r.id || ' ' || e.child_number) = wanted
$$;

revoke all on schema export from public;
revoke all on all functions in schema export from public;

-- The exporter asks and approves and reads generalised rows. It reads no key, no entry and no child number.
grant usage on schema export to contactpoint_exporter;
grant execute on function export.rows(text, date, text) to contactpoint_exporter;
grant select (name, purpose, recipient, created_by, created_at, destroyed_by, destroyed_at) on export.project
    to contactpoint_exporter;
grant insert on export.ledger, export.project to contactpoint_exporter;
grant update (inner_pad, outer_pad, destroyed_by, destroyed_at) on export.project to contactpoint_exporter;
grant select, insert on export.release, export.approval, export.member to contactpoint_exporter;
grant update (released_at, sha256) on export.release to contactpoint_exporter;
