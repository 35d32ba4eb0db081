-- Temporary tables through which new rows go in bulk; one set a connection.
create temporary table if not exists incoming_source_event (like source_event) on commit delete rows;
create temporary table if not exists incoming_identity_event (like identity_event) on commit delete rows;
