"""Feeds that are directories of files: which files, in which order, and reading on from where the last run stopped.

Sources write `name.part` and rename, so `.part` files are not there yet. Files are read in natural order of their names
(`day2` before `day10`) and known by the SHA-256 of their content: a file that is sent again under another name is the
same file, unless the name itself says something, such as the time of an extract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

from connectors.base import Batch, FileFailure, FileFormatError, FileProgress, SourceState
from connectors.raw import Item, RawRecord, RejectedItem

UNFINISHED_SUFFIX = ".part"
_FILES_IN_A_BATCH = 500
_BYTES_IN_A_BATCH = 32 * 1024 * 1024
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a feed."""

    path: Path
    name: str
    digest: str

    def open(self) -> BinaryIO:
        """Open the file's bytes."""
        return self.path.open("rb")

    def place(self, where: str) -> str:
        """Name a place in this file; the digest's start tells files of one name apart."""
        return f"{self.name} ({self.digest[:8]}), {where}"


class FileFormat(Protocol):
    """Turns one file into items, always the same ones in the same order."""

    def told_by_name(self, name: str) -> str:
        """Return what the file's name says that its content does not; empty where the name is only a name."""
        ...

    def items(self, file: SourceFile) -> Iterator[Item]:
        """Yield every item; raise FileFormatError when the rest of the file cannot be read."""
        ...


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that counts the numbers in a name instead of spelling them."""
    parts = _NUMBER.split(name)
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts)


def discover(directory: Path, pattern: str) -> list[Path]:
    """Return the finished, visible files of a feed in natural order."""
    found = [path for path in directory.glob(pattern) if path.is_file() and _is_ready(path.name)]
    return sorted(found, key=lambda path: natural_order(path.relative_to(directory).as_posix()))


def _is_ready(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(UNFINISHED_SUFFIX)


@lru_cache(maxsize=65536)
def _digest(path: Path, size: int, modified: int, told: str) -> str:
    """Return the SHA-256 of a file; a feed that is looked at again and again reads only files that changed."""
    del size, modified  # they are here to tell versions of one path apart
    with path.open("rb") as stream:
        digest = file_digest(stream, "sha256")
    digest.update(told.encode())
    return digest.hexdigest()


class FileConnector:
    """Reads a directory of files of one format; keeps the rules of `connectors.base`."""

    def __init__(self, directory: Path, pattern: str, file_format: FileFormat, *, batch_size: int = 1000) -> None:
        self._directory = directory
        self._pattern = pattern
        self._format = file_format
        self._batch_size = batch_size

    def check(self) -> tuple[str, ...]:
        """Return what stops the directory from being read."""
        if not self._directory.is_dir():
            return (f"the directory {self._directory} does not exist: create it or correct `directory`",)
        if discover(self._directory, self._pattern):
            return ()
        others = len(discover(self._directory, "*"))
        if not others:
            return ()
        return (f"{others} files are in {self._directory}, but none fits the pattern {self._pattern!r}",)

    def read(self, state: SourceState) -> Iterator[Batch]:
        """Yield what follows `state`; a batch ends when it is full and at the end of the feed."""
        pending = _Pending()
        for file in self._unfinished(state, pending):
            known = state.get(file.digest)
            done = known.items if known else 0
            try:
                for item in islice(self._format.items(file), done, None):
                    pending.add(item)
                    done += 1
                    if len(pending.items) >= self._batch_size or pending.size > _BYTES_IN_A_BATCH:
                        yield pending.take(FileProgress(file.digest, file.name, done))
            except (FileFormatError, OSError) as error:
                pending.failures.append(_failure(file, error))
                pending.progress.append(FileProgress(file.digest, file.name, done))
            else:
                pending.progress.append(FileProgress(file.digest, file.name, done, finished=True))
            if len(pending.progress) >= _FILES_IN_A_BATCH:
                yield pending.take()
        if pending.progress or pending.failures:
            yield pending.take()

    def _unfinished(self, state: SourceState, pending: _Pending) -> Iterator[SourceFile]:
        """Yield the files that still have something to read, each content once."""
        seen: set[str] = set()
        for path in discover(self._directory, self._pattern):
            name = path.relative_to(self._directory).as_posix()
            try:
                about = path.stat()
                digest = _digest(path, about.st_size, about.st_mtime_ns, self._format.told_by_name(name))
            except OSError as error:
                pending.failures.append(_failure(SourceFile(path, name, ""), error))
                continue
            known = state.get(digest)
            if digest in seen or (known is not None and known.finished):
                continue
            seen.add(digest)
            yield SourceFile(path, name, digest)


class _Pending:
    """The batch that is being filled."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.size = 0
        self.progress: list[FileProgress] = []
        self.failures: list[FileFailure] = []

    def add(self, item: Item) -> None:
        """Add an item to what the next batch holds."""
        self.items.append(item)
        if isinstance(item, RawRecord | RejectedItem):
            self.size += len(item.original)

    def take(self, *current: FileProgress) -> Batch:
        """Return what was gathered as a batch, with how far its files and `current` ones are read; begin anew."""
        batch = Batch(tuple(self.items), (*self.progress, *current), tuple(self.failures))
        self.items, self.size, self.progress, self.failures = [], 0, [], []
        return batch


def _failure(file: SourceFile, error: FileFormatError | OSError) -> FileFailure:
    if isinstance(error, FileFormatError):
        return FileFailure(file.name, error.place, error.code, error.reason)
    return FileFailure(file.name, "", "file_unreadable", f"the file cannot be opened: {error.strerror}")
