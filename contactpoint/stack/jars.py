"""Kafka's Java archives: fetched by their Maven coordinates, checked against their SHA-256, kept in a cache.

The checked-in list names every archive, so nothing is resolved here; jgo only knows how to fetch one from the public
Maven registry (or from the mirror in CONTACTPOINT_MAVEN_REPOSITORY).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from contactpoint.stack.progress import Reporter
from schemas.errors import ConfigurationError, FatalError

_PARALLEL = 4
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One archive: its Maven coordinate and what its bytes must hash to."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name under which it is kept."""
        return f"{self.artifact}-{self.version}.jar"


class Source(Protocol):
    """Where archives come from."""

    def fetch(self, jar: Jar, folder: Path) -> Path:
        """Store the archive somewhere under `folder` and return where; any error means it is not to be had."""


class MavenSource:
    """The public Maven registry, or a mirror of it."""

    def __init__(self, repository: str | None = None) -> None:
        self._remotes = {"mirror": repository.rstrip("/")} if repository else None

    def fetch(self, jar: Jar, folder: Path) -> Path:
        """Fetch through jgo, which stores the file in Maven's layout under `folder`."""
        from jgo.maven import MavenContext  # noqa: PLC0415  a tenth of a second and `requests`, for a download alone

        maven = MavenContext(repo_cache=folder, remote_repos=self._remotes, timeout=_TIMEOUT_SECONDS)
        return maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def parse_lock(text: str) -> tuple[Jar, ...]:
    """Return the archives of a lock file: lines of `group:artifact:version sha256`, `#` starts a comment."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    jars = []
    for line in lines:
        coordinate, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def kafka_jars() -> tuple[Jar, ...]:
    """Return the checked-in list."""
    return parse_lock(resources.files(__package__).joinpath("kafka-jars.lock").read_text(encoding="utf-8"))


def kafka_version() -> str:
    """Return the version of the Kafka server in the checked-in list."""
    return next(jar.version for jar in kafka_jars() if jar.artifact == "kafka_2.13")


def ensure_jars(jars: Sequence[Jar], folder: Path, source: Source, reporter: Reporter) -> list[Path]:
    """Return the path of every archive under `folder`, fetching those that are not there.

    Archives already there were checked before they were put there. Raises ConfigurationError when one cannot be
    fetched and FatalError when its bytes are not the ones in the list; either way the others stay for the next try.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (folder / jar.file_name).is_file()]
    if missing:
        text = f"Fetching Apache Kafka {kafka_version()}, once for this machine"
        with reporter.counting(text, len(missing)) as step, ThreadPoolExecutor(_PARALLEL) as pool:
            waiting = [pool.submit(_fetch, jar, folder, source) for jar in missing]
            try:
                for done in as_completed(waiting):
                    done.result()
                    step()
            finally:
                for left in waiting:
                    left.cancel()
    return [folder / jar.file_name for jar in jars]


def _fetch(jar: Jar, folder: Path, source: Source) -> None:
    # A private folder, then one rename: neither an interrupted download nor a second process leaves half a file.
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=folder) as private:
        try:
            path = source.fetch(jar, Path(private))
        except Exception as error:
            message = (
                f"cannot fetch {jar.group}:{jar.artifact}:{jar.version} from the Maven registry "
                f"({type(error).__name__}). Check the network and run the command again, set "
                "CONTACTPOINT_MAVEN_REPOSITORY to a mirror, or name running brokers: CONTACTPOINT_KAFKA=host:port"
            )
            raise ConfigurationError(message) from error
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != jar.sha256:
            message = (
                f"{jar.group}:{jar.artifact}:{jar.version} was refused: its SHA-256 is {found}, "
                f"kafka-jars.lock says {jar.sha256}. The registry or something on the way changed the file"
            )
            raise FatalError(message)
        path.replace(folder / jar.file_name)
