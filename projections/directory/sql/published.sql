-- Published tables of the directory: what readers may see and nothing else. No supplier identifiers, no record keys of
-- records with a sensitive involvement, no memberships.

create table if not exists entry (
    child_number text collate "C" primary key,
    surname text collate "C",   -- folded, of the name that is shown first
    forename text collate "C",
    birth_date date,
    postcode text collate "C",
    document json not null
) with (fillfactor = 80);
create index if not exists entry_birth_date on entry (birth_date, surname);

-- Every child number that was ever merged, split or retired stays resolvable here.
create table if not exists lineage (
    event_id text collate "C" primary key,
    child_number text collate "C" not null,
    kind text not null check (kind in ('merged', 'split', 'retired')),
    version bigint not null,
    successors text[] collate "C" not null,
    causes text[] collate "C" not null,
    decided_at timestamptz not null
);
create index if not exists lineage_child_number on lineage (child_number, version desc);
