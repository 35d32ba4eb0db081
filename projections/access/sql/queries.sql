-- name: is_made
select to_regclass('audit.pending') is not null;

-- name: desk_rights
select audit.suspended(%s), pg_has_role('contactpoint_reviewer', 'member'),
       pg_has_role('contactpoint_shielded_reviewer', 'member');

-- name: append
select audit.append(%s::jsonb);

-- name: trouble
select audit.trouble();

-- name: set_limits
update audit.pulse set numbering_limit = %s, signing_limit = %s, witness_limit = %s;

-- name: lock_tree
select size, frontier from audit.tree for update;

-- name: read_tree
select size, frontier from audit.tree;

-- name: read_pending
select entry_id, entry, appended_at from audit.pending order by entry_id limit %s;

-- name: read_child_keys
select child_number, key_ref::text, wrapped from vault.audit_key where child_number = any(%s);

-- name: read_erased
select tag from vault.audit_erased where tag = any(%s);

-- name: knows_children
-- A trail may be kept where no directory is, or where one has not given its rights yet (directory/sql/walls.sql).
select exists (
    select from pg_attribute as key
    join pg_class as known on known.oid = key.attrelid join pg_namespace as area on area.oid = known.relnamespace
    where area.nspname = 'projection' and known.relname = 'record_version' and key.attname = 'record_key'
        and has_schema_privilege(area.oid, 'usage') and has_column_privilege(known.oid, key.attnum, 'select')
);

-- name: in_use
-- Of these numbers those that records have of which something is known.
select distinct child_number
from projection.membership join projection.record_version using (record_key)
where child_number = any(%s);

-- name: forget_erased
delete from vault.audit_erased where tag = any(%s);

-- name: add_child_keys
insert into vault.audit_key (child_number, wrapped) select * from unnest(%s::text[], %s::bytea[])
returning child_number, key_ref::text, wrapped;

-- name: read_month_key
select key_ref::text, wrapped from vault.audit_key where month = %s;

-- name: add_month_key
insert into vault.audit_key (month, wrapped) values (%s, %s) returning key_ref::text, wrapped;

-- name: copy_entries
copy audit.entry (leaf, entry_id, at, user_id, mediator_id, action, decision, request, key_ref, leaf_hash, signature, body)
from stdin;

-- name: add_nodes
insert into audit.node (level, index, hash) select * from unnest(%s::smallint[], %s::bigint[], %s::bytea[]);

-- name: move_tree
update audit.tree set size = %s, frontier = %s;

-- name: delete_pending
delete from audit.pending where entry_id = any(%s);

-- name: beat_numbering
update audit.pulse set numbered_at = clock_timestamp();

-- name: beat_signing
update audit.pulse set signed_at = clock_timestamp();

-- name: beat_witness
update audit.pulse set witnessed_at = clock_timestamp();

-- name: stop_reads
update audit.pulse set witnessed_at = '1970-01-01';

-- name: read_leaf_hashes
select leaf_hash from audit.entry where leaf >= %(first)s and leaf < %(first)s + %(count)s order by leaf;

-- name: read_nodes
select hash from audit.node
where level = %(level)s and index >= %(first)s and index < %(first)s + %(count)s order by index;

-- name: newest_checkpoint
select size, note from audit.checkpoint order by size desc limit 1;

-- name: add_checkpoint
insert into audit.checkpoint (size, note, signed_at) values (%s, %s, clock_timestamp()) on conflict do nothing;

-- name: add_cosignature
insert into audit.cosignature (size, witness, line, at)
select %(size)s, %(witness)s, %(line)s, to_timestamp(%(time)s)
where not exists (select from audit.cosignature where size = %(size)s and witness = %(witness)s);

-- name: add_stamp
insert into audit.stamp (size, authority, response, at) values (%s, %s, %s, clock_timestamp()) on conflict do nothing;

-- name: erase_keys
delete from vault.audit_key where child_number = any(%s) returning key_ref::text;

-- name: has_months
select exists (select from vault.audit_key where month < %s);

-- name: forget_months
delete from vault.audit_key where month < %s returning key_ref::text;

-- name: remember_erased
insert into vault.audit_erased (tag) select unnest(%s::bytea[]) on conflict do nothing;

-- name: read_relay
select next_leaf, next_checkpoint from audit.relay;

-- name: read_to_relay
select leaf, at, key_ref::text, user_id, body, signature from audit.entry
where leaf >= %s order by leaf limit %s;

-- name: read_checkpoints_to_relay
-- Also one that was signed and never witnessed (its keeper was killed), once a witnessed one covers it.
select c.size, c.signed_at, c.note || coalesce(string_agg(s.line, '' order by s.at), '')
from audit.checkpoint c left join audit.cosignature s using (size)
where c.size >= %s and c.size <= (select max(size) from audit.cosignature)
group by c.size order by c.size limit %s;

-- name: move_relay
update audit.relay set next_leaf = greatest(next_leaf, %s), next_checkpoint = greatest(next_checkpoint, %s);

-- name: begin_relay_again
update audit.relay set next_leaf = 0, next_checkpoint = 0;

-- name: export_entries
select leaf, body, signature from audit.entry order by leaf;

