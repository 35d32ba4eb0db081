-- name: by_index
-- Every look is by key, and a plan that was made while the table was small is kept while it grows.
set enable_seqscan = off;

-- name: by_name
select name, key_id, wrapped from vault.data_key where name = any(%s::text[]);

-- name: by_id
-- Ids go in as one value and rows come out as one: an array costs the client more than opening does. A destroyed key is
-- all zeros. One look into the index an id: a join may be planned to read the whole table for every batch.
select string_agg(k.packed, ''::bytea)
from generate_series(0, %(count)s - 1) as n
cross join lateral (
    select key_id || coalesce(wrapped, %(destroyed)s::bytea) as packed
    from vault.data_key
    where key_id = substr(%(ids)s::bytea, n * 16 + 1, 16)
    limit 1
) as k;

-- name: any
select exists (select from vault.data_key);

-- name: add
insert into vault.data_key (name, key_id, wrapped)
select * from unnest(%s::text[], %s::bytea[], %s::bytea[])
on conflict (name) do nothing;

-- name: destroy
-- With a record's key go those of the dead letters about it: `letter:<record key>#<letter id>`.
update vault.data_key
set wrapped = null, name = null, destroyed_at = now()
where key_id in (
    select key_id from vault.data_key where name = any(%(names)s::text[])
    union all
    select letter.key_id
    from unnest(%(names)s::text[]) as about
    join vault.data_key as letter on letter.name >= 'letter:' || about || '#' and letter.name < 'letter:' || about || '$'
);

-- name: destroy_letters
update vault.data_key
set wrapped = null, name = null, destroyed_at = now()
where name >= 'letter:' and name < 'letter;' and created_at < %s;

-- name: made_at
select key_id, created_at, name >= 'letter:' and name < 'letter;'
from vault.data_key
where key_id = any(%s::bytea[]) and wrapped is not null;

-- name: secret
select wrapped from vault.secret where name = %s;

-- name: add_secret
insert into vault.secret (name, wrapped) values (%s, %s) on conflict do nothing;

-- name: share
-- Whoever publishes under keys holds this until the brokers have it; whoever destroys keys waits for that.
select pg_advisory_lock_shared(hashtext('contactpoint.vault'));

-- name: unshare
select pg_advisory_unlock_shared(hashtext('contactpoint.vault'));

-- name: exclude
select pg_advisory_xact_lock(hashtext('contactpoint.vault'));

-- name: is_carried_out
select exists (select from vault.erasure where event_id = %s);

-- name: carried_out
select event_id from vault.erasure;

-- name: note_carried_out
insert into vault.erasure (event_id) values (%s) on conflict do nothing;
