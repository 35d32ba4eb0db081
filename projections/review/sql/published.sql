-- The review queue, in two tables of one shape: a question about a shielded child is in the second one only, which the
-- ordinary reviewer's role cannot reach, neither its rows nor their number.

create table if not exists conflict (
    conflict_id text collate "C" primary key,
    kind text collate "C" not null,
    state text collate "C" not null,
    version bigint not null,
    opened_at timestamptz not null,
    changed_at timestamptz not null,
    closed_at timestamptz,
    authority text collate "C",
    records text[] collate "C" not null,
    children text[] collate "C" not null,
    evidence json not null,
    decisions text[] collate "C" not null,
    model text not null,
    resolution text,
    answers text[] collate "C" not null
);
create index if not exists conflict_queue on conflict (state, authority, kind, opened_at);
create table if not exists shielded_conflict (like conflict including all);

-- Rights belong to the tables, so they go with them when a rebuild is swapped in. Run again at every start.
do $$
begin
    if to_regrole('contactpoint_reviewer') is not null then
        execute format('grant usage on schema %I to contactpoint_reviewer', current_schema);
        grant select on conflict to contactpoint_reviewer;
    end if;
    if to_regrole('contactpoint_shielded_reviewer') is not null then
        execute format('grant usage on schema %I to contactpoint_shielded_reviewer', current_schema);
        grant select on conflict, shielded_conflict to contactpoint_shielded_reviewer;
    end if;
end
$$;
