"""The application: command line, local stack, simulated world and demonstration.

`cli` reads the environment and hands over to the rest. Each package serves one kind of work: `explaining` (why),
`reviewing` (decisions), `model_tools` (models, and how good the linkage is), `table_link` (a table of your own),
`erasing`, `running` (the stages as processes), `stack` (Kafka and PostgreSQL), `issuer` (tokens to try with), `world`.
"""

from __future__ import annotations
