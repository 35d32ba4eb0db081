"""The shared store's SQL: `schema.sql` as a whole, `queries.sql` as named blocks."""

from __future__ import annotations

from typing import Final

from connectors.postgres import sql_blocks

QUERIES: Final = sql_blocks(__name__)
