-- Single records, and what the service asks for itself. What the API may call says admission.sql.

-- The numbers that a child number led to: itself while it has an entry, else its successors, at most twenty steps on.
create or replace function service.successors(asked text) returns text[]
language plpgsql stable as $$
begin
    return (
    with recursive path (child_number, depth) as (
        select asked collate "C", 0
        union
        select next.number, path.depth + 1
        from path
        cross join lateral (select successors from directory.lineage as step
                            where step.child_number = path.child_number
                            order by step.version desc, step.kind desc, step.event_id limit 1) as newest
        cross join lateral unnest(newest.successors) as next (number)
        where path.depth < 20
          and not exists (select from directory.entry where entry.child_number = path.child_number))
    select coalesce(array_agg(distinct entry.child_number order by entry.child_number), '{}')
    from path join directory.entry using (child_number));
end
$$;

-- Open a record: the whole document, or those of its parts that are named. Returns {"record": ...}, or
-- {"successors": [...]} when the number is not in use any more, or {} when nobody ever had it.
create or replace function directory_api.open_record(
    context jsonb, client text, action text, asked text, parts text[], words bytea
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    document json;
    fields text[];
    others text[];
begin
    perform service.read_for(context);
    select entry.document into document from directory.entry where child_number = asked;
    if document is not null and parts is not null then
        document := (select json_object_agg(key, value) from json_each(document)
                     where key = any(parts || '{child_number,sources,shielded}'));
    end if;
    if document is null then
        others := service.successors(asked);
    else
        fields := array(select key from json_object_keys(document) as key
                        where key not in ('child_number', 'sources', 'shielded'));
    end if;
    perform audit.append(jsonb_build_array(jsonb_strip_nulls(context || jsonb_build_object(
        'action', action, 'decision', 'permitted', 'child', asked, 'fields', to_jsonb(fields),
        'results', case when document is null then 0 else 1 end))));
    perform service.count_use(context, client, case when document is null then 0 else 1 end, 0,
        case when document is null and cardinality(others) = 0 then 1 else 0 end, asked, words);
    if document is null then
        return case when cardinality(others) = 0 then '{}' else json_build_object('successors', others)::text end;
    end if;
    return '{"record":' || document::text || '}';
end
$$;

-- The one way behind a shield: the sealed record of the one child that this transaction overrides. It belongs to a role
-- of its own, and only the function below may call it.
create or replace function service.behind_shield(asked text) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select document from sealed.shielded_entry where child_number = asked);
end
$$;

-- Override a shield: an investigation opens and an alert is raised in the transaction that shows the record, once.
create or replace function directory_api.override_shield(
    context jsonb, client text, asked text, ground text, words bytea
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    document json;
    opened uuid;
begin
    perform service.read_for(context);
    perform set_config('contactpoint.override', asked, true);
    document := service.behind_shield(asked);
    perform set_config('contactpoint.override', '', true);
    insert into service.investigation (kind, subject, detail, request, child_number)
    values ('shield_override', context #>> '{who,user}', ground, context ->> 'request', asked) returning id into opened;
    perform service.raise_alert(opened);
    perform audit.append(jsonb_build_array(context || jsonb_build_object(
        'action', 'overrode_shield', 'decision', 'permitted', 'child', asked,
        'query', jsonb_build_object('ground', ground),
        'fields', case when document is null then '[]'::jsonb
                       else (select jsonb_agg(key) from json_object_keys(document) as key
                             where key not in ('child_number', 'sources')) end,
        'results', case when document is null then 0 else 1 end)));
    perform service.count_use(context, client, case when document is null then 0 else 1 end, 0,
        case when document is null then 1 else 0 end, asked, words);
    return case when document is null then '{}' else '{"record":' || document::text || '}' end;
end
$$;

-- The steps by which a child number was merged, split or retired, and where its records are now.
create or replace function directory_api.lineage(context jsonb, client text, asked text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    steps json;
    current text[];
begin
    perform service.read_for(context);
    select coalesce(json_agg(json_build_object('kind', kind, 'successors', successors, 'causes', causes,
                                               'decided_at', decided_at) order by version desc, kind desc, event_id),
                    '[]')
    into steps from directory.lineage where child_number = asked;
    current := service.successors(asked);
    perform audit.append(jsonb_build_array(context || jsonb_build_object(
        'action', 'read_lineage', 'decision', 'permitted', 'child', asked,
        'results', cardinality(current))));
    perform service.count_use(context, client, 0, 0,
        case when cardinality(current) = 0 and json_array_length(steps) = 0 then 1 else 0 end, null, null);
    return json_build_object('child_number', asked, 'current', current, 'steps', steps)::text;
end
$$;

-- How fresh each source is: when the directory last took something in from it.
create or replace function directory_api.sources() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(json_agg(json_build_object(
               'source', replace(topic, 'source.', ''), 'newest', newest,
               'age_seconds', case when newest is null then null
                                   else greatest(0, extract(epoch from clock_timestamp() - newest))::bigint end)
           order by topic), '[]')::text
    from (select topic, max(advanced_at) as newest from projection.position
          where projection = 'directory' group by topic) as positions
$$;

create or replace function directory_api.server_key(wanted text) returns bytea
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select value from service.server_key where name = wanted
$$;

-- Forget what is over: used proofs, handles, counts of past months.
create or replace function directory_api.forget() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    delete from service.used_proof where used_at < clock_timestamp() - interval '5 minutes';
    delete from service.handle where until < clock_timestamp();
    delete from service.tally where hour < clock_timestamp() - interval '2 days';
    delete from service.usage where day < clock_timestamp()::date - 40;
$$;
