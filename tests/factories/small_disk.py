"""A file system of a few megabytes that a test fills to the last byte, as a real disk is full."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from contactpoint.stack.postgres import PostgresServer


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Where it is mounted; `folder` belongs to the account that PostgreSQL runs as."""

    mounted: Path

    @property
    def folder(self) -> Path:
        """The folder for the server."""
        return self.mounted / "server"

    def fill(self) -> None:
        """Leave no page free: write until the disk refuses, in ever smaller pieces."""
        with (self.mounted / "ballast").open("wb", buffering=0) as ballast:
            for piece in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while ballast.write(bytes(piece)) == piece:
                        pass

    def clear(self) -> None:
        """Give the room back."""
        (self.mounted / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(server: PostgresServer, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk where the server's account can reach it; skips the test where this account may not mount any."""
    mounted = Path(tempfile.mkdtemp(prefix="disk-", dir=server.config.home))
    size = f"size={megabytes}m,mode=0755"
    done = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", size, "tmpfs", mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this account may not mount a small file system")
    try:
        disk = SmallDisk(mounted)
        disk.folder.mkdir()
        if server.config.account is not None:
            os.chown(disk.folder, *server.config.account)
        yield disk
    finally:
        subprocess.run(["/bin/umount", "--lazy", mounted], check=True)
