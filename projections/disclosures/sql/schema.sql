-- Legal disclosures, one child at a time. Safe to run at every start.

create schema if not exists disclosure;

create table if not exists disclosure.authorisation (
    id text primary key,
    child_number text not null check (length(child_number) = 13),
    gateway text not null,
    recipient text not null,
    proportionality text not null,
    views_sought boolean not null,
    items text[] not null check (cardinality(items) > 0),
    requested_by text not null,
    authorised_by text not null check (authorised_by <> requested_by),
    authorised_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > authorised_at),
    used_at timestamptz,
    used_by text
);

-- What a reviewer is told of each use: a reference, nothing of the child.
create table if not exists disclosure.notice (
    authorisation_id text primary key references disclosure.authorisation,
    noted_at timestamptz not null,
    reviewed_by text,
    reviewed_at timestamptz
);

revoke all on schema disclosure from public;
