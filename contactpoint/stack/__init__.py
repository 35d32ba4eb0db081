"""The local stack: a real Kafka and a real PostgreSQL, started, stopped and reset by this project, in one folder."""

from __future__ import annotations

from contactpoint.stack.config import StackAddresses, StackConfig
from contactpoint.stack.daemon import StartError
from contactpoint.stack.local import (
    LocalStack,
    PartStatus,
    down,
    reset,
    running_addresses,
    start,
    status,
    temporary_stack,
    up,
)
from contactpoint.stack.progress import ConsoleReporter, Reporter, SilentReporter

__all__ = [
    "ConsoleReporter",
    "LocalStack",
    "PartStatus",
    "Reporter",
    "SilentReporter",
    "StackAddresses",
    "StackConfig",
    "StartError",
    "down",
    "reset",
    "running_addresses",
    "start",
    "status",
    "temporary_stack",
    "up",
]
