"""How many audited openings and searches the directory service answers at 100,000 children, beside raw SQL.

    python -m benchmarks.service [children [requests]]

The peer is `benchmarks/raw_directory.py`, in turn with the service on the same machine and tables. The service does
everything that it does for people: HTTP, the token's and the proof's signatures, eligibility, the decision, limits; its
requests and their proofs are made before the clock starts, and sent as they are over sockets that stay open. So neither
pays for making its requests; the sending costs the service's side about 0.06 ms of the same processors.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.measures import Measure, beside_limit
from benchmarks.raw_directory import Ask, Body, RawPeer, Run, times_of
from connectors.postgres import connect
from contactpoint.issuer import DpopClient, Issuer
from contactpoint.issuer.web import publish_keys
from contactpoint.stack import StackConfig, temporary_stack
from projections.service.install import api_settings, install
from projections.service.limits import Limits
from projections.service.server import ServeSettings, listen, serve
from schemas.identity import child_number
from schemas.settings import PostgresSettings

CLIENTS = 16
USERS = 400
BASE_URL = "http://directory.example"
UNLIMITED = Limits(*[10**9] * len(Limits.__slots__))
DOCUMENT = """
insert into directory.entry (child_number, surname, forename, others, birth_date, sex, postcode, shielded, document)
select number, 'surname' || n %% 2000, 'forename' || n %% 300, '{}', date '2009-01-01' + (n %% 5000)::integer, 'female',
       'BL' || n %% 90 || ' 1AA', false, json_build_object(
         'child_number', number, 'sources', json_build_array(json_build_object('event', md5(number), 'kind', 'health')),
         'names', json_build_array(json_build_object('source', 0, 'value', json_build_object('kind', 'legal',
           'family', 'Surname' || n %% 2000, 'given', 'Forename' || n %% 300))),
         'sex', json_build_object('value', 'female', 'source', 0),
         'birth_date', json_build_object('source', 0, 'value', json_build_object('basis', 'stated',
           'date', date '2009-01-01' + (n %% 5000)::integer)),
         'whereabouts', json_build_object('source', 0, 'value', json_build_object('status', 'current', 'address',
           json_build_object('lines', json_build_array(n || ' Mill Brow'), 'postcode', 'BL' || n %% 90 || ' 1AA'))),
         'carers', json_build_array(json_build_object('source', 0, 'value', json_build_object('name',
           json_build_object('family', 'Surname', 'given', 'Parent'), 'contact',
           json_build_object('telephone', json_build_array('01204 555 0134'))))),
         'education', json_build_array(json_build_object('source', 0, 'value',
           json_build_object('institution', 'Moor School', 'start', '2022-09-01'))))
from unnest(%s::text[]) with ordinality as child (number, n)
"""


def measure(
    postgres: PostgresSettings, *, children: int = 100_000, requests: int = 3_000, runs: int = 4
) -> dict[str, Measure]:
    """Fill a directory, then time openings and searches of the service and of raw SQL in turn."""
    install(postgres)
    numbers = [child_number(f"school:{n}") for n in range(children)]
    _fill(postgres, numbers)
    with connect(postgres, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    issuer = Issuer("https://login.example", BASE_URL, lambda: int(time.time()))
    with publish_keys(issuer) as jwks, listen("127.0.0.1", 0) as sock:
        settings = ServeSettings(
            postgres=api_settings(postgres),
            issuer=issuer.url,
            audience=BASE_URL,
            jwks_url=jwks,
            base_url=BASE_URL,
            workers=os.cpu_count() or 1,
            limits=UNLIMITED,
        )
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(settings, sock))
        server.start()
        try:
            with RawPeer(postgres, settings.workers, CLIENTS) as peer:
                compared = _Compared(peer, issuer, sock.getsockname()[1], numbers, requests, runs)
                return {**compared.measure("open", "/v1/open"), **compared.measure("search", "/v1/search")}
        finally:
            server.terminate()
            server.join()


@dataclass(frozen=True, slots=True)
class _Compared:
    """The service and its peer, asked the same in turn."""

    peer: RawPeer
    issuer: Issuer
    port: int
    numbers: Sequence[str]
    requests: int
    runs: int

    def measure(self, name: str, path: str) -> dict[str, Measure]:
        """Return rate and percentiles of one kind of request, each beside the peer's."""
        raw: list[Run] = []
        served: list[Run] = []
        for run in range(self.runs + 1):  # the first warms both
            starts = range(run * self.requests, (run + 1) * self.requests)
            asked = [_body(name, n * 7919 % len(self.numbers), self.numbers) for n in starts]
            limit = self.peer.run(asked)
            service = asyncio.run(_service(self.port, _messages(path, asked, self.issuer)))
            if run:
                raw.append(limit)
                served.append(service)
        rates = beside_limit(
            [each.rate for each in served],
            [each.rate for each in raw],
            f"audited {name.removesuffix('ch')}{'ches' if name == 'search' else 's'}/s",
        )
        return {
            f"service.{name}": rates,
            f"service.{name}.p50": _times([each.p50 for each in served], [each.p50 for each in raw]),
            f"service.{name}.p99": _times([each.p99 for each in served], [each.p99 for each in raw]),
        }


