-- name: act_as
-- Until the transaction ends, only the rights of the role that this kind of deed has.
select set_config('role', %s, true)

-- name: account
-- Whether the service's account has rights that it must not have, and which other accounts could do its deeds without it.
-- Who owns the tables is no account of a person: the installation runs as it.
select (select rolsuper or rolbypassrls from pg_roles where rolname = current_user)
           or exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                      where nspname in ('directory', 'sealed', 'archive', 'projection') and relkind in ('r', 'p', 'v', 'm')
                        and has_table_privilege(current_user, pg_class.oid, 'select')),
       array(select rolname::text from pg_roles
             where rolcanlogin and not rolsuper and rolname <> current_user
               and oid <> (select nspowner from pg_namespace where nspname = 'disclosure')
               and exists (select from unnest(%s::name[]) as role (name) where pg_has_role(pg_roles.oid, role.name, 'member'))
             order by rolname)
