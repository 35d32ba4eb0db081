-- What a reviewer's login may reach: contactpoint_reviewer all that a desk's commands read of children whom the directory
-- publishes unshielded, contactpoint_shielded_reviewer all of it. Run by whoever owns the tables, after the stages have
-- made them and after a rebuild, whose new tables nobody at a desk can read until then. Safe to run again.
--
-- Row security decides by two functions, which know names only at run time: a rebuild takes the tables away under them.
-- Whoever owns the tables is not bound by it, so no stage pays for it.

create schema if not exists desk;
revoke all on schema desk from public;

-- Whether the directory publishes a child whole, and no open question asks if it may be a shielded one.
create or replace function desk.is_open_child(number text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return exists (select from directory.entry where child_number = number and not shielded)
        and not exists (
            select from projection.membership as m
            join projection.review_conflict as c on c.records @> array[m.record_key]
            where m.child_number = number and c.shielded and c.event_type <> 'conflict.closed');
end
$$;

-- Whether a record may be read: every child that it is with is open, and there is one.
create or replace function desk.is_open_record(key text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return coalesce((select bool_and(desk.is_open_child(child_number)) from projection.membership where record_key = key),
                    false);
end
$$;

-- Whether these records may be named: each is open, or is with no child any more and was never named by a shield.
create or replace function desk.may_name(keys text[]) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return not exists (
        select from unnest(keys) as asked (key)
        where not desk.is_open_record(key)
            and (exists (select from projection.membership where record_key = key)
                 or exists (select from projection.ruling_record join projection.ruling using (event_id)
                            where record_key = key and kind = 'shield.set')));
end
$$;

-- The same for what a ruling is about.
create or replace function desk.may_name_ruling(id text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return desk.may_name(array(select record_key from projection.ruling_record where event_id = id));
end
$$;

revoke all on all functions in schema desk from public;
grant usage on schema desk, matching, directory, projection, audit, archive, sealed, reviewing
    to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant execute on all functions in schema desk to contactpoint_reviewer;

-- How far the stages are, and what is nobody's.
grant select on matching.owner, matching.position, projection.position, projection.clock, directory.gone
    to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant select (batch) on matching.outbox to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant select on all sequences in schema matching to contactpoint_reviewer, contactpoint_shielded_reviewer;
alter default privileges in schema matching
    grant select on sequences to contactpoint_reviewer, contactpoint_shielded_reviewer; -- shared workers may come later

-- Published for every reader: of a shielded child what regulation 6 leaves. Of those due for erasure the number.
grant select on directory.entry, directory.lineage to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant select (child_number, until) on archive.closed_entry to contactpoint_reviewer, contactpoint_shielded_reviewer;

-- That there are any is asked for; no row of these is seen, but the archive by data managers (`child --archived`).
grant select on archive.archived_entry to contactpoint_shielded_reviewer;
grant select (child_number) on sealed.shielded_entry, sealed.sensitive_service
    to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant select (child_number) on archive.archived_entry to contactpoint_reviewer;

-- The desk's own work: claims, answers, samples.
grant select, insert, update, delete on reviewing.claim to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant select, insert on reviewing.opinion, reviewing.sample, reviewing.stratum
    to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant select, insert, update on reviewing.item to contactpoint_reviewer, contactpoint_shielded_reviewer;

-- Bring one policy to this form; where it is so already nothing is locked, since to alter it would wait for every reader.
-- It is made on an empty table of the same columns first, whose policy the database words as it would the wanted one.
create or replace function pg_temp.wording(place regclass, named text) returns text
language sql stable set search_path = pg_catalog as $$
    select concat_ws(' | ', polcmd, polpermissive, polroles::regrole[]::text, pg_get_expr(polqual, polrelid),
                     pg_get_expr(polwithcheck, polrelid))
    from pg_policy where polrelid = place and polname = named
$$;
create or replace procedure pg_temp.define(place regclass, named text, clauses text)
language plpgsql as $$
declare
    pattern text := 'pg_temp.' || (select quote_ident(relname) from pg_class where oid = place);
    made boolean;
begin
    execute format('create temp table %s (like %s)', substr(pattern, 9), place);
    execute format('create policy %I on %s %s', named, pattern, clauses);
    made := pg_temp.wording(place, named) is not distinct from pg_temp.wording(pattern, named);
    execute format('drop table %s', pattern);
    if not made then
        execute format('drop policy if exists %I on %s', named, place);
        execute format('create policy %I on %s %s', named, place, clauses);
    end if;
    if not (select relrowsecurity from pg_class where oid = place) then
        execute format('alter table %s enable row level security', place);
    end if;
end
$$;

do $$
declare
    wall record;
begin
    for wall in
        select * from (values
            ('matching.record', 'desk.is_open_record(key) and (child_number is null or desk.is_open_child(child_number))'),
            ('matching.conflict', 'conflict_id in (select conflict_id from review.conflict)'),
            ('review.conflict', 'desk.may_name(records)'),
            ('projection.membership', 'desk.is_open_record(record_key)'),
            ('projection.record_version', 'desk.is_open_record(record_key)'),
            ('projection.identity', 'desk.is_open_child(child_number)'),
            ('projection.ruling', 'desk.may_name_ruling(event_id)'),
            ('projection.ruling_record', 'desk.may_name_ruling(event_id)'),
            ('projection.revocation', 'desk.may_name_ruling(target)'),
            ('projection.erased', 'desk.is_open_record(record_key)'),
            ('projection.due', 'desk.is_open_child(child_number)'),
            ('audit.source_event', 'desk.may_name(array[record_key])'),
            ('audit.identity_event', 'desk.may_name(members || array(select json_array_elements_text(each -> ''members'')'
                || ' from json_array_elements(before) as each))'),
            ('directory.entry', 'true'),
            ('directory.lineage', 'true'),
            ('archive.closed_entry', 'true'),
            ('archive.archived_entry', 'false'),
            ('sealed.sensitive_service', 'false'),
            ('sealed.shielded_entry', 'false'),
            ('vault.data_key', 'case when name like ''decision:%'' then desk.may_name_ruling(substr(name, 10))'
                || ' else desk.is_open_record(name) end')
        ) as walls (place, seen)
    loop
        if to_regclass(wall.place) is not null then -- a vault may be elsewhere
            call pg_temp.define(wall.place, 'desk', format('for select to contactpoint_reviewer using (%s)', wall.seen));
            call pg_temp.define(wall.place, 'shielded_desk', format('for select to contactpoint_shielded_reviewer using (%s)',
                                case when wall.place like 'sealed.%' then 'false' else 'true' end));
        end if;
    end loop;
end
$$;
grant select on matching.record, matching.conflict, projection.membership, projection.record_version,
    projection.identity, projection.ruling, projection.ruling_record, projection.revocation, projection.erased,
    projection.due, audit.source_event, audit.identity_event
    to contactpoint_reviewer, contactpoint_shielded_reviewer;


-- Sampled pairs are named by their records, and a shield may have been set since they were drawn.
call pg_temp.define('reviewing.item', 'desk', 'to contactpoint_reviewer'
    ' using (left_key is null or desk.may_name(array[left_key, right_key])) with check (true)');
call pg_temp.define('reviewing.item', 'shielded_desk', 'to contactpoint_shielded_reviewer using (true) with check (true)');

-- Data keys, where the vault is in this database: those of the records that may be read, and of decisions about such. A
-- decision that states values makes a key of its own.
do $$
begin
    if to_regclass('vault.data_key') is null then
        return;
    end if;
    grant usage on schema vault to contactpoint_reviewer, contactpoint_shielded_reviewer;
    grant select, insert on vault.data_key to contactpoint_reviewer, contactpoint_shielded_reviewer;
    grant select on vault.secret to contactpoint_reviewer, contactpoint_shielded_reviewer;
    call pg_temp.define('vault.data_key', 'keeper', 'to contactpoint_vault using (true) with check (true)');
    call pg_temp.define('vault.data_key', 'decided', 'for insert to contactpoint_reviewer, contactpoint_shielded_reviewer'
        ' with check (name like ''decision:%'')');
end
$$;
