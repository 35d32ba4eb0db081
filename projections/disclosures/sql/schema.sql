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

-- What an authorisation that was not used yet lets see: its items of its child, and nothing else of anybody. Null when
-- the directory publishes nothing of the child. plpgsql, since the directory's tables may be made later.
create or replace function disclosure.items_of(reference text) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (
        select coalesce((select json_object_agg(item.key, item.value) from json_each(entry.document) as item
                         where item.key = any(given.items)), '{}')::text
        from disclosure.authorisation as given join directory.entry as entry using (child_number)
        where given.id = reference and given.used_at is null
    );
end
$$;

-- Whether there is anything of a child that could be disclosed; whoever authorises learns this and no more.
create or replace function disclosure.is_published(number text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return exists (select from directory.entry where child_number = number);
end
$$;

revoke all on schema disclosure from public;
revoke all on all functions in schema disclosure from public;

grant usage on schema disclosure to contactpoint_authoriser, contactpoint_discloser, contactpoint_disclosure_reviewer;
grant insert on disclosure.authorisation to contactpoint_authoriser;
grant execute on function disclosure.is_published(text) to contactpoint_authoriser;
grant select (id, child_number, items, requested_by, authorised_by, expires_at, used_at), update (used_at, used_by)
    on disclosure.authorisation to contactpoint_discloser;
grant insert on disclosure.notice to contactpoint_discloser;
grant execute on function disclosure.items_of(text) to contactpoint_discloser;
grant select, update (reviewed_by, reviewed_at) on disclosure.notice to contactpoint_disclosure_reviewer;
grant select (id, gateway, authorised_by) on disclosure.authorisation to contactpoint_disclosure_reviewer;
