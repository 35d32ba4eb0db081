-- name: make_ledger
insert into export.ledger (inner_pad, outer_pad) values (%s, %s) on conflict do nothing

-- name: create_project
insert into export.project (name, purpose, recipient, created_by, inner_pad, outer_pad)
values (%s, %s, %s, %s, %s, %s)
on conflict do nothing

-- name: project
select name, purpose, recipient, destroyed_at is not null from export.project where name = %s

-- name: destroy_key
update export.project
set inner_pad = null, outer_pad = null, destroyed_by = %s, destroyed_at = clock_timestamp()
where name = %s and destroyed_at is null

-- name: rows
select pseudonym, token, sex, age, authority, whereabouts, in_education, has_practice
from export.rows(%s, %s, %s)

-- name: child_behind
select export.child_behind(%s, %s)

-- name: add_request
insert into export.release (id, project, spec, requested_by) values (%s, %s, %s, %s)

-- name: request
select r.spec, r.requested_by, r.released_at, p.purpose, p.recipient,
    (select coalesce(array_agg(a.approved_by order by a.approved_by), '{}') from export.approval a where a.release_id = r.id)
from export.release r join export.project p on p.name = r.project
where r.id = %s
for update of r

-- name: approve
insert into export.approval (release_id, approved_by) values (%s, %s) on conflict do nothing

-- name: released_cells
select m.release_id, m.cell, array_agg(m.token)
from export.member m
group by m.release_id, m.cell

-- name: mark_released
update export.release set released_at = clock_timestamp(), sha256 = %s where id = %s and released_at is null

-- name: copy_members
copy export.member (release_id, cell, token) from stdin
