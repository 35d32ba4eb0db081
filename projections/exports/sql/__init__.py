"""SQL of bulk output."""