-- name: export_keys
select key_ref::text from vault.audit_key union all select audit.ending_keys();

-- name: export_checkpoints
select c.size, c.note || coalesce(string_agg(s.line, '' order by s.at), '')
from audit.checkpoint c left join audit.cosignature s using (size) group by c.size order by c.size;

-- What searches and reports find entries by has to say what the signed body says.
-- name: misindexed
select min(leaf) from audit.entry cross join lateral (select body::jsonb as said) as signed
where (leaf, entry_id, at, user_id, mediator_id, action, decision, request, key_ref::text) is distinct from (
    (said ->> 'leaf')::bigint, (said ->> 'entry')::bigint, (said ->> 'time')::timestamptz, said #>> '{who,user}',
    said #>> '{mediator,user}', said ->> 'action', said ->> 'decision', said ->> 'request', said #>> '{sealed,key}'
);

-- One entry of each key tells whose it is, under the key itself.
-- name: first_of_each_key
select distinct on (e.key_ref) e.leaf, e.entry_id, e.body::jsonb #>> '{sealed,box}', k.child_number, k.wrapped
from audit.entry e join vault.audit_key k using (key_ref) order by e.key_ref, e.leaf;

-- name: destroying_entries
-- Each entry that names keys which were destroyed, and when the newest was made that they sealed.
select leaf, request, gone.keys, (select max(at) from audit.entry where key_ref = any(gone.keys::uuid[]))
from audit.entry
cross join lateral (select array(select jsonb_array_elements_text(body::jsonb -> 'keys')) as keys) as gone
where action = 'destroyed_keys' and gone.keys <> '{}' order by leaf;

-- name: unaccounted
-- Of these keys those that are not there and that no numbered entry ends.
select unnest(%s::text[])
except select key_ref::text from vault.audit_key
except select jsonb_array_elements_text(body::jsonb -> 'keys') from audit.entry where action = 'destroyed_keys';

-- name: first_sealed
select key_ref::text, min(leaf) from audit.entry where key_ref::text = any(%s) group by key_ref;

-- name: sealed_before
-- The first entry of each key of these children that is there and sealed something before that moment.
select min(e.leaf) from vault.audit_key k join audit.entry e using (key_ref)
where k.child_number = any(%s) and e.at < %s group by key_ref;

-- name: export_stamps
select s.size, c.note, s.response from audit.stamp s join audit.checkpoint c using (size) order by s.size;

-- name: newest_witnessed
select c.size, c.note || string_agg(s.line, '' order by s.at)
from audit.checkpoint c join audit.cosignature s using (size) group by c.size order by c.size desc limit 1;

-- name: read_entry
select leaf, body from audit.entry where entry_id = %s;

-- name: find_entries
-- All conditions are optional; the newest entries come first.
select e.body, k.wrapped
from audit.entry e left join vault.audit_key k using (key_ref)
where (%(user)s::text is null or e.user_id = %(user)s or e.mediator_id = %(user)s)
  and (%(children)s::text[] is null
       or e.key_ref in (select key_ref from vault.audit_key where child_number = any(%(children)s)))
  and (%(request)s::text is null or e.request = %(request)s)
  and (%(since)s::timestamptz is null or e.at >= %(since)s)
  and (%(until)s::timestamptz is null or e.at < %(until)s)
order by e.leaf desc limit %(limit)s;

-- name: find_looks
-- Every entry about the child whom these numbers mean, the oldest first: also under numbers that it had before.
with had as materialized (select * from audit.numbers_of(%(children)s)),
looks as (
    select distinct e.leaf, k.wrapped
    from had
    join vault.audit_key as k using (child_number)
    join audit.entry as e on e.key_ref = k.key_ref and e.at between had.since and had.until
)
select e.body, looks.wrapped from looks join audit.entry as e using (leaf) order by leaf;

-- name: is_guarded
select audit.guarded(%(children)s);

-- name: add_review
insert into audit.review (finding, user_id, rule, leaves, found_at, suspended) values (%s, %s, %s, %s, %s, %s)
on conflict (finding) do nothing;

-- name: open_reviews
select finding, user_id, rule, leaves, found_at, suspended from audit.review
where closed_at is null order by found_at, finding;

-- name: close_review
update audit.review set closed_at = clock_timestamp(), closed_by = %s, outcome = %s, suspended = %s
where finding = %s and closed_at is null returning user_id;

-- name: drop_numbered
-- What waited for its number when the backup was made was published with it since.
delete from audit.pending as waiting
using unnest(%s::bigint[], %s::timestamptz[]) as numbered (entry_id, at)
where waiting.entry_id = numbered.entry_id and waiting.appended_at = numbered.at;

-- name: continue_receipts
select setval(pg_get_serial_sequence('audit.pending', 'entry_id'),
              1 + greatest((select max(entry_id) from audit.entry), (select max(entry_id) from audit.pending), 0), false);

-- name: renumber_pending
-- What was entered after the restore has receipts that were given out before.
with taken as (delete from audit.pending where entry_id = any(%s) returning entry_id, entry, appended_at)
insert into audit.pending (entry, appended_at) select entry, appended_at from taken order by entry_id;
