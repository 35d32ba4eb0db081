-- name: is_open_to_us
select coalesce(has_schema_privilege(to_regnamespace('reviewing'), 'usage')
    and has_table_privilege(to_regclass('reviewing.claim'), 'select')
    and has_table_privilege(to_regclass('reviewing.opinion'), 'select'), false)

-- name: claim
-- Succeeds when nobody holds it, the claim has run out, or it is one's own (which then lasts longer).
insert into reviewing.claim as c (item, holder, assigned_by, claimed_at, expires_at)
values (%(item)s, %(holder)s, %(by)s, %(now)s, %(until)s)
on conflict (item) do update
set holder = excluded.holder, assigned_by = excluded.assigned_by, claimed_at = excluded.claimed_at,
    expires_at = excluded.expires_at
where c.expires_at <= %(now)s or c.holder = excluded.holder
returning holder, expires_at

-- name: release
delete from reviewing.claim where item = %(item)s and (holder = %(by)s or assigned_by = %(by)s)

-- name: claims
select item, holder, expires_at from reviewing.claim where item = any(%(items)s) and expires_at > %(now)s

-- name: lock_claim
select holder, expires_at from reviewing.claim where item = %(item)s for update

-- name: opinions
select item, by_user, answer, reason, given_at from reviewing.opinion
where item = %(item)s and version = %(version)s order by given_at, by_user

-- name: answers
select item, version, array_agg(answer order by given_at, by_user), array_agg(by_user order by given_at, by_user)
from reviewing.opinion where item = any(%(items)s) group by item, version

-- name: add_opinion
insert into reviewing.opinion (item, version, by_user, answer, reason, given_at)
values (%(item)s, %(version)s, %(by)s, %(answer)s, %(reason)s, %(now)s)

-- name: add_sample
insert into reviewing.sample (id, seed, model, drawn_by, drawn_at, linked_pairs)
values (%(id)s, %(seed)s, %(model)s, %(by)s, %(now)s, %(linked_pairs)s)

-- name: add_stratum
insert into reviewing.stratum (sample, linked, band, share) values (%s, %s, %s, %s)

-- name: add_item
insert into reviewing.item (id, sample, place, linked, band, left_key, right_key) values (%s, %s, %s, %s, %s, %s, %s)

-- name: samples
select s.id, s.seed, s.model, s.drawn_by, s.drawn_at, count(i.id), count(i.id) filter (where i.state = 'open')
from reviewing.sample s left join reviewing.item i on i.sample = s.id group by s.id order by s.drawn_at, s.id

-- name: sample
select id, seed, model, drawn_by, drawn_at, linked_pairs from reviewing.sample where id = %s

-- name: next_item
-- The first open item that nobody else has claimed and that this person has not answered.
select i.id from reviewing.item i
where i.sample = %(sample)s and i.state = 'open'
  and not exists (select from reviewing.opinion o where o.item = i.id and o.by_user = %(by)s)
  and not exists (
      select from reviewing.claim c where c.item = i.id and c.expires_at > %(now)s and c.holder <> %(by)s)
order by i.place limit 1

-- name: item
select sample, linked, left_key, right_key from reviewing.item where id = %s and state = 'open'

-- name: close_item
-- The pair is kept only where people contradict linkage, so that somebody can decide about it.
update reviewing.item
set state = %(state)s, left_key = case when %(keep)s then left_key end, right_key = case when %(keep)s then right_key end
where id = %(item)s

-- name: forget_records
update reviewing.item set left_key = null, right_key = null, state = 'withdrawn'
where left_key = any(%(keys)s) or right_key = any(%(keys)s)

-- name: strata
select linked, band, share from reviewing.stratum where sample = %s order by linked desc, band

-- name: results
select i.id, i.linked, i.band, i.state, i.left_key, i.right_key,
       array(select o.answer from reviewing.opinion o where o.item = i.id order by o.given_at, o.by_user)
from reviewing.item i where i.sample = %s order by i.place
