-- What the fold needs besides the queue: the newest event of each conflict, and every decision about links.

create table if not exists review_conflict (
    conflict_id text collate "C" primary key,
    version bigint not null,
    event_type text collate "C" not null,
    event_id text collate "C" not null,
    decided_at timestamptz not null,
    causation_id text collate "C",
    kind text collate "C" not null,
    records text[] collate "C" not null,
    children text[] collate "C" not null,
    evidence json not null,
    decisions text[] collate "C" not null,
    authority text collate "C",
    shielded boolean not null,
    model text not null,
    opened_version bigint not null,
    opened_at timestamptz
);
create index if not exists review_conflict_records on review_conflict using gin (records);

create table if not exists review_decision (
    event_id text collate "C" primary key,
    event_type text collate "C" not null,
    decided_at timestamptz not null,
    by_user text collate "C" not null,
    approved_by text collate "C",
    reason text collate "C" not null,
    one_side text[] collate "C" not null,
    other_side text[] collate "C" not null
);
create index if not exists review_decision_records on review_decision using gin ((one_side || other_side));
