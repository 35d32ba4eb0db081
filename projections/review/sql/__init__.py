"""SQL of the review queue: tables, what a connection needs, the batch's statements and the reader's."""
