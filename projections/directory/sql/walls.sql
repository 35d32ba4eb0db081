-- Who may read the published tables. It runs where the tables were made, also in a rebuild, so that a rebuild's tables
-- bring their rights along. Unqualified names: the search path says which tables. Before the directory service is
-- installed its roles and functions do not exist; its installation runs this again.

create index if not exists entry_postcode on entry (postcode) where postcode is not null;
create index if not exists entry_name on entry (surname, forename);
create index if not exists entry_others on entry using gin (others) where others <> '{}';

-- The trail of access asks whether the number of an erased child is in use again.
do $$
begin
    if to_regrole('contactpoint_sequencer') is not null
       and not has_column_privilege('contactpoint_sequencer', 'membership', 'record_key', 'select') then
        execute format(
            'grant usage on schema %s to contactpoint_sequencer',
            (select relnamespace::regnamespace from pg_class where oid = 'membership'::regclass)
        );
        grant select (child_number, record_key) on membership to contactpoint_sequencer;
        grant select (record_key) on record_version to contactpoint_sequencer;
    end if;
end
$$;

do $$
begin
    if not exists (select from pg_roles where rolname = 'contactpoint_watch')
       or to_regprocedure('service.admitted()') is null then
        return;
    end if;
    if exists (select from pg_policy where polrelid = 'entry'::regclass and polname = 'watched') then
        return; -- made before; making them again would wait for every reader
    end if;
    -- Row security is the second wall: rows are there only in a transaction that admitted an eligible person, and behind
    -- a shield only the one record that it overrides. In sub-selects, so that each is asked once a statement.
    alter table entry enable row level security;
    alter table lineage enable row level security;
    alter table shielded_entry enable row level security;
    drop policy if exists admitted_only on entry;
    drop policy if exists admitted_only on lineage;
    drop policy if exists overridden_only on shielded_entry;
    create policy admitted_only on entry for select to contactpoint_directory
        using ((select service.admitted()));
    create policy watched on entry for select to contactpoint_watch using (true); -- by two functions of its own
    create policy admitted_only on lineage for select to contactpoint_directory
        using ((select service.admitted()));
    create policy overridden_only on shielded_entry for select to contactpoint_shield
        using (child_number = (select current_setting('contactpoint.override', true)) and (select service.admitted()));
    grant select on entry, lineage to contactpoint_directory;
    grant select on shielded_entry to contactpoint_shield;
    grant select (child_number, surname, document) on entry to contactpoint_watch;
end
$$;
