"""The matching stage: which records of which sources are one child.

`matching.linkage` is the pure core (blocking, comparison, Fellegi-Sunter weights, clustering), `matching.resident`
the pure state machine that keeps it up to date as records arrive, `matching.changes` what goes in and comes out of
it. Everything that talks to Kafka or PostgreSQL is in `matching.stage`.
"""
