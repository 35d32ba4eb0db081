-- name: published
select disclosure.is_published(%s)

-- name: authorise
insert into disclosure.authorisation (id, child_number, gateway, recipient, proportionality, views_sought, items,
    requested_by, authorised_by, authorised_at, expires_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)

-- name: authorised
select child_number, items from disclosure.authorisation where id = %s

-- name: lock
select expires_at, used_at, authorised_by, requested_by from disclosure.authorisation where id = %s for update

-- name: use
update disclosure.authorisation set used_at = %s, used_by = %s where id = %s and used_at is null

-- name: notify
insert into disclosure.notice (authorisation_id, noted_at) values (%s, %s)

-- name: notices
select n.authorisation_id, n.noted_at, a.gateway, a.authorised_by, n.reviewed_by
from disclosure.notice n join disclosure.authorisation a on a.id = n.authorisation_id
order by n.noted_at desc

-- name: review
update disclosure.notice set reviewed_by = %s, reviewed_at = %s where authorisation_id = %s and reviewed_by is null

-- name: items
select disclosure.items_of(%s)
