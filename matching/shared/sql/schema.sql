-- What several workers share beside the tables of matching/sql/schema.sql. Safe to run at every start.
-- Announcing (the first transaction of a batch) writes names, incoming and blocks; linking (the second) writes
-- records, neighbours and positions. No table is updated by both, so the two never lock each other out.
-- All tables here follow from those of matching/sql/schema.sql: they are unlogged, which spares more than half of what would
-- be written. A crash of the server empties them, the mark in shared_whole too, and the first worker that finds the mark
-- gone makes them again from the records (matching/shared/indexing.py).

create unlogged table if not exists matching.shared_whole (
    single boolean primary key default true check (single)
);

-- Every record key that was ever heard of, and the number that stands for it. Rows never change: locking one is how a
-- worker reserves the record, whether it has a row in matching.record yet or not.
create unlogged table if not exists matching.shared_name (
    rid integer generated always as identity primary key,
    key text collate "C" not null unique
);

-- Contents that are announced and not yet linked: other workers compare with them. A crash of the server ends every batch
-- in work with them: each is then read again from the log and announced again.
create unlogged table if not exists matching.shared_incoming (
    rid integer not null,
    event_id text not null,
    source text not null,
    features bytea not null,
    worker bigint not null
);
create index if not exists shared_incoming_rid on matching.shared_incoming (rid);

-- Blocking keys of announced and of linked contents, those of the model's shield rules among them.
create unlogged table if not exists matching.shared_block (
    key bigint not null,
    rid integer not null
);
create index if not exists shared_block_key on matching.shared_block (key, rid);

-- Which records have to be looked at together, in both directions: a superset of the edges that hold. `weight` is the
-- edge's, or one of the marks in matching/shared/neighbours.py.
create unlogged table if not exists matching.shared_neighbour (
    rid integer not null,
    other integer not null,
    weight integer not null
);
create index if not exists shared_neighbour_rid on matching.shared_neighbour (rid) include (other, weight);

-- Which records each open conflict is about.
create unlogged table if not exists matching.shared_question (
    rid integer not null,
    conflict_id text not null
);
create index if not exists shared_question_rid on matching.shared_question (rid);
create index if not exists shared_question_conflict on matching.shared_question (conflict_id);

-- Keys by the model's shield rules of all records of shielded children: whoever shares one may be a duplicate of theirs.
create unlogged table if not exists matching.shared_covered (
    key bigint not null,
    rid integer not null
);
create index if not exists shared_covered_key on matching.shared_covered (key) include (rid);
create index if not exists shared_covered_rid on matching.shared_covered (rid);

-- One row: grows with every batch that has decisions, so that workers know when to read them again.
create table if not exists matching.shared_decided (
    single boolean primary key default true check (single),
    stamp bigint not null default 0
) with (fillfactor = 10);
insert into matching.shared_decided default values on conflict do nothing;

-- Numbers of batches. A worker draws one when it holds all its locks, so of two batches that concern one child the
-- later one has the higher number.
create sequence if not exists matching.shared_batch;
