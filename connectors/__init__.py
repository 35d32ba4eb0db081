"""Input and output shared by the stages: Kafka, PostgreSQL and one module for each source system."""

from __future__ import annotations
