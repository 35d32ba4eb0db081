-- name: due
-- What awaits somebody and no manager was told of: investigations of the service, and accounts that the rules suspended.
-- Whoever is the employer's manager is told, or else who is told of all the rest ('*').
select waiting.reference, waiting.kind, waiting.opened_at at time zone 'utc', manager.address
from (select id::text, kind, opened_at, subject from service.investigation where closed_at is null
      union all
      select finding, 'suspended_account', found_at, user_id from audit.review where suspended and closed_at is null
     ) as waiting (reference, kind, opened_at, subject)
left join service.person on person.subject = waiting.subject
cross join lateral (select address from service.manager
                    where organisation in (coalesce(person.organisation, waiting.subject), '*')
                    order by organisation = '*' limit 1) as manager
where not exists (select from service.told where told.reference = waiting.reference)
order by waiting.opened_at;

-- name: told
insert into service.told (reference) values (%s) on conflict do nothing;
