-- What the API asks of the database: functions only.

-- name: begin
begin;

-- name: admit
select directory_api.admit(%s);

-- name: commit
commit;

-- name: refuse
select directory_api.refuse(%s, %s, %s, %s, %s);

-- name: block
select directory_api.block(%s, %s, %s, %s);

-- name: search
select directory_api.search(%s, %s, %s, %s, %s);

-- name: open_record
select directory_api.open_record(%s, %s, %s, %s, %s, %s);

-- name: override_shield
select directory_api.override_shield(%s, %s, %s, %s, %s);

-- name: lineage
select directory_api.lineage(%s, %s, %s);

-- name: match
select directory_api.match(%s, %s, %s, %s, %s, %s);

-- name: child_named
select directory_api.child_named(%s, %s);

-- name: sources
select directory_api.sources();

-- name: nothing
select null;

-- name: people
select * from watching.people(%s);

-- name: families
select * from watching.families(%s);

-- name: server_key
select directory_api.server_key(%s);

-- name: forget
select directory_api.forget();

-- name: has_table_rights
-- The API must not start with an account that could read a table by itself.
select exists (
    select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname in ('directory', 'projection', 'audit', 'vault', 'service', 'matching', 'archive', 'sealed', 'review',
                      'reviewing', 'retention', 'ingest', 'export', 'disclosure')
      and relkind in ('r', 'p', 'v', 'm')
      and has_table_privilege(current_user, pg_class.oid, 'select, insert, update, delete, truncate'))
    or (select rolsuper or rolbypassrls from pg_roles where rolname = current_user);
