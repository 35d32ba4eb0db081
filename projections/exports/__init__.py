"""Bulk output: pseudonymised records and counts for statistics and research, and nothing that names a child."""
