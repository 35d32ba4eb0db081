"""How many audited openings and searches the directory service answers at 100,000 children, beside raw SQL.

    python -m benchmarks.service [children]

The limit does the same read and the same audit write with nothing around it: as many connections, the table's own index
and `audit.append`, committed. The service does everything that it does for people: HTTP, the token's and the proof's
signatures, eligibility, the decision, limits. Requests and proofs are made before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg

from benchmarks.measures import Measure, beside_limit
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
ENTRY = {"who": {"user": "u", "role": "health", "organisation": "o", "acr": "AAL3", "amr": ["hwk"]}, "policy": "p"}
ENTRY |= {"purpose": "safeguarding", "reason": "Attended A&E tonight", "request": "r", "decision": "permitted"}
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


class Run(NamedTuple):
    """One timed run: answers a second, and the 99th percentile in milliseconds."""

    rate: float
    p99: float


Ask = Callable[[int], Awaitable[None]]


def measure(
    postgres: PostgresSettings, *, children: int = 100_000, requests: int = 3_000, runs: int = 5
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
            port = sock.getsockname()[1]
            return {
                **_compare("open", "/v1/open", postgres, numbers, issuer, port, requests, runs),
                **_compare("search", "/v1/search", postgres, numbers, issuer, port, requests, runs),
            }
        finally:
            server.terminate()
            server.join()


def _compare(
    name: str, path: str, postgres: PostgresSettings, numbers: Sequence[str], issuer: Issuer, port: int, requests: int,
    runs: int,
) -> dict[str, Measure]:  # fmt: skip
    raw: list[Run] = []
    served: list[Run] = []
    for run in range(runs + 1):  # the first warms both
        asked = [_body(name, (run * requests + n) * 7919 % len(numbers), numbers) for n in range(requests)]
        limit = asyncio.run(_raw(postgres, asked))
        messages = _messages(path, asked, issuer)
        service = asyncio.run(_service(port, messages))
        if run:
            raw.append(limit)
            served.append(service)
    rates = beside_limit([each.rate for each in served], [each.rate for each in raw], f"audited {name}s/s")
    slow = statistics.median(each.p99 for each in raw)
    p99 = Measure(
        value=statistics.median(each.p99 for each in served), unit="ms", limit=slow, ratio=None,
        runs=[each.p99 for each in served],
    )  # fmt: skip
    return {f"service.{name}": rates, f"service.{name}.p99": p99}


def _body(name: str, n: int, numbers: Sequence[str]) -> dict[str, str]:
    common = {"purpose": "safeguarding", "reason": f"Attended A&E tonight, case {n}"}
    if name == "open":
        return common | {"child_number": numbers[n]}
    born = datetime(2009, 1, 1, tzinfo=UTC).date() + timedelta(days=(n + 1) % 5000)
    names = {"surname": f"Surname{(n + 1) % 2000}", "forename": f"Forename{(n + 1) % 300}"}
    return common | names | {"birth_date": born.isoformat()}


async def _timed(ask: Callable[[], Awaitable[Ask]], count: int) -> Run:
    """Let `CLIENTS` clients ask in turn, each with a connection of its own; return rate and tail."""
    asks = [await ask() for _ in range(CLIENTS)]
    waiting = iter(range(count))
    times: list[float] = []

    async def client(one: Ask) -> None:
        """Ask one request after another, and note how long each took."""
        for n in waiting:
            began = time.perf_counter()
            await one(n)
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*map(client, asks))
    return Run(count / (time.perf_counter() - began), statistics.quantiles(times, n=100)[98] * 1000)


async def _raw(postgres: PostgresSettings, asked: Sequence[dict[str, str]]) -> Run:
    """The same reads and audit entries without a service."""
    opened: list[psycopg.AsyncConnection[tuple[object, ...]]] = []

    async def connected() -> Ask:
        """Return what asks on a connection of its own to the database."""
        connection = await psycopg.AsyncConnection.connect(postgres.dsn.get_secret_value(), autocommit=True)
        opened.append(connection)

        async def ask(n: int) -> None:
            body = asked[n]
            async with connection.transaction():
                entries = [ENTRY | {"action": "opened", "child": body.get("child_number", "x" * 13)}]
                if "child_number" in body:
                    query = "select document::text from directory.entry where child_number = %s"
                    cursor = await connection.execute(query, [body["child_number"]])
                else:
                    query = (
                        "select document::text from directory.entry "
                        "where birth_date = %s and surname = %s and forename = %s limit 21"
                    )
                    values = [body["birth_date"], body["surname"].lower(), body["forename"].lower()]
                    cursor = await connection.execute(query, values)
                    entries.append(entries[0])
                assert await cursor.fetchone() is not None
                await connection.execute("select audit.append(%s::jsonb)", [json.dumps(entries)])

        return ask

    try:
        return await _timed(connected, len(asked))
    finally:
        for connection in opened:
            await connection.close()


def _messages(path: str, asked: Sequence[dict[str, str]], issuer: Issuer) -> list[bytes]:
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
        reader, writer = await _open_connection(port)
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
        return await _timed(connected, len(messages))
    finally:
        for writer in writers:
            writer.close()


async def _open_connection(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


def _fill(postgres: PostgresSettings, numbers: Sequence[str]) -> None:
    later = datetime.now(UTC) + timedelta(days=300)
    with connect(postgres) as connection:
        connection.execute(DOCUMENT.encode(), [list(numbers)])
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
    children = int(sys.argv[1]) if sys.argv[1:] else 100_000
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        for name, found in measure(stack.addresses.postgres_settings(), children=children).items():
            print(f"{name:22} {found['value']:10,.2f} {found['unit']:20} limit {found['limit'] or 0:10,.2f}")


if __name__ == "__main__":
    main()
