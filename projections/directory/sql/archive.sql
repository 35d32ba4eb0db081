-- Entries that are no longer live. The reader's role has no right in this database schema.

-- For data managers, until the day `until` begins.
create table if not exists archived_entry (
    child_number text collate "C" primary key,
    cause text not null check (cause in ('age', 'death', 'left_england', 'withdrawn')),
    archived_on date not null,
    until date not null,
    shielded boolean not null,
    document json not null  -- of a withdrawn child the number alone
);

-- For the system supplier alone (s.47 inquiries, reviews of deaths); from the day `until` on it is to be erased.
create table if not exists closed_entry (
    child_number text collate "C" primary key,
    cause text not null check (cause in ('age', 'death', 'left_england', 'withdrawn')),
    archived_on date not null,
    until date not null,
    shielded boolean not null,
    document json not null
);
create index if not exists closed_entry_until on closed_entry (until);
