-- Who may do what in the service's schemas. The role of the API gets functions and no table.

revoke all on all functions in schema service, directory_api from public;
grant usage on schema service, directory, projection, audit to contactpoint_directory;
grant usage on schema directory_api to contactpoint_reader, contactpoint_approvals;
grant execute on function directory_api.admit(jsonb), directory_api.refuse(text, text, jsonb, text, jsonb),
    directory_api.block(text, text, text, text) to contactpoint_approvals;
grant usage on schema service to contactpoint_operator;

grant select on service.organisation, service.person, service.server_key to contactpoint_directory;
grant update (blocked_at, blocked_for) on service.person to contactpoint_directory;
grant select, insert, update, delete on service.usage, service.tally to contactpoint_directory;
grant select, insert, delete on service.used_proof, service.handle to contactpoint_directory;
grant insert, select (id, subject, detail, opened_at) on service.investigation to contactpoint_directory;
grant insert on service.alert to contactpoint_directory;
grant select (projection, topic, advanced_at) on projection.position to contactpoint_directory;
grant execute on function audit.append(jsonb), audit.trouble(), audit.suspended(text), audit.is_entry(jsonb)
    to contactpoint_directory;
grant execute on all functions in schema service to contactpoint_directory;

-- Those who look after accounts; the audit trail says what they did.
grant select, insert, update on service.organisation, service.person to contactpoint_operator;
grant insert, update, select (subject) on service.behind_account to contactpoint_operator;
grant select (id, opened_at, kind, subject, detail, request, closed_at, closed_by, outcome),
    update (closed_at, closed_by, outcome) on service.investigation to contactpoint_operator;
grant select, update on service.alert to contactpoint_operator;
grant select, insert, update on service.manager to contactpoint_operator;
grant select, insert on service.told to contactpoint_operator;

grant create on schema service, directory_api to contactpoint_directory, contactpoint_shield;
do $$
declare
    made regprocedure;
begin
    for made in
        select pg_proc.oid from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
        where nspname in ('service', 'directory_api')
          and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
    loop
        execute format('alter function %s owner to contactpoint_directory', made);
    end loop;
end
$$;
alter function service.behind_shield(text) owner to contactpoint_shield;
revoke all on function service.behind_shield(text) from public;
grant execute on function service.behind_shield(text) to contactpoint_directory;
grant usage on schema service, sealed to contactpoint_shield;
grant execute on function service.admitted() to contactpoint_shield;
revoke create on schema service, directory_api from contactpoint_directory, contactpoint_shield;

-- The rules about the use of accounts.
grant usage on schema service, directory to contactpoint_watch;
grant select on service.organisation, service.behind_account to contactpoint_watch;
grant select (subject, organisation, category) on service.person to contactpoint_watch;
grant usage on schema watching to contactpoint_watcher;
grant create on schema watching to contactpoint_watch;
alter function watching.people(text[]) owner to contactpoint_watch;
alter function watching.families(text[]) owner to contactpoint_watch;
revoke create on schema watching from contactpoint_watch;
revoke all on all functions in schema watching from public;
grant execute on all functions in schema watching to contactpoint_watcher;
grant execute on all functions in schema directory_api to contactpoint_reader;
