"""Read models folded from Kafka into PostgreSQL: the directory, the audit trail and the review queue."""
