-- What readers must not see of children that they may: for the management teams and for an override of a shield.
-- The reader's role has no right in this database schema.

create table if not exists shielded_entry (
    child_number text collate "C" primary key,
    document json not null  -- the whole Entry
);

-- The sensitive services that an entry shows without their names: for those who broker contact.
create table if not exists sensitive_service (
    child_number text collate "C" primary key,
    document json not null  -- a list of Involvement
);
