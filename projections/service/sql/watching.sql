-- What the rules about the use of accounts may know of people and children: names, homes, who works with whom. They run as
-- contactpoint_watcher, which can call these two functions and read no table. Who owns them: grants.sql.

create schema if not exists watching;
revoke all on schema watching from public;

-- These accounts, and everybody with one of the same employers.
create or replace function watching.people(accounts text[]) returns table (
    account text, organisation text, employer text, category text, given text, surname text, home text
) language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select person.subject, person.organisation, employer.name, person.category, known.given, known.surname, known.home
        from service.person
        join service.organisation as employer using (organisation)
        left join service.behind_account as known using (subject)
        where person.organisation in (select asked.organisation from service.person as asked
                                      where asked.subject = any(accounts));
end
$$;

-- These children as the directory shows them: surname, first line and postcode of the home, names of carers, and which
-- organisation, or practitioner, works with the child from when to when. Behind a shield there is less of it.
create or replace function watching.families(children text[]) returns table (
    child text, surname text, line text, postcode text, carers jsonb, involvements jsonb
) language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select entry.child_number, entry.surname,
               entry.document #>> '{whereabouts,value,address,lines,0}',
               entry.document #>> '{whereabouts,value,address,postcode}',
               coalesce((select jsonb_agg(jsonb_build_array(carer.name ->> 'given', carer.name ->> 'family'))
                         from json_array_elements(entry.document -> 'carers') as listed,
                              lateral (select coalesce(listed.value #> '{value,name}', listed.value)) as carer (name)), '[]'),
               coalesce((select jsonb_agg(jsonb_build_object('code', work.code, 'organisation', work.organisation,
                             'practitioner', work.practitioner, 'start', work.period ->> 'start',
                             'end', work.period ->> 'end'))
                         from (select null as code, listed.value #>> '{value,organisation}' as organisation,
                                      listed.value #>> '{value,practitioner}' as practitioner,
                                      listed.value -> 'value' as period
                               from json_array_elements(entry.document -> 'involvements') as listed
                               union all
                               select listed.value #>> '{value,institution_code}',
                                      listed.value #>> '{value,institution}', null, listed.value -> 'value'
                               from json_array_elements(entry.document -> 'education') as listed
                               union all
                               select entry.document #>> '{primary_care,value,practice_code}',
                                      entry.document #>> '{primary_care,value,practice}', null,
                                      entry.document #> '{primary_care,value}'
                              ) as work
                         where coalesce(work.code, work.organisation) is not null), '[]')
        from directory.entry
        where entry.child_number = any(children);
end
$$;
