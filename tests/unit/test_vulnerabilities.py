"""The check for known vulnerabilities, against a local server that speaks OSV's batch query, and against none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "requirements" / "runtime.lock"
LOCKED = sum("==" in line for line in RUNTIME.read_text(encoding="utf-8").splitlines() if line[:1].isalpha())
KNOWN = {("jinja2", "2.4.1"): ["GHSA-462w-v97r-4m45", "PYSEC-2014-8", "PYSEC-2019-217"]}


class Osv(BaseHTTPRequestHandler):
    """Answers the batch query with one vulnerability a page, or as `fault` says, on the first page or a later one."""

    fault = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        status = 200 if self.path == "/v1/querybatch" else 404
        answer: Any = {"results": [self._told(query) for query in asked]}
        match self.fault:
            case "one left out":
                answer["results"].pop()
            case "a result that is none":
                answer["results"][-1] = None
            case "a vulnerability without id":
                answer["results"][-1] = {"vulns": [{"modified": "2026-11-01T00:00:00Z"}]}
            case "an error":
                status, answer = 400, {"code": 3, "message": "Too many queries."}
            case "an error on a later page" if "page_token" in asked[0]:
                status, answer = 503, {"code": 14, "message": "unavailable"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _told(self, query: dict[str, Any]) -> dict[str, Any]:
        assert query["package"]["ecosystem"] == "PyPI"
        known, page = KNOWN.get((query["package"]["name"], query["version"]), []), int(query.get("page_token", 0))
        told: dict[str, Any] = {"vulns": [{"id": known[page], "modified": "2026-11-01T00:00:00Z"}]} if known else {}
        return told | ({"next_page_token": str(page + 1)} if page + 1 < len(known) else {})

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(params=[""], ids=["whole"])
def osv(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Handler", (Osv,), {"fault": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def check(url: str, *locks: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "deploy/check_vulnerabilities.py", *map(str, locks), "--url", url]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_every_locked_package_is_audited(osv: str) -> None:
    assert LOCKED > 80
    assert check(osv, RUNTIME) == (0, [f"{LOCKED} of {LOCKED} packages audited, vulnerabilities known of 0"])


def test_a_known_vulnerability_is_named_from_every_page_of_the_answer(osv: str, tmp_path: Path) -> None:
    (tmp_path / "old.lock").write_text("Jinja2[i18n]==2.4.1 ; sys_platform == 'win32' \\\n    --hash=sha256:0\n")
    status, said = check(osv, RUNTIME, tmp_path / "old.lock")
    assert (status, said[0]) == (1, "jinja2 2.4.1: GHSA-462w-v97r-4m45, PYSEC-2014-8, PYSEC-2019-217")
    assert said[1].startswith(f"{LOCKED + 1} of {LOCKED + 1} packages audited")


def test_a_database_that_cannot_be_reached_is_no_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    status, said = check(f"http://127.0.0.1:{closed}", RUNTIME)
    assert (status, said[0].startswith(f"not run: 0 of {LOCKED} packages audited")) == (2, True)


FAULTS = (
    *("one left out", "a result that is none", "a vulnerability without id"),
    *("an error", "an error on a later page"),
)


@pytest.mark.parametrize("osv", FAULTS, indirect=True)
def test_what_was_not_told_of_every_package_to_the_end_is_no_result(osv: str, tmp_path: Path) -> None:
    (tmp_path / "old.lock").write_text("jinja2==2.4.1\nattrs==25.1.0\n")
    status, said = check(osv, tmp_path / "old.lock")
    assert (status, said[0].partition(":")[0], len(said)) == (2, "not run", 1)
    assert said[0].startswith("not run: 0 of 2 packages audited: http://127.0.0.1")


def test_other_answers_and_an_empty_lock_are_no_result_either(osv: str, tmp_path: Path) -> None:
    (tmp_path / "empty.lock").write_text("# nothing\n")
    assert check(f"{osv}/elsewhere", RUNTIME)[0] == 2
    assert check(osv, tmp_path / "empty.lock")[0] == 2