def _times(served: Sequence[float], raw: Sequence[float]) -> Measure:
    value, limit = statistics.median(served), statistics.median(raw)
    return Measure(value=value, unit="ms", limit=limit, ratio=None, runs=list(served))


def _body(name: str, n: int, numbers: Sequence[str]) -> Body:
    common = {"purpose": "safeguarding", "reason": f"Attended A&E tonight, case {n}"}
    if name == "open":
        return common | {"child_number": numbers[n]}
    born = datetime(2009, 1, 1, tzinfo=UTC).date() + timedelta(days=(n + 1) % 5000)
    names = {"surname": f"Surname{(n + 1) % 2000}", "forename": f"Forename{(n + 1) % 300}"}
    return common | names | {"birth_date": born.isoformat()}


def _messages(path: str, asked: Sequence[Body], issuer: Issuer) -> list[bytes]:
    """Return whole requests, each with a proof of its own."""
    client = DpopClient(lambda: int(time.time()))
    tokens = [issuer.token(f"user-{n}", client.confirmation) for n in range(USERS)]
    messages = []
    for n, body in enumerate(asked):
        content = json.dumps(body).encode()
        sent = client.headers("POST", BASE_URL + path, tokens[n % USERS])
        lines = [f"POST {path} HTTP/1.1", "host: directory.example", "content-type: application/json"]
        lines += [f"content-length: {len(content)}", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        messages.append("\r\n".join(lines).encode() + content)
    return messages


async def _service(port: int, messages: Sequence[bytes]) -> Run:
    writers: list[asyncio.StreamWriter] = []

    async def connected() -> Ask:
        """Return what asks on a connection of its own to the service."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)

        async def ask(n: int) -> None:
            writer.write(messages[n])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            assert b"Surname" in body, body

        return ask

    try:
        asks = [await connected() for _ in range(CLIENTS)]
        began = time.perf_counter()
        times = await times_of(asks, len(messages))
        return Run.of(times, time.perf_counter() - began)
    finally:
        for writer in writers:
            writer.close()


def _fill(postgres: PostgresSettings, numbers: Sequence[str]) -> None:
    later = datetime.now(UTC) + timedelta(days=300)
    with connect(postgres) as connection:
        connection.execute(DOCUMENT.encode(), [list(numbers)])
        connection.execute("update audit.pulse set numbering_limit = '1 day'")  # no sequencer runs here
        connection.execute(
            "insert into service.organisation select 'o' || n, 'Employer', %s from generate_series(0, 19) as n", [later]
        )
        connection.execute(
            "insert into service.person (subject, category, organisation, active, trained_until, vetted_at, "
            "vetted_organisation, vetted_name, agreed_until) select 'user-' || n, 'health', 'o' || n %% 20, true, %s, "
            "now(), 'o' || n %% 20, 'Employer', %s from generate_series(0, %s) as n",
            [later, later, USERS - 1],
        )


def main() -> None:
    """Measure on a stack of its own, and print."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    sizes = dict(zip(("children", "requests"), map(int, sys.argv[1:]), strict=False))
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        for name, found in measure(stack.addresses.postgres_settings(), **sizes).items():
            print(f"{name:22} {found['value']:10,.2f} {found['unit']:20} limit {found['limit'] or 0:10,.2f}")


if __name__ == "__main__":
    main()
