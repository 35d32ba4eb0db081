"""SQL of the command line."""
