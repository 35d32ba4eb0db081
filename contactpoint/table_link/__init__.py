"""Linking one table with the core that runs live: LINK.toml and a Parquet or CSV file in, clusters out."""

from __future__ import annotations

from contactpoint.table_link.config import LinkConfig, load_link_config
from contactpoint.table_link.run import LinkReport, Outputs, link_table, run_link

__all__ = ["LinkConfig", "LinkReport", "Outputs", "link_table", "load_link_config", "run_link"]
