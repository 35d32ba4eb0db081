"""SQL of the directory: tables, what a connection needs, the batch's statements and the reader's."""
