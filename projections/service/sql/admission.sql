-- Who is let in, how much is used, and what is refused.
--
-- The API may call the functions of directory_api, and nothing else. Each runs with the rights of contactpoint_directory,
-- which reads the published tables under row security. One transaction serves a round of requests: `admit` for all of
-- them, then for each one of search, match, open_record, override_shield, lineage, sources, refuse, which also appends its
-- entries to the audit trail. `context` is the part of an entry that all its kinds share: who, mediator, purpose, reason,
-- policy, request.
--
-- Functions that run at each request are in plpgsql, which keeps their plans; in SQL they would be planned anew each time.

create schema if not exists directory_api;
revoke all on schema directory_api from public;
drop function if exists directory_api.admit(text, text, text, bytea[], bytea, integer, integer);

-- The facts about one person, for the decision; no row for somebody unknown. Times are whole seconds since 1970, rounded
-- down: nothing outlasts its time. Like use_of it is a part of the one query of `admit`, into which it is inlined.
drop function if exists service.facts(text);
create or replace function service.facts_of(asked text) returns setof jsonb
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

-- The second wall: rows of the published tables are visible only while a transaction reads for somebody who is eligible
-- now, by the database's own clock.
create or replace function service.admitted() returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return exists (
        select from service.person join service.organisation using (organisation)
        where person.subject = current_setting('contactpoint.subject', true)
          and person.active and person.blocked_at is null
          and organisation.accredited_until > clock_timestamp()
          and person.trained_until > clock_timestamp()
          and person.vetted_at + interval '3 years' > clock_timestamp()
          and person.agreed_until > clock_timestamp()
          and person.vetted_organisation = person.organisation and person.vetted_name = organisation.name);
end
$$;

-- Read for the user of a request from now on, if this transaction admitted them, or else for nobody.
create or replace function service.read_for(context jsonb) returns void
language plpgsql as $$
declare
    asking text := context #>> '{who,user}';
    admitted text[] := string_to_array(current_setting('contactpoint.admitted', true), ' ');
begin
    perform set_config('contactpoint.subject', case when asking = any(admitted) then asking else '' end, true);
end
$$;

-- How one person uses the directory, for the limits; and how their employer and their client system do.
drop function if exists service.use_of(text, text, text, bytea);
create or replace function service.use_of(
    asked text, employer text, client text, words bytea, this_day date, this_hour timestamptz
) returns setof jsonb
language sql stable as $$
    select jsonb_build_object(
        'shown_hour', case when today.hour = extract(hour from this_hour at time zone 'utc') then today.shown_hour else 0 end,
        'shown_day', coalesce(today.shown, 0),
        'listed_day', coalesce(today.listed, 0),
        'missed_day', coalesce(today.missed, 0),
        'run', coalesce(today.run, 0),
        'busiest_day', coalesce((select max(shown) from service.usage
                                 where subject = asked and day < this_day and day >= this_day - 30), 0),
        'organisation_hour', coalesce((select sum(shown) from service.tally where kind = 'organisation'
                                       and name = employer and hour = this_hour), 0),
        'client_hour', coalesce((select sum(shown) from service.tally where kind = 'client'
                                 and name = client and hour = this_hour), 0),
        'same_words', case when words = any(today.reasons)
                           then 1 + cardinality(today.reasons)
                                - (select count(distinct given.words) from unnest(today.reasons) as given (words))
                           else 0 end)
    from (select) as always left join service.usage as today on today.subject = asked and today.day = this_day
$$;

-- Take a place among the requests of each organisation, or all four places for a request that wants to be alone. So a sum
-- that is read after it lacks what at most three other rounds add, or nothing. Rounds take places in the order of
-- organisations, and after the turns of people, so that they do not wait for each other.
create or replace function service.take_places(requests jsonb) returns void
language plpgsql as $$
declare
    organisation record;
begin
    for organisation in
        select hashtext(person.organisation) as key, bool_or((each ->> 'alone')::boolean) as alone
        from jsonb_array_elements(requests) as each join service.person on subject = each ->> 'asking'
        group by key order by key
    loop
        if organisation.alone then
            perform pg_advisory_xact_lock(organisation.key, place) from generate_series(0, 3) as place;
        elsif not (pg_try_advisory_xact_lock(organisation.key, 0) or pg_try_advisory_xact_lock(organisation.key, 1)
                   or pg_try_advisory_xact_lock(organisation.key, 2) or pg_try_advisory_xact_lock(organisation.key, 3)) then
            perform pg_advisory_xact_lock(organisation.key, pg_backend_pid() % 4);
        end if;
    end loop;
end
$$;

