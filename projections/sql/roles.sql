-- Roles of the database: who may do what. They belong to the whole server, so several databases and processes may run
-- this at the same time; safe to run at every start. None can log in, is superuser, bypasses row security or owns a
-- table: a login of the deployment is made a member of the one that it needs. Rights are granted where the objects are
-- made (audit: projections/access/sql/schema.sql).
--
-- contactpoint_projector     writes the projections' tables
-- contactpoint_reader        the directory service: no table rights, only functions
-- contactpoint_audit_writer  owns `audit.append`: may insert an entry, and neither read nor change one
-- contactpoint_sequencer     numbers entries, keeps the tree and its checkpoints, holds the vault of the audit's keys
-- contactpoint_auditor       reads the audit trail
-- contactpoint_approvals     the approvals service, which checks who has just logged in: no person's login is a member.
--                            It becomes one of the next three for the time of a deed, and nobody else may
-- contactpoint_exporter      pseudonymised exports
-- contactpoint_authoriser    authorises legal disclosures; reads none of the child
-- contactpoint_discloser     makes a disclosure: the authorised items, once
-- contactpoint_disclosure_reviewer  is told of disclosures, and of nobody's number
-- contactpoint_reviewer           all that work at a desk needs, of children whom no shield hides
-- contactpoint_shielded_reviewer  the same of every child
-- contactpoint_directory     owns the functions that the reader calls: may read the published tables, under row security
-- contactpoint_shield        owns the one function that reads behind a shield
-- contactpoint_watch         owns the functions that the rules about the use of accounts call
-- contactpoint_watcher       runs these rules: no table rights, only those functions
-- contactpoint_operator      runs the stages: status and settings, no child's data

do $$
declare
    wanted text;
begin
    foreach wanted in array array[
        'contactpoint_projector', 'contactpoint_reader', 'contactpoint_audit_writer', 'contactpoint_sequencer',
        'contactpoint_auditor', 'contactpoint_exporter', 'contactpoint_operator', 'contactpoint_reviewer',
        'contactpoint_shielded_reviewer', 'contactpoint_directory', 'contactpoint_shield', 'contactpoint_authoriser',
        'contactpoint_discloser', 'contactpoint_disclosure_reviewer', 'contactpoint_watch', 'contactpoint_watcher',
        'contactpoint_approvals'
    ] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null; -- another process was faster
            end;
        end if;
        -- Whoever runs this must be able to give objects to the role (a superuser always is).
        if not pg_has_role(current_user, wanted, 'member') then
            execute format('grant %I to current_user', wanted);
        end if;
    end loop;
    foreach wanted in array array['contactpoint_authoriser', 'contactpoint_discloser', 'contactpoint_exporter'] loop
        if not pg_has_role('contactpoint_approvals', wanted, 'member') then
            begin
                execute format('grant %I to contactpoint_approvals', wanted);
            exception when unique_violation or internal_error then
                null; -- another process was faster
            end;
        end if;
    end loop;
end
$$;
