-- What the API may call, and nothing else. Each function runs with the rights of contactpoint_directory, which reads the
-- published tables under row security; each answer appends its entries to the audit trail in the same transaction.
--
-- The order of calls in one transaction: admit, then one of search, open_record, override_shield, lineage, refuse.
-- `context` is the part of an audit entry that all its kinds share: who, mediator, purpose, reason, policy, request.

create schema if not exists directory_api;
revoke all on schema directory_api from public;

-- The facts about one person, for the decision. Times are whole seconds since 1970, rounded down: nothing outlasts its time.
create or replace function service.facts(asked text) returns jsonb
language sql stable as $$
    select jsonb_build_object(
        'category', person.category,
        'organisation', person.organisation,
        'active', person.active,
        'blocked', person.blocked_at is not null or audit.suspended(person.subject),
        'accredited_until', floor(extract(epoch from organisation.accredited_until))::bigint,
        'employer_confirmed', coalesce(person.vetted_organisation = person.organisation
                                       and person.vetted_name = organisation.name, false),
        'trained_until', floor(extract(epoch from person.trained_until))::bigint,
        'vetted_until', floor(extract(epoch from person.vetted_at + interval '3 years'))::bigint,
        'agreed_until', floor(extract(epoch from person.agreed_until))::bigint,
        'rights', to_jsonb(person.rights))
    from service.person join service.organisation using (organisation)
    where person.subject = asked
$$;

-- The second wall: rows of the published tables are visible only in a transaction that has admitted somebody who is
-- eligible now, by the database's own clock.
create or replace function service.admitted() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from service.person join service.organisation using (organisation)
        where person.subject = current_setting('contactpoint.subject', true)
          and person.active and person.blocked_at is null
          and organisation.accredited_until > clock_timestamp()
          and person.trained_until > clock_timestamp()
          and person.vetted_at + interval '3 years' > clock_timestamp()
          and person.agreed_until > clock_timestamp()
          and person.vetted_organisation = person.organisation and person.vetted_name = organisation.name)
$$;

-- How one person uses the directory, for the limits; and how their employer and their client system do.
create or replace function service.use_of(asked text, employer text, client text, words bytea) returns jsonb
language plpgsql volatile as $$
declare
    this_day date := (clock_timestamp() at time zone 'utc')::date;
    this_hour timestamptz := date_trunc('hour', clock_timestamp());
    today service.usage;
    busiest integer;
begin
    select * into today from service.usage where subject = asked and day = this_day;
    select max(shown) into busiest from service.usage
    where subject = asked and day < this_day and day >= this_day - 30;
    return jsonb_build_object(
        'shown_hour', case when today.hour = extract(hour from clock_timestamp() at time zone 'utc')
                           then today.shown_hour else 0 end,
        'shown_day', coalesce(today.shown, 0),
        'listed_day', coalesce(today.listed, 0),
        'missed_day', coalesce(today.missed, 0),
        'run', coalesce(today.run, 0),
        'busiest_day', coalesce(busiest, 0),
        'organisation_hour', coalesce((select sum(shown) from service.tally where kind = 'organisation'
                                       and name = employer and hour = this_hour), 0),
        'client_hour', coalesce((select sum(shown) from service.tally where kind = 'client'
                                 and name = client and hour = this_hour), 0),
        'same_words', case when today.last_words = words then today.same_words else 0 end);
end
$$;

-- Begin a request: use up its proofs, and return what the decision needs. Everything is read from this database at this
-- moment. `replayed` tells that a proof was used before.
create or replace function directory_api.admit(
    asking text, mediator text, client text, proofs bytea[], words bytea, organisation_every integer, client_every integer
) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    fresh integer := 0;
    facts jsonb := service.facts(asking);