-- Begin a round. Each request says {asking, mediator, client, proofs, words, alone}, with proofs and words as hexadecimal
-- digits; its proofs are used up, and what its decision needs is returned at its place. Everything is read from this
-- database at this moment. `replayed` tells that a proof was used before, `beside` how many other rounds may be adding to
-- the organisation's sum. No two requests of a round are of one person.
create or replace function directory_api.admit(requests jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    this_day date := (clock_timestamp() at time zone 'utc')::date;
    this_hour timestamptz := date_trunc('hour', clock_timestamp());
    trouble text := audit.trouble();
    request record;
    fresh integer;
    replayed boolean[] := '{}';
begin
    -- One person's requests take turns, so that many at once do not all see what was used before any of them; rounds
    -- wait for people in the same order, so that they do not wait for each other.
    perform pg_advisory_xact_lock(turn.key)
    from (select distinct hashtextextended(coalesce(each ->> 'mediator', each ->> 'asking'), 2007) as key
          from jsonb_array_elements(requests) as each order by key) as turn;
    perform service.take_places(requests);
    for request in
        select * from jsonb_to_recordset(requests) as (proofs text[])
    loop
        insert into service.used_proof (digest)
        select decode(proof, 'hex') from unnest(request.proofs) as proof on conflict do nothing;
        get diagnostics fresh = row_count;
        replayed := replayed || (fresh < cardinality(request.proofs));
    end loop;
    perform set_config('contactpoint.admitted', (
        select string_agg(each ->> 'asking', ' ') from jsonb_array_elements(requests) as each), true);
    return (
        select jsonb_agg(jsonb_build_object('person', person.facts, 'mediator', mediator.facts, 'use', used.sums,
                                            'trouble', trouble, 'beside', case when asked.alone then 0 else 3 end,
                                            'replayed', replayed[asked.position])
                         order by asked.position)
        from rows from (jsonb_to_recordset(requests) as (asking text, mediator text, client text, words text,
                                                               alone boolean))
            with ordinality as asked (asking, mediator, client, words, alone, position)
        left join lateral service.facts_of(asked.asking) as person (facts) on true
        left join lateral service.facts_of(asked.mediator) as mediator (facts) on true
        left join lateral service.use_of(coalesce(asked.mediator, asked.asking), person.facts ->> 'organisation',
                                         asked.client, decode(asked.words, 'hex'), this_day, this_hour)
            as used (sums) on true);
end
$$;

-- Record that a request was refused.
create or replace function directory_api.refuse(action text, refusal text, context jsonb, child text, query jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform audit.append(jsonb_build_array(
        jsonb_strip_nulls(context || jsonb_build_object('action', action, 'decision', 'refused', 'refusal', refusal,
                                                        'child', child, 'query', query))));
end
$$;

-- Count what a person was shown. The sums of organisations and client systems are spread over a row for each connection,
-- so that rounds never wait for a row that all share. Of an organisation no request may add more than 20 (reads.CEILING).
create or replace function service.count_use(
    context jsonb, client text, shown_now integer, listed_now integer, missed_now integer, opened text, words bytea
) returns void
language plpgsql as $$
declare
    asking text := coalesce(context #>> '{mediator,user}', context #>> '{who,user}');
    this_hour timestamptz := date_trunc('hour', clock_timestamp());
    mine smallint := pg_backend_pid() % 32768;
begin
    insert into service.usage as held
        (subject, day, hour, shown_hour, shown, listed, missed, last_number, run, reasons)
    values (asking, (clock_timestamp() at time zone 'utc')::date,
            extract(hour from clock_timestamp() at time zone 'utc')::smallint, shown_now, shown_now, listed_now, missed_now,
            opened, 0, case when opened is null then '{}' else array[words] end)
    on conflict (subject, day) do update set
        hour = excluded.hour,
        shown_hour = case when held.hour = excluded.hour then held.shown_hour else 0 end + excluded.shown_hour,
        shown = held.shown + excluded.shown,
        listed = held.listed + excluded.listed,
        missed = held.missed + excluded.missed,
        run = case when excluded.last_number is null or excluded.last_number = held.last_number then held.run
                   when excluded.last_number > held.last_number then held.run + 1
                   else 0 end,
        reasons = case when excluded.last_number is null or excluded.last_number = held.last_number then held.reasons
                       else (held.reasons || excluded.reasons)[greatest(cardinality(held.reasons) - 18, 1):] end,
        last_number = coalesce(excluded.last_number, held.last_number);
    insert into service.tally as held (kind, name, hour, part, shown)
    values ('organisation', context #>> '{who,organisation}', this_hour, mine, shown_now + listed_now),
           ('client', client, this_hour, mine, shown_now + listed_now)
    on conflict (kind, name, hour, part) do update set shown = held.shown + excluded.shown;
end
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
