-- Temporary tables through which changed rows go in bulk; one set a connection.

create temporary table if not exists incoming_record (
    record_key text collate "C",
    source_version bigint,
    fingerprint text collate "C",
    event_type text collate "C",
    event_id text collate "C",
    source_kind text,
    recorded_at bigint,
    person text,
    withdrawn_at bigint
) on commit delete rows;

create temporary table if not exists incoming_identity (
    child_number text collate "C",
    version bigint,
    event_type text collate "C",
    members text[] collate "C",
    held boolean,
    former text[] collate "C"
) on commit delete rows;

create temporary table if not exists incoming_entry (
    child_number text collate "C",
    surname text collate "C",
    forename text collate "C",
    others text[] collate "C",
    birth_date date,
    sex text collate "C",
    postcode text collate "C",
    shielded boolean,
    document json
) on commit delete rows;

create temporary table if not exists incoming_lineage (
    event_id text collate "C",
    child_number text collate "C",
    kind text collate "C",
    version bigint,
    successors text[] collate "C",
    causes text[] collate "C",
    decided_at timestamptz,
    records text[] collate "C",
    shown_kind text collate "C",
    shown_successors text[] collate "C",
    shown_causes text[] collate "C"
) on commit delete rows;
