-- What is searched, and what a search shows. What the API may call says admission.sql.

drop function if exists directory_api.name_children(text, text[], integer);

-- What a search shows of a child: the same items for every child, shielded or not.
create or replace function service.summary(document json) returns json
language plpgsql immutable as $$
begin
    return json_build_object(
        'child_number', document -> 'child_number',
        'name', coalesce(document #> '{names,0,value}', document #> '{names,0}'),
        'sex', case when json_typeof(document -> 'sex') = 'object' then document #> '{sex,value}'
                    else document -> 'sex' end,
        'birth_date', coalesce(document #> '{birth_date,value,date}', document #> '{birth_date,date}'));
end
$$;

-- Whether a name that the child has or had fits: both bounds of each part are inclusive, a part without bounds fits all.
create or replace function service.named(
    surname text, forename text, others text[], low text, high text, given_low text, given_high text
) returns boolean
language plpgsql immutable as $$
begin
    if surname between low and high and (given_low is null or forename between given_low and given_high) then
        return true;
    elsif others = '{}' then
        return false;
    end if;
    return exists (select from unnest(others) as other (name)
                   where split_part(name, ' ', 1) between low and high
                     and (given_low is null or split_part(name, ' ', 2) between given_low and given_high));
end
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
            where (surname between low and high or others <> '{}')
              and service.named(surname, forename, others, low, high, given_low, given_high)
              and (born is null or birth_date = born)
            order by surname, forename, child_number limit most;
    elsif born is not null then
        return query
            with born_then as materialized (select * from directory.entry where birth_date = born)
            select service.summary(document) from born_then
            where (surname between low and high or others <> '{}')
              and service.named(surname, forename, others, low, high, given_low, given_high)
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
create or replace function service.search(context jsonb, client text, terms jsonb, query jsonb, ceiling integer)
returns json
language plpgsql as $$
declare
    hits json[];
    matched text := 'exact';
    shown integer;
    entries jsonb;
begin
    perform service.read_for(context);
    hits := array(select service.exact(terms, ceiling + 1));
    if cardinality(hits) = 0 and (terms ? 'postcode' or terms ? 'birth_date')
       and not (terms ? 'certain' or terms ? 'surname_begins' or terms ? 'forename_begins') then
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
    perform service.count_use(context, client, 0, shown,
        case when cardinality(hits) = 0 and terms ? 'child_number' then 1 else 0 end, null, null);
    if cardinality(hits) > ceiling then
        return '{"refine":true}';
    end if;
    return json_build_object('children', to_json(hits),
                             'matched', case when shown > 0 then matched else 'none' end);
end
$$;
create or replace function directory_api.search(context jsonb, client text, terms jsonb, query jsonb, ceiling integer)
returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return service.search(context, client, terms, query, ceiling);
end
$$;

-- Give children a name for an address that says nothing and ends soon; and find a child by such a name.
create or replace function service.name_children(asking text, children text[], seconds integer) returns text[]
language sql as $$
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

-- Search, and name each child that is found for `seconds`. Returns {"answer": as search does, "names": [...]}.
create or replace function directory_api.match(
    context jsonb, client text, terms jsonb, query jsonb, ceiling integer, seconds integer
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    answer json := service.search(context, client, terms, query, ceiling);
    numbers text[] := array(select child ->> 'child_number' from json_array_elements(answer -> 'children') as child);
begin
    return json_build_object(
        'answer', answer,
        'names', coalesce(service.name_children(context #>> '{who,user}', numbers, seconds), '{}'))::text;
end
$$;
