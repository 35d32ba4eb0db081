"""SQL of the audit trail: tables, what a connection needs, the batch's statements and the reader's."""
