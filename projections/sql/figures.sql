-- Figures about the whole: (what, how many). Each query needs the tables of one part; all are read in one snapshot.

-- name: directory
select 'records', count(*) from projection.record_version where person is not null
union all select 'child numbers in use', count(*) from projection.identity where members <> '{}'
union all select 'children held', count(*) from projection.identity where members <> '{}' and held
union all select 'children shown', count(*) from directory.entry
union all select 'children shown, shielded', count(*) from directory.entry where shielded
union all select 'children archived', count(*) from archive.archived_entry
union all select 'children closed', count(*) from archive.closed_entry;

-- name: review
select 'questions ' || state, count(*)
from (select state from review.conflict union all select state from review.shielded_conflict) as question
group by state order by state;

-- name: access
select 'entries', count(*) from audit.entry
union all select 'entries not numbered yet', count(*) from audit.pending
union all select 'entries of refusals',
    (select count(*) from audit.entry where decision = 'refused')
    + (select count(*) from audit.pending where entry ->> 'decision' = 'refused')
union all select 'findings open', count(*) from audit.review where closed_at is null
union all select 'findings of misuse', count(*) from audit.review where outcome = 'misuse'
union all select 'accounts suspended by findings', count(distinct user_id) from audit.review where suspended;

-- name: service
select 'accounts', count(*) from service.person
union all select 'accounts active', count(*) from service.person where active and blocked_at is null
union all select 'investigations open', count(*) from service.investigation where closed_at is null;

-- name: there
select to_regclass(%s) is not null;
