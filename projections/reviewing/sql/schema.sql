-- Who works on which question, what people answered, and the samples that are drawn for review. No values of records:
-- a sampled pair is named by its record keys, and only until it is found right. Safe to run at every start.

create schema if not exists reviewing;

-- A soft claim: it keeps others from answering meanwhile, and runs out by itself.
create table if not exists reviewing.claim (
    item text collate "C" primary key,
    holder text not null,
    assigned_by text not null,
    claimed_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > claimed_at)
);

-- Answers are only ever added. `version` is that of the evidence that was seen: a question that changed is asked anew.
create table if not exists reviewing.opinion (
    item text collate "C" not null,
    version bigint not null,
    by_user text not null,
    answer text not null check (answer in ('same', 'different', 'cannot_tell')),
    reason text not null,
    given_at timestamptz not null,
    primary key (item, version, by_user)
);

create table if not exists reviewing.sample (
    id text collate "C" primary key,
    seed bigint not null,
    model text not null,
    drawn_by text not null,
    drawn_at timestamptz not null,
    linked_pairs bigint not null
);

create table if not exists reviewing.stratum (
    sample text collate "C" not null references reviewing.sample,
    linked boolean not null,
    band integer not null,
    share float8 not null,
    primary key (sample, linked, band)
);

-- `place` is the order in which items are given out, drawn by the seed, so that it tells nothing of the band.
create table if not exists reviewing.item (
    id text collate "C" primary key,
    sample text collate "C" not null references reviewing.sample,
    place integer not null,
    linked boolean not null,
    band integer not null,
    left_key text collate "C",
    right_key text collate "C",
    state text not null default 'open' check (state in ('open', 'settled', 'withdrawn'))
);
create index if not exists item_sample on reviewing.item (sample, place);

revoke all on schema reviewing from public;
