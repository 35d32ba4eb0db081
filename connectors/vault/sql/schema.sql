-- Data keys, each wrapped by the key-encryption key, which is in no table. Only `contactpoint_vault` may use them.
create schema if not exists vault;
revoke all on schema vault from public;

do $$
begin
    if not exists (select from pg_roles where rolname = 'contactpoint_vault') then
        create role contactpoint_vault nologin;
    end if;
exception when duplicate_object or unique_violation then
    null; -- another process was faster
end
$$;

-- `name` is what the key is for: a record key, `decision:<event id>`, or for a dead letter `letter:<record key>#<id>`, the
-- record key being empty where none could be told. A destroyed key leaves
-- its id alone, so that a reader can tell an erased value from one of another vault.
create table if not exists vault.data_key (
    key_id bytea primary key,
    name text collate "C" unique,
    wrapped bytea,
    created_at timestamptz not null default now(),
    destroyed_at timestamptz,
    check ((wrapped is null) = (destroyed_at is not null) and (name is null) = (destroyed_at is not null))
);

-- Secrets that are not destroyed with a child: the key under which record keys are made from the sources' own ids.
create table if not exists vault.secret (
    name text primary key,
    wrapped bytea not null
);

-- Erasures that were carried out, by the event that ordered them.
create table if not exists vault.erasure (
    event_id text primary key,
    carried_out_at timestamptz not null default now()
);

grant usage on schema vault to contactpoint_vault;
grant select, insert, update on vault.data_key to contactpoint_vault;
grant select, insert on vault.secret, vault.erasure to contactpoint_vault;
