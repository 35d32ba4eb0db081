"""SQL of all projections: `checkpoint.sql` (positions) and `rebuild.sql`, as named blocks."""
