-- name: load_state
select digest, name, items, finished from ingest.file where feed = %(feed)s

-- name: begin_file
insert into ingest.file (feed, digest, name, items, finished)
values (%(feed)s, %(digest)s, %(name)s, %(items)s, %(finished)s)
on conflict do nothing

-- name: advance_file
update ingest.file set items = %(items)s, finished = %(finished)s
where feed = %(feed)s and digest = %(digest)s and items = %(before)s and not finished

-- name: forget_files
delete from ingest.file where feed = %(feed)s and (%(name)s::text is null or name = %(name)s)

-- name: records
select key, version, fingerprint, status, content, seen from ingest.record where key = any(%(keys)s)

-- name: absent
select key, version, fingerprint, status, content, seen from ingest.record
where source = %(source)s and status = 'observed' and seen < %(snapshot)s and version < %(version)s
order by key collate "C"

-- name: live_count
select count(*) from ingest.record where source = %(source)s and status = 'observed'

-- name: save_records
insert into ingest.record (key, version, fingerprint, status, content, seen)
select key, version, fingerprint, status, decode(content, 'base64'), seen
from json_to_recordset(%(records)s::json)
    as said (key text, version bigint, fingerprint text, status text, content text, seen bigint)
on conflict (key) do update set
    version = excluded.version, fingerprint = excluded.fingerprint, status = excluded.status,
    content = excluded.content, seen = excluded.seen
-- A batch that had read the row before it was erased must not write back what it says.
where record.status <> 'erased' or record.version < excluded.version

-- name: add_totals
insert into ingest.feed (feed, received, accepted, unchanged, out_of_scope, rejected)
values (%(feed)s, %(received)s, %(accepted)s, %(unchanged)s, %(out_of_scope)s, %(rejected)s)
on conflict (feed) do update set
    received = feed.received + excluded.received,
    accepted = feed.accepted + excluded.accepted,
    unchanged = feed.unchanged + excluded.unchanged,
    out_of_scope = feed.out_of_scope + excluded.out_of_scope,
    rejected = feed.rejected + excluded.rejected

-- name: status
select received, accepted, unchanged, out_of_scope, rejected, paused, reason from ingest.feed where feed = %(feed)s

-- name: set_paused
insert into ingest.feed (feed, paused, reason) values (%(feed)s, %(paused)s, %(reason)s)
on conflict (feed) do update set paused = excluded.paused, reason = excluded.reason

-- name: snapshots
select source, snapshot from ingest.snapshot where source = any(%(sources)s)

-- name: save_snapshot
insert into ingest.snapshot (source, snapshot) values (%(source)s, %(snapshot)s)
on conflict (source) do update set snapshot = greatest(snapshot.snapshot, excluded.snapshot)

-- name: forget_snapshots
delete from ingest.snapshot

-- name: forget_all_files
delete from ingest.file

-- name: forget_records
delete from ingest.record where status <> 'erased'

-- name: erase_record
-- The version stays as a floor, so that what was erased is refused when it is sent again; '~' is above any fingerprint.
insert into ingest.record as stored (key, version, fingerprint, status, content, seen)
select key, version, '~', 'erased', null, 0 from unnest(%(keys)s::text[], %(versions)s::bigint[]) as t (key, version)
on conflict (key) do update set fingerprint = '~', status = 'erased', content = null
where stored.version <= excluded.version;
