-- name: accredit
insert into service.organisation (organisation, name, accredited_until) values (%s, %s, %s)
on conflict (organisation) do update set name = excluded.name, accredited_until = excluded.accredited_until;

-- name: manager
insert into service.manager (organisation, address) values (%s, %s)
on conflict (organisation) do update set address = excluded.address;

-- name: organisation_exists
select organisation from service.organisation where organisation = %s;

-- name: add
insert into service.person (subject, category, organisation, active) values (%s, %s, %s, true)
on conflict (subject) do update set category = excluded.category, organisation = excluded.organisation;

-- name: category_of
select category from service.person where subject = %s;

-- name: record
update service.person as person
set trained_until = coalesce(%s, trained_until),
    vetted_at = coalesce(%s, vetted_at),
    vetted_organisation = case when %s::timestamptz is null then vetted_organisation else organisation end,
    vetted_name = case when %s::timestamptz is null then vetted_name
                       else (select name from service.organisation as employer
                             where employer.organisation = person.organisation) end,
    agreed_until = coalesce(%s, agreed_until)
where subject = %s;

-- name: describe
insert into service.behind_account (subject, given, surname, home) values (%s, %s, %s, %s)
on conflict (subject) do update set given = excluded.given, surname = excluded.surname, home = excluded.home;

-- name: grant
update service.person set rights = %s where subject = %s;

-- name: activate
-- Who was stopped by a limit begins the day anew: what was used would stop them again at the next request.
with stopped as (select subject from service.person where subject = %s and blocked_at is not null),
anew as (
    delete from service.usage as today using stopped
    where today.subject = stopped.subject and today.day = (clock_timestamp() at time zone 'utc')::date
)
update service.person set active = true, blocked_at = null, blocked_for = null where subject = %s;

-- name: suspend
update service.person set active = false where subject = %s;

-- name: people
select subject, category, organisation, active, trained_until, vetted_at + interval '3 years' as vetted_until,
       agreed_until, rights, blocked_for
from service.person order by subject;

-- name: investigations
select id::text, opened_at, kind, subject, detail, request
from service.investigation where closed_at is null order by opened_at;

-- name: close
update service.investigation set closed_at = clock_timestamp(), closed_by = %s, outcome = %s
where id = %s::uuid and closed_at is null;
