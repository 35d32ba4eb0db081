"""The directory service as a process of its own: TLS with client certificates, and SIGKILL under load."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from projections.service.http import HEADERS
from projections.service.server import MAX_HEAD_BYTES
from schemas.settings import PostgresSettings
from tests.factories.directory_service import REASON, Desk, teenager
from tests.factories.service_process import Server, serving

PER_RUN = 200
STAFF = 10

# A server killed amid a handshake leaves httpx with a socket that it does not close.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def desk(postgres: PostgresSettings) -> Desk:
    desk = Desk(postgres)
    for number in range(STAFF):
        desk.employ(f"nurse-{number}")
    return desk


def body(number: str) -> dict[str, str]:
    return {"purpose": "safeguarding", "reason": REASON, "child_number": number}


def test_a_token_of_a_certificate_needs_that_certificate(desk: Desk, tmp_path: Path) -> None:
    (number,) = desk.directory.add(teenager())
    with serving(desk.postgres, tmp_path) as server:
        token = server.token("nurse-1")
        headers = {"authorization": f"Bearer {token}"}
        other = server.authority.client("another-system")
        with server.connect() as own, server.connect(other) as thief, server.connect(anonymous=True) as bare:
            opened = own.post("/v1/open", json=body(number), headers=headers)
            assert opened.json()["record"]["child_number"] == number
            for client in (thief, bare):
                assert client.post("/v1/open", json=body(number), headers=headers).status_code == 401
            assert bare.get("/health").json() == {"status": "up"}
            assert "server" not in bare.get("/health").headers


def test_what_is_no_http_at_all_is_answered_with_the_headers_too(desk: Desk, tmp_path: Path) -> None:
    endless = b"POST /v1/open HTTP/1.1\r\nx: " + b"x" * MAX_HEAD_BYTES
    with serving(desk.postgres, tmp_path) as server:
        for sent in (b"\x00\x01 nonsense\r\n\r\n", endless):
            answer = raw_answer(server, sent)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert all(name + b": " + value in answer for name, value in HEADERS)


def raw_answer(server: Server, sent: bytes) -> bytes:
    """Return the first bytes that come back."""
    context = ssl.create_default_context(cafile=server.authority.certificate)
    with (
        socket.create_connection(("localhost", int(server.url.rpartition(":")[2]))) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(sent)
        return secured.recv(10_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_server_that_is_killed_has_given_no_answer_without_its_entry(desk: Desk, tmp_path: Path, seed: int) -> None:
    """Eight clients at once; SIGKILL at a random moment among 200 requests (R22)."""
    (number,) = desk.directory.add(teenager())
    answered: list[str] = []
    lock = threading.Lock()
    with serving(desk.postgres, tmp_path) as server:
        moment = random.Random(seed).randint(1, PER_RUN - 1)

        def ask(turn: int) -> None:
            try:
                with server.connect() as client:
                    answer = _open(client, server.token(f"nurse-{turn % STAFF}"), number)
            except httpx.TransportError:
                return
            with lock:
                answered.append(answer.headers["request-id"])
                if len(answered) == moment:
                    server.kill()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(PER_RUN)))
        assert server.process.poll() is not None
    entries = {entry["request"] for entry in desk.entries() if entry["action"] == "opened"}
    assert len(answered) >= moment
    assert set(answered) <= entries


# What the clients under the kills below ask for; "" stands for the child's number.
ASKED: tuple[tuple[str, dict[str, str]], ...] = (
    ("/v1/open", {"child_number": ""}),
    ("/v1/search", {"surname": "Hargreaves", "forename": "Jodie"}),
    ("/v1/who-else", {"child_number": ""}),
    ("/v1/open", {"child_number": "0000000000000"}),
)


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])])
def test_whatever_is_asked_and_whenever_it_is_killed_no_byte_of_an_answer_is_without_its_entry(
    desk: Desk, tmp_path: Path, rounds: int
) -> None:
    """Each round 200 requests of four kinds by eight clients, and SIGKILL at any time, not only after an answer."""
    (number,) = desk.directory.add(teenager())
    # No sequencer runs here; sixty rounds take longer than the service would go on without one.
    desk.sql("update audit.pulse set numbering_limit = '1 day'")
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    rng, answered, rounds_cut = random.Random(seed), list[str](), 0
    for turn in range(rounds):
        (tmp_path / str(turn)).mkdir()
        staff = [desk.employ(f"nurse-{turn}-{n}", organisation=f"RMC{turn:02}") for n in range(4 * STAFF)]
        with serving(desk.postgres, tmp_path / str(turn)) as server:
            load = Load(server, number, staff, random.Random(rng.random()))
            heard = load.run_and_kill_after(rng.uniform(0.05, 0.5))
        answered += heard
        rounds_cut += len(heard) < PER_RUN
    entries = {entry["request"] for entry in desk.entries()}
    assert set(answered) <= entries
    assert rounds_cut == rounds  # each kill hit a server at work
    assert len(answered) >= rounds


class Load:
    """Eight clients with 200 requests, and the ids of all answers of which any byte arrived."""

    def __init__(self, server: Server, number: str, staff: list[str], rng: random.Random) -> None:
        self.server, self.number, self.staff, self.rng = server, number, staff, rng
        self.heard: list[str] = []

    def run_and_kill_after(self, share: float) -> list[str]:
        """Kill the server somewhere within a request's time after that share of the requests; return what was heard."""
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(self._ask, turn) for turn in range(PER_RUN)]
            while len(self.heard) < PER_RUN * share and not all(each.done() for each in asked):
                time.sleep(0.001)
            time.sleep(self.rng.random() * 0.03)
            self.server.kill()
            for each in asked:
                each.result()
        return self.heard

    def _ask(self, turn: int) -> None:
        path, about = ASKED[turn % len(ASKED)]
        sent = body(self.number) | {"reason": f"{REASON} {time.monotonic_ns()}"}
        terms = {name: value or self.number for name, value in about.items()}
        del sent["child_number"]
        headers = {"authorization": f"Bearer {self.server.token(self.staff[turn % len(self.staff)])}"}
        with (
            suppress(httpx.TransportError),
            self.server.connect() as client,
            client.stream("POST", path, json=sent | terms, headers=headers) as answer,
        ):
            self.heard.append(answer.headers["request-id"])  # the first bytes are here, whether the rest comes or not
            answer.read()
            assert answer.status_code == 200, answer.text


def _open(client: httpx.Client, token: str, number: str) -> httpx.Response:
    reason = f"{REASON} {time.monotonic_ns()}"
    sent = body(number) | {"reason": reason}
    answer = client.post("/v1/open", json=sent, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer
