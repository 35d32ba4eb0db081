"""Ingest: reads source systems, turns what they say into events, and keeps how far it has read."""
