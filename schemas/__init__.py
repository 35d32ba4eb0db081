"""Contracts of the pipeline: records, events, topics, errors and settings. Imports no other package of ours."""
