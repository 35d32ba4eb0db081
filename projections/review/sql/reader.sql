-- The reader asks one table or both, never "shielded or not" of one: without the right there is nothing to ask.

-- name: ordinary
select conflict_id, kind, state, version, opened_at, changed_at, closed_at, authority, records, children, evidence,
       decisions, model, resolution, answers, false as shielded
from review.conflict
where (%(id)s::text is null or conflict_id = %(id)s)
  and (%(authority)s::text is null or authority = %(authority)s)
  and (%(kind)s::text is null or kind = %(kind)s)
  and (%(state)s::text is null or state = %(state)s)
order by opened_at, conflict_id
limit %(limit)s;

-- name: shielded
select conflict_id, kind, state, version, opened_at, changed_at, closed_at, authority, records, children, evidence,
       decisions, model, resolution, answers, true as shielded
from review.shielded_conflict
where (%(id)s::text is null or conflict_id = %(id)s)
  and (%(authority)s::text is null or authority = %(authority)s)
  and (%(kind)s::text is null or kind = %(kind)s)
  and (%(state)s::text is null or state = %(state)s)
order by opened_at, conflict_id
limit %(limit)s;

-- name: count_ordinary
select kind, authority, count(*), min(opened_at) from review.conflict where state = 'open' group by kind, authority;

-- name: count_shielded
select kind, authority, count(*), min(opened_at) from review.shielded_conflict where state = 'open'
group by kind, authority;

-- name: in_doubt
select distinct unnest(records) from review.shielded_conflict where state = 'open';
