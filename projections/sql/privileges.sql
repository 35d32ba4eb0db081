-- name: matrix
-- Every right of our roles on every object of our database schemas, and which other of our roles each may become, one
-- line each: what pg_catalog says, nothing else.
with role as (
    select oid, rolname from pg_roles where rolname like 'contactpoint\_%' and not rolcanlogin
), place as (
    select oid, nspname, nspacl, nspowner from pg_namespace
    where nspname not like 'pg\_%' and nspname <> 'information_schema'
), granted as (
    select 'schema' as kind, nspname::text as name, acl.grantee, acl.privilege_type, acl.is_grantable
    from place cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner))) as acl
    union all
    select case relkind when 'S' then 'sequence' else 'table' end, nspname || '.' || relname,
           acl.grantee, acl.privilege_type, acl.is_grantable
    from pg_class join place on place.oid = relnamespace
    cross join aclexplode(coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)))
        as acl
    where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all
    select 'column', nspname || '.' || relname || '.' || attname, acl.grantee, acl.privilege_type, acl.is_grantable
    from pg_attribute join pg_class on pg_class.oid = attrelid join place on place.oid = relnamespace
    cross join aclexplode(attacl) as acl
    where attacl is not null and attnum > 0
    union all
    select case when prosecdef then 'definer' else 'function' end,
           nspname || '.' || proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')',
           acl.grantee, acl.privilege_type, acl.is_grantable
    from pg_proc join place on place.oid = pronamespace
    cross join aclexplode(coalesce(proacl, acldefault('f', proowner))) as acl
    where not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
)
select coalesce(role.rolname, 'public') || ' ' || kind || ' ' || name || ' '
       || string_agg(lower(privilege_type), ',' order by privilege_type)
from granted left join role on role.oid = granted.grantee
where role.oid is not null or (granted.grantee = 0 and not (kind = 'schema' and name = 'public'))
group by role.rolname, kind, name
union
select member.rolname || ' role ' || role.rolname || ' member'
from pg_auth_members as held join role as member on member.oid = held.member join role on role.oid = held.roleid
order by 1;

-- name: attributes
select rolname from pg_roles
where rolname like 'contactpoint\_%'
  and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
order by rolname;

-- name: owned_tables
select nspname || '.' || relname || ' ' || rolname
from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_roles on pg_roles.oid = relowner
where rolname like 'contactpoint\_%' and relkind in ('r', 'p', 'v', 'm', 'S')
order by 1;

-- name: unpinned
-- Functions that run with their owner's rights and do not pin their search path.
select nspname || '.' || proname
from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
where prosecdef and nspname not like 'pg\_%'
  and not coalesce(proconfig, '{}') && array['search_path=pg_catalog, pg_temp']
order by 1;
