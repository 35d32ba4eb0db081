-- The audit trail of access: who looked, when and why. Needs projections/sql/roles.sql. Safe to run at every start.
--
-- An entry goes through two tables. `audit.append` inserts it into `audit.pending` in the transaction of the decision;
-- that is all a reader waits for. The sequencer then numbers what is committed, seals it, signs it and moves it to
-- `audit.entry`, in one transaction that also moves the tree. So readers never wait for each other (a counter or a chain
-- in the reader's transaction would make them queue), numbers have no gap (a rolled back entry never had one), and an
-- entry that committed before another began has the smaller number.

create schema if not exists audit;
create schema if not exists vault;
revoke all on schema audit, vault from public;

-- In plpgsql, which keeps the plan of a condition as long as this one: in SQL each insert would plan it anew.
create or replace function audit.is_entry(entry jsonb) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return coalesce(
        jsonb_typeof(entry) = 'object'
        and entry - array['action', 'decision', 'who', 'mediator', 'purpose', 'reason', 'child', 'fields', 'query',
                          'results', 'refusal', 'keys', 'policy', 'request'] = '{}'::jsonb
        and entry ->> 'action' in (
            'searched', 'opened', 'listed_involved', 'read_changes', 'read_lineage', 'overrode_shield', 'unmasked',
            'exported', 'disclosed', 'reported_to_subject', 'corrected', 'viewed_audit', 'logged_in', 'logged_out',
            'changed_rights', 'suspended_account', 'restored_account', 'destroyed_keys', 'opened_project',
            'requested_release', 'approved_release', 'resolved_pseudonym', 'authorised_disclosure', 'reviewed_disclosure')
        and entry ->> 'decision' in ('permitted', 'refused')
        and (entry ->> 'decision' = 'refused') = (entry ? 'refusal')
        and entry #>> '{who,user}' <> '' and entry #>> '{who,role}' <> '' and entry #>> '{who,organisation}' <> ''
        and (entry -> 'mediator' is null or entry #>> '{mediator,user}' <> '')
        and entry ->> 'policy' <> '' and entry ->> 'request' <> ''
        and (entry -> 'child' is null or length(entry ->> 'child') between 1 and 40)
        and (entry -> 'fields' is null or jsonb_typeof(entry -> 'fields') = 'array')
        and (entry -> 'keys' is null or jsonb_typeof(entry -> 'keys') = 'array')
        and (entry -> 'query' is null or jsonb_typeof(entry -> 'query') = 'object')
        and (entry -> 'results' is null or entry ->> 'results' ~ '^[0-9]{1,7}$')
        and length(coalesce(entry ->> 'reason', '')) <= 500
        and length(entry::text) <= 10000,
        false);
end
$$;

-- Committed entries that have no number yet. Never empty for long: `audit.healthy` counts the seconds.
create table if not exists audit.pending (
    entry_id bigint generated always as identity primary key,
    entry jsonb not null constraint entry_is_well_formed check (audit.is_entry(entry)),
    appended_at timestamptz not null default clock_timestamp()
);

-- The trail. `body` is what is hashed, byte for byte; the other columns repeat what it says, for searching.
create table if not exists audit.entry (
    leaf bigint primary key,
    entry_id bigint not null unique,
    at timestamptz not null,
    user_id text collate "C" not null,
    mediator_id text collate "C",
    action text collate "C" not null,
    decision text collate "C" not null,
    request text collate "C" not null,
    key_ref uuid,
    leaf_hash bytea not null,
    signature bytea not null,
    body text not null
);
create index if not exists entry_by_key on audit.entry (key_ref, leaf);
create index if not exists entry_by_user on audit.entry (user_id, leaf);
create index if not exists entry_by_mediator on audit.entry (mediator_id, leaf) where mediator_id is not null;
create index if not exists entry_by_request on audit.entry (request);

-- Inner hashes of the tree at levels 8, 16, 24 ...: the rest follows from them and the leaves with little work.
create table if not exists audit.node (
    level smallint not null,
    index bigint not null,
    hash bytea not null,
    primary key (level, index)
);

create table if not exists audit.tree (
    single boolean primary key default true check (single),
    size bigint not null default 0,
    frontier bytea not null default ''
) with (fillfactor = 10);
insert into audit.tree default values on conflict do nothing;

create table if not exists audit.checkpoint (
    size bigint primary key,
    note text not null,
    signed_at timestamptz not null
);
create table if not exists audit.cosignature (
    size bigint not null references audit.checkpoint,
    witness text collate "C" not null,
    line text not null,
    at timestamptz not null,
    primary key (size, witness, at)
);
create table if not exists audit.stamp (
    size bigint not null references audit.checkpoint,
    authority text collate "C" not null,
    response bytea not null,
    at timestamptz not null,
    primary key (size, authority)
);

-- When each part last did its work, and how long each may fail before reads must stop (X-Road's rule: four hours).
create table if not exists audit.pulse (
    single boolean primary key default true check (single),
    numbered_at timestamptz not null default clock_timestamp(),
    signed_at timestamptz not null default clock_timestamp(),
    witnessed_at timestamptz not null default clock_timestamp(),
    numbering_limit interval not null default '10 minutes',
    signing_limit interval not null default '4 hours',
    witness_limit interval not null default '4 hours'
) with (fillfactor = 10);
insert into audit.pulse default values on conflict do nothing;

-- How far the topic `access` has got.
create table if not exists audit.relay (
    single boolean primary key default true check (single),
    next_leaf bigint not null default 0,
    next_checkpoint bigint not null default 0
) with (fillfactor = 10);
insert into audit.relay default values on conflict do nothing;

-- Findings about accounts, for a person to look into; a suspended account is refused at its next request.
create table if not exists audit.review (
    finding text collate "C" primary key,
    user_id text collate "C" not null,
    rule text collate "C" not null,
    leaves bigint[] not null,
    found_at timestamptz not null,
    suspended boolean not null,
    closed_at timestamptz,
    closed_by text collate "C",
    outcome text collate "C"
);
create index if not exists review_suspended on audit.review (user_id) where suspended;

-- Keys that seal what entries say about a child (one a child), or a query that found none (one a month). Wrapped by a
-- key that is not in the database. Destroying a row makes its entries unreadable; the tree still verifies.
create table if not exists vault.audit_key (
    key_ref uuid primary key default gen_random_uuid(),
    child_number text collate "C" unique,
    month date unique,
    wrapped bytea not null,
    check ((child_number is null) <> (month is null))
);
-- Children whose audit keys are destroyed, as keyed hashes: a later entry about one is sealed with a key nobody keeps.
create table if not exists vault.audit_erased (tag bytea primary key);

-- A superuser can drop these triggers, so they prove nothing; they stop mistakes. The proofs are the tree's.
create or replace function audit.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit trail is append-only' using errcode = 'insufficient_privilege';
end
$$;
do $$
declare
    name text;
begin
    foreach name in array array['entry', 'node', 'checkpoint', 'cosignature', 'stamp'] loop
        execute format('create or replace trigger append_only before update or delete or truncate on audit.%I '
                       'for each statement execute function audit.refuse_change()', name);
    end loop;
end
$$;

-- Append entries (a JSON array of schemas.access.AccessEntry) in the caller's transaction; return their numbers as
-- receipts, in order. The transaction's commit is then synchronous whatever the session had set: once it is
-- acknowledged, the entries are on disk.
create or replace function audit.append(entries jsonb) returns bigint[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    receipts bigint[];
begin
    perform set_config('synchronous_commit', 'on', true);
    with inserted as (
        insert into audit.pending (entry)
        select element.value from jsonb_array_elements(entries) with ordinality as element order by element.ordinality
        returning entry_id
    )
    select array_agg(entry_id order by entry_id) into receipts from inserted;
    if receipts is null then
        raise exception 'no entry was given' using errcode = 'invalid_parameter_value';
    end if;
    return receipts;
end
$$;

-- What is wrong with the trail's keeping, in words; null while reads may go on. One row is read. A pulse from a future
-- that is further away than the limit is none: the clock was put back, and the part may be dead since.
create or replace function audit.trouble() returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (
        select nullif(concat_ws(', ',
            case when clock_timestamp() not between numbered_at - numbering_limit and numbered_at + numbering_limit
                then 'entries are not numbered' end,
            case when clock_timestamp() not between signed_at - signing_limit and signed_at + signing_limit
                then 'checkpoints are not signed' end,
            case when clock_timestamp() not between witnessed_at - witness_limit and witnessed_at + witness_limit
                then 'the witness does not cosign' end), '')
        from audit.pulse);
end
$$;

create or replace function audit.healthy() returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$ select audit.trouble() is null $$;

-- Whether an account is suspended, by an open finding or one that was found to be misuse.
create or replace function audit.suspended(account text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return exists (select from audit.review where user_id = account and suspended);
end
$$;

-- Under which numbers the trail speaks of the child whom these numbers mean, and when: the numbers given, those that they
-- were merged into, and each other number while it held one of the child's records, or led to it. Times are the linkage's;
-- the directory follows within a minute. Numbers and times are all that the auditor learns of a child's history.
create or replace function audit.numbers_of(children text[])
returns table (child_number text, since timestamptz, until timestamptz, own boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query select given, '-infinity'::timestamptz, 'infinity'::timestamptz, true
        from unnest(children) as given;
    if to_regclass('audit.identity_event') is null then
        return; -- a trail may be kept where no directory is
    end if;
    return query
        with recursive own as (
            select given collate "C" as child_number from unnest(children) as given
            union
            select unnest(newest.successors)
            from own
            cross join lateral (
                select event.members, event.successors from audit.identity_event as event
                where event.child_number = own.child_number order by event.version desc limit 1
            ) as newest
            where newest.members = '{}'
        ),
        records as (
            select coalesce(array_agg(distinct record_key), '{}') as keys
            from own
            cross join lateral (
                select event.members from audit.identity_event as event
                where event.child_number = own.child_number and event.members <> '{}' order by event.version desc limit 1
            ) as newest
            cross join unnest(newest.members) as record_key
        ),
        line as (
            select child_number from own
            union
            select formerly ->> 'child_number'
            from line
            join audit.identity_event as event using (child_number)
            cross join json_array_elements(event.before) as formerly
        ),
        times as (
            select event.child_number, event.members, event.successors, event.decided_at as since,
                lead(event.decided_at) over (partition by event.child_number order by event.version) as until
            from line join audit.identity_event as event using (child_number)
        )
        select times.child_number, times.since, coalesce(times.until + interval '1 minute', 'infinity'),
            times.child_number in (select child_number from own)
        from times cross join records
        where times.members && records.keys
            or times.members = '{}' and times.successors && (select array_agg(child_number) from own);
end
$$;

-- Whether a report about this child must not name organisations: the child is shielded, or works with a sensitive service,
-- or is not published at all; or a number of then is of such a child now. The auditor learns this and nothing else of the
-- directory.
create or replace function audit.guarded(children text[]) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    numbers text[] := array(select child_number from audit.numbers_of(children));
    own text[] := array(select child_number from audit.numbers_of(children) as known where known.own);
begin
    return not exists (select from directory.entry where child_number = any(own))
        or exists (select from directory.entry where child_number = any(numbers) and shielded)
        or exists (select from sealed.shielded_entry where child_number = any(numbers))
        or exists (select from sealed.sensitive_service where child_number = any(numbers));
end
$$;

-- Keys that are destroyed by entries which have no number yet: these are in the trail within moments.
create or replace function audit.ending_keys() returns setof text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select jsonb_array_elements_text(entry -> 'keys') from audit.pending where entry ->> 'action' = 'destroyed_keys';
end
$$;

-- Rights. Functions run with the rights of their owners, which are no more than the tables that they need.
grant usage on schema audit to
    contactpoint_audit_writer, contactpoint_sequencer, contactpoint_auditor, contactpoint_reader, contactpoint_operator,
    contactpoint_exporter, contactpoint_authoriser, contactpoint_discloser, contactpoint_disclosure_reviewer,
    contactpoint_reviewer, contactpoint_shielded_reviewer;
grant usage on schema vault to contactpoint_sequencer, contactpoint_auditor;
grant insert, select (entry_id) on audit.pending to contactpoint_audit_writer;
grant select on audit.pulse, audit.review to contactpoint_operator;
grant update (numbering_limit, signing_limit, witness_limit) on audit.pulse to contactpoint_operator;
grant select, delete on audit.pending to contactpoint_sequencer;
grant select, insert on audit.entry, audit.node, audit.checkpoint, audit.cosignature, audit.stamp
    to contactpoint_sequencer;
grant select, update on audit.tree, audit.relay, audit.pulse to contactpoint_sequencer;
grant select, insert, delete on vault.audit_key, vault.audit_erased to contactpoint_sequencer;
grant select on audit.entry, audit.node, audit.tree, audit.checkpoint, audit.cosignature, audit.stamp, audit.pulse,
    audit.relay, vault.audit_key to contactpoint_auditor;
grant select, insert, update on audit.review to contactpoint_auditor;

grant create on schema audit to contactpoint_audit_writer, contactpoint_operator;
alter function audit.append(jsonb) owner to contactpoint_audit_writer;
alter function audit.trouble() owner to contactpoint_operator;
alter function audit.suspended(text) owner to contactpoint_operator;
revoke create on schema audit from contactpoint_audit_writer, contactpoint_operator;
revoke all on all functions in schema audit from public;
grant execute on function audit.is_entry(jsonb) to contactpoint_audit_writer, contactpoint_reader;
grant execute on function audit.append(jsonb) to contactpoint_reader, contactpoint_exporter, contactpoint_auditor,
    contactpoint_authoriser, contactpoint_discloser, contactpoint_disclosure_reviewer, contactpoint_reviewer,
    contactpoint_shielded_reviewer;
grant execute on function audit.trouble() to contactpoint_authoriser, contactpoint_discloser,
    contactpoint_disclosure_reviewer, contactpoint_reviewer, contactpoint_shielded_reviewer;
grant execute on function audit.suspended(text) to contactpoint_reviewer, contactpoint_shielded_reviewer;
grant execute on function audit.trouble(), audit.healthy(), audit.suspended(text)
    to contactpoint_reader, contactpoint_exporter, contactpoint_auditor, contactpoint_operator;
grant execute on function audit.guarded(text[]), audit.numbers_of(text[]), audit.ending_keys() to contactpoint_auditor;
