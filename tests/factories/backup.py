"""Backups of a PostgreSQL as an operator takes them: a copy of its files, and the way back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from contactpoint.stack.postgres import PostgresServer


def copy_files(server: PostgresServer, *options: str) -> Path:
    """Copy the running server's files with its own pg_basebackup; return the folder of the copy."""
    copy = server.config.home / "backup"
    command = [str(server.config.binaries / "pg_basebackup"), "--checkpoint=fast", "--no-manifest", *options]
    dsn = server.config.dsn().get_secret_value()
    subprocess.run([*command, "-D", str(copy), "-d", dsn], check=True, capture_output=True)
    give_to_server(server, copy, *copy.rglob("*"))
    return copy


def put_back(server: PostgresServer, copy: Path) -> None:
    """SIGKILL the server and put the copy in the place of its files; it is not started."""
    server.kill()
    shutil.rmtree(server.config.data)
    copy.rename(server.config.data)


def give_to_server(server: PostgresServer, *paths: Path) -> None:
    """Let these files be those of the account that the server runs as."""
    if server.config.account is not None:
        for path in paths:
            os.chown(path, *server.config.account, follow_symlinks=False)
