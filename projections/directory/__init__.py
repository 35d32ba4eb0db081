"""The directory: one entry a child, with the permitted items and nothing else."""