begin
    -- One person's requests take turns, so that many at once do not all see what was used before any of them.
    perform pg_advisory_xact_lock(hashtextextended(coalesce(mediator, asking), 2007));
    perform set_config('contactpoint.subject', asking, true),
            set_config('contactpoint.organisation_every', organisation_every::text, true),
            set_config('contactpoint.client_every', client_every::text, true);
    if cardinality(proofs) > 0 then
        insert into service.used_proof (digest) select unnest(proofs) on conflict do nothing;
        get diagnostics fresh = row_count;
    end if;
    return jsonb_build_object(
        'person', facts,
        'mediator', case when mediator is not null then service.facts(mediator) end,
        'replayed', fresh < cardinality(proofs),
        'trouble', audit.trouble(),
        'use', service.use_of(coalesce(mediator, asking), facts ->> 'organisation', client, words));
end
$$;

-- Record that a request was refused. It ends the transaction's admission.
create or replace function directory_api.refuse(action text, refusal text, context jsonb, child text, query jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('contactpoint.subject', '', true);
    perform audit.append(jsonb_build_array(
        jsonb_strip_nulls(context || jsonb_build_object('action', action, 'decision', 'refused', 'refusal', refusal,
                                                        'child', child, 'query', query))));
end
$$;

-- Count what a person was shown. The sums of organisations and client systems are counted by chance, one request of
-- `organisation_every` and `client_every` for all of them: right on average, and nobody waits for a row that all share.
create or replace function service.count_use(
    context jsonb, client text, shown_now integer, listed_now integer, missed_now integer, opened text, words bytea
) returns void
language plpgsql as $$
declare
    asking text := coalesce(context #>> '{mediator,user}', context #>> '{who,user}');
    this_hour timestamptz := date_trunc('hour', clock_timestamp());
    every integer[] := array[
        coalesce(nullif(current_setting('contactpoint.organisation_every', true), ''), '1')::integer,
        coalesce(nullif(current_setting('contactpoint.client_every', true), ''), '1')::integer];
begin
    insert into service.usage as held
        (subject, day, hour, shown_hour, shown, listed, missed, last_number, run, last_words, same_words)
    values (asking, (clock_timestamp() at time zone 'utc')::date,
            extract(hour from clock_timestamp() at time zone 'utc')::smallint, shown_now, shown_now, listed_now, missed_now,
            opened, 0, words, case when opened is null then 0 else 1 end)
    on conflict (subject, day) do update set
        hour = excluded.hour,
        shown_hour = case when held.hour = excluded.hour then held.shown_hour else 0 end + excluded.shown_hour,
        shown = held.shown + excluded.shown,
        listed = held.listed + excluded.listed,
        missed = held.missed + excluded.missed,
        run = case when excluded.last_number is null or excluded.last_number = held.last_number then held.run
                   when excluded.last_number > held.last_number then held.run + 1
                   else 0 end,
        same_words = case when excluded.last_number is null then held.same_words
                          when excluded.last_words is distinct from held.last_words then 1
                          when excluded.last_number = held.last_number then held.same_words
                          else held.same_words + 1 end,
        last_words = case when excluded.last_number is null then held.last_words else excluded.last_words end,
        last_number = coalesce(excluded.last_number, held.last_number);
    if random() * every[1] < 1 then
        insert into service.tally as held (kind, name, hour, part, shown)
        values ('organisation', context #>> '{who,organisation}', this_hour, floor(random() * 8)::smallint,
                (shown_now + listed_now) * every[1])
        on conflict (kind, name, hour, part) do update set shown = held.shown + excluded.shown;
    end if;
    if random() * every[2] < 1 then
        insert into service.tally as held (kind, name, hour, part, shown)
        values ('client', client, this_hour, floor(random() * 8)::smallint, (shown_now + listed_now) * every[2])
        on conflict (kind, name, hour, part) do update set shown = held.shown + excluded.shown;
    end if;
end
$$;

-- What a search shows of a child: the same items for every child, shielded or not.
create or replace function service.summary(document json) returns json
language sql immutable as $$
    select json_build_object(
        'child_number', document -> 'child_number',
        'name', coalesce(document #> '{names,0,value}', document #> '{names,0}'),
        'sex', case when json_typeof(document -> 'sex') = 'object' then document #> '{sex,value}'
                    else document -> 'sex' end,
        'birth_date', coalesce(document #> '{birth_date,value,date}', document #> '{birth_date,date}'))
$$;

-- Whether a name that the child has or had fits: both bounds of each part are inclusive, a part without bounds fits all.
create or replace function service.named(
    surname text, forename text, others text[], low text, high text, given_low text, given_high text
) returns boolean
language sql immutable as $$
    select (surname between low and high and (given_low is null or forename between given_low and given_high))
        or exists (select from unnest(others) as other (name)
                   where split_part(name, ' ', 1) between low and high
                     and (given_low is null or split_part(name, ' ', 2) between given_low and given_high))
$$;

-- Children whom every given term fits exactly. A postcode is looked up first and alone: a shielded child has none here,
-- so that it costs the same to ask for a hidden one as for one that nobody has.
create or replace function service.exact(terms jsonb, most integer) returns setof json
language plpgsql stable as $$
declare
    low text := terms ->> 'surname';
    high text := low || case when terms ? 'surname_begins' then chr(1114111) else '' end;
    given_low text := terms ->> 'forename';
    given_high text := given_low || case when terms ? 'forename_begins' then chr(1114111) else '' end;
    born date := (terms ->> 'birth_date')::date;
begin
    if terms ? 'child_number' then
        return query select service.summary(document) from directory.entry
            where child_number = any(service.successors(terms ->> 'child_number')) order by child_number limit most;
    elsif terms ? 'postcode' then
        return query
            with at_postcode as materialized (
                select * from directory.entry where postcode = terms ->> 'postcode')
            select service.summary(document) from at_postcode
            where service.named(surname, forename, others, low, high, given_low, given_high)
              and (born is null or birth_date = born)
            order by surname, forename, child_number limit most;
    elsif born is not null then
        return query
            with born_then as materialized (select * from directory.entry where birth_date = born)
            select service.summary(document) from born_then
            where service.named(surname, forename, others, low, high, given_low, given_high)
            order by surname, forename, child_number limit most;
    else
        return query select service.summary(document) from directory.entry
            where (surname between low and high and forename between given_low and given_high)
               or (others <> '{}' and others @> array[low || ' ' || given_low])
            order by surname, forename, child_number limit most;
    end if;
end
$$;

-- How far apart two folded names are: 0 equal, 1 sound alike, else the letters to change (9: not alike at all).
create or replace function service.distance(asked text, held text) returns integer
language sql immutable as $$
    select case
        when asked = held then 0
        when asked is null or held is null then 9
        when service.dmetaphone(left(asked, 60)) = service.dmetaphone(left(held, 60))
             and left(asked, 1) = left(held, 1) then 1
        when service.levenshtein_less_equal(left(asked, 60), left(held, 60), 2)
             <= case when length(asked) < 5 then 1 else 2 end
            then 1 + service.levenshtein_less_equal(left(asked, 60), left(held, 60), 2)
        else 9 end
$$;

-- Children whom the terms nearly fit, nearest first: names that sound alike, are misspelt or changed places, and a date
-- of birth with day and month exchanged. Only within one postcode or one date, so it never lists a surname.
create or replace function service.near(terms jsonb, most integer) returns setof json
language plpgsql stable as $$
declare
    family text := terms ->> 'surname';
    given text := terms ->> 'forename';
    born date := (terms ->> 'birth_date')::date;
    turned date := case when extract(day from born) <= 12 then
        make_date(extract(year from born)::integer, extract(day from born)::integer, extract(month from born)::integer)
        else born end;
begin
    return query
        with nearby as materialized (
            select * from directory.entry
            where (terms ? 'postcode' and postcode = terms ->> 'postcode')
               or (not terms ? 'postcode' and birth_date in (born, turned))
            limit 5000),
        ranked as (
            select document, surname, forename, child_number,
                   least(service.distance(family, surname)
                             + case when given is null then 0 else service.distance(given, forename) end,
                         case when given is null then 9
                              else 1 + service.distance(family, forename) + service.distance(given, surname) end)
                       + case when born is null or birth_date = born then 0 when birth_date = turned then 1 else 9 end
                       as away
            from nearby)
        select service.summary(document) from ranked where away < 6
        order by away, surname, forename, child_number limit most;
end
$$;

-- Search. Returns {"children": [...], "matched": "exact" or "near"}, or {"refine": true} and no child when more than
-- `ceiling` fit. One entry for the search and one for each child that is returned.
create or replace function directory_api.search(context jsonb, client text, terms jsonb, query jsonb, ceiling integer)
returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    hits json[];
    matched text := 'exact';
    shown integer;
    entries jsonb;
begin
    hits := array(select service.exact(terms, ceiling + 1));
    if cardinality(hits) = 0 and (terms ? 'postcode' or terms ? 'birth_date')
       and not (terms ? 'surname_begins' or terms ? 'forename_begins') then
        hits := array(select service.near(terms, ceiling + 1));
        matched := 'near';
    end if;
    shown := case when cardinality(hits) > ceiling then 0 else cardinality(hits) end;
    entries := jsonb_build_array(context || jsonb_build_object(
        'action', 'searched', 'decision', 'permitted', 'query', query, 'results', cardinality(hits)));
    if shown > 0 then
        entries := entries || (select jsonb_agg(context || jsonb_build_object(
            'action', 'searched', 'decision', 'permitted', 'query', query, 'child', child ->> 'child_number',
            'fields', '["name", "sex", "birth_date"]'::jsonb)) from unnest(hits) as child);
    end if;
    perform audit.append(entries);
    perform service.count_use(context, client, 0, shown, 0, null, null);
    if cardinality(hits) > ceiling then
        return '{"refine":true}';
    end if;
    return json_build_object('children', to_json(hits),
                             'matched', case when shown > 0 then matched else 'none' end)::text;
end
$$;

-- The numbers that a child number led to: itself while it has an entry, else its successors, at most twenty steps on.
create or replace function service.successors(asked text) returns text[]
language sql stable as $$
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
    from path join directory.entry using (child_number)
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

-- Give children a name for an address that says nothing and ends soon; and find a child by such a name.
create or replace function directory_api.name_children(asking text, children text[], seconds integer) returns text[]
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with made as (
        insert into service.handle (handle, subject, child_number, until)
        select replace(gen_random_uuid()::text, '-', ''), asking, child.number,
               clock_timestamp() + make_interval(secs => seconds)
        from unnest(children) as child (number)
        returning handle, child_number)
    select array_agg(made.handle order by child.position)
    from unnest(children) with ordinality as child (number, position) join made on made.child_number = child.number
$$;
create or replace function directory_api.child_named(asking text, named text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select child_number from service.handle where handle = named and subject = asking and until > clock_timestamp()
$$;

-- Stop a person whose use passed a limit, and let somebody look into it. An organisation or a client system is not
-- stopped but reported, once an hour.
create or replace function directory_api.block(kind text, name text, limit_passed text, request text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    opened uuid;
    fresh boolean;
begin
    if kind = 'person' then
        update service.person set blocked_at = clock_timestamp(), blocked_for = limit_passed
        where subject = name and blocked_at is null;
        fresh := found;
    else
        fresh := not exists (select from service.investigation where subject = name and detail = limit_passed
                             and opened_at > clock_timestamp() - interval '1 hour');
    end if;
    if fresh then
        insert into service.investigation (kind, subject, detail, request)
        values ('unusual_use', name, limit_passed, block.request) returning id into opened;
        perform service.raise_alert(opened);
    end if;
end
$$;
create or replace function service.raise_alert(investigated uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    insert into service.alert (investigation) values (investigated);
    perform pg_notify('contactpoint_alert', investigated::text);
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
