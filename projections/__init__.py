"""Read models folded from Kafka into PostgreSQL: the directory and the audit trail."""
