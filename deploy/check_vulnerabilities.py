"""Ask OSV (https://osv.dev) what is known of every locked package. Needs the standard library alone.

    python deploy/check_vulnerabilities.py requirements/runtime.lock

Exit status: 0 when every package was audited and nothing is known of it, 1 when something is, 2 when not every package
was audited: that is no result, whatever was found. The query is that of https://google.github.io/osv.dev/post-v1-querybatch/:
one result for each query in its order, the next page of one asked for by its token.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

OSV = "https://api.osv.dev"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_AT_ONCE = 1_000  # the most that OSV takes
_PAGES = 100
_SECONDS = 30


class Package(NamedTuple):
    """A locked package; its name as PEP 503 writes it."""

    name: str
    version: str


class NotAuditedError(Exception):
    """The database did not answer as it says that it does, or not at all."""


def locked(text: str) -> list[Package]:
    """Return the packages that a lock file pins, whatever platform they are for."""
    return sorted({Package(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in _PINNED.findall(text)})


def audit(url: str, packages: Sequence[Package]) -> dict[Package, set[str]]:
    """Return the ids of what is known of each package; raise NotAuditedError unless everything was told."""
    if not packages:
        raise NotAuditedError("no package is pinned there")
    found: dict[Package, set[str]] = {package: set() for package in packages}
    asked: list[tuple[Package, str | None]] = [(package, None) for package in packages]
    for _ in range(_PAGES):
        if not asked:
            return found
        left = asked[_AT_ONCE:]
        for (package, _token), told in zip(asked[:_AT_ONCE], _ask(url, asked[:_AT_ONCE]), strict=True):
            ids, token = _read(url, told)
            found[package].update(ids)
            if token:
                left.append((package, token))
        asked = left
    raise NotAuditedError(f"after {_PAGES} pages there were more")


def _read(url: str, told: Any) -> tuple[list[str], str | None]:
    """Return the ids of one result, and the token of its next page."""
    try:
        return [str(each["id"]) for each in told.get("vulns", ())], told.get("next_page_token")
    except (AttributeError, KeyError, TypeError) as error:
        raise NotAuditedError(f"{url} gave a result that is none: {error}") from None


def _ask(url: str, asked: Sequence[tuple[Package, str | None]]) -> list[Any]:
    queries = []
    for package, token in asked:
        query = {"package": {"ecosystem": "PyPI", "name": package.name}, "version": package.version}
        queries.append(query if token is None else query | {"page_token": token})
    body = json.dumps({"queries": queries}).encode()
    request = urllib.request.Request(f"{url}/v1/querybatch", body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  # nosec B310 - the caller's own
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAuditedError(f"{url} gave no answer: {error}") from None
    if not isinstance(results, list) or len(results) != len(asked):
        raise NotAuditedError(f"{url} did not answer for each package")
    return results


def main(arguments: Sequence[str]) -> int:
    """Print what is known of the packages; return the exit status."""
    parser = argparse.ArgumentParser(description="Known vulnerabilities of locked packages.")
    parser.add_argument("lock", type=Path, nargs="+")
    parser.add_argument("--url", default=OSV, help="where the database answers")
    given = parser.parse_args(arguments)
    packages = locked("\n".join(lock.read_text(encoding="utf-8") for lock in given.lock))
    try:
        found = audit(given.url.rstrip("/"), packages)
    except NotAuditedError as error:
        sys.stdout.write(f"not run: 0 of {len(packages)} packages audited: {error}\n")
        return 2
    known = {package: ids for package, ids in found.items() if ids}
    for package, ids in known.items():
        sys.stdout.write(f"{package.name} {package.version}: {', '.join(sorted(ids))}\n")
    sys.stdout.write(f"{len(packages)} of {len(packages)} packages audited, vulnerabilities known of {len(known)}\n")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
