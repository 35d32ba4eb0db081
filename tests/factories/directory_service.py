"""The directory service in this process on a real database: children by the real fold, users, tokens and requests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import psycopg
from anyio.from_thread import BlockingPortal, start_blocking_portal

from connectors.kafka import ReadMessage
from connectors.postgres import connect
from contactpoint.issuer import DpopClient, Issuer
from projections import schema
from projections.directory.projection import DirectoryProjection
from projections.service.app import Application, Guarded, ServiceSettings
from projections.service.install import api_settings, install
from projections.service.jwks import PublishedKeys
from projections.service.limits import Limits
from projections.service.tokens import Keys, TokenRules
from projections.service.users import Eligibility, Users
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.decisions import Shield, ShieldSet
from schemas.events import Identity, IdentityCreated, RecordObserved, event_id, record_event_id
from schemas.identity import child_number
from schemas.records import (
    Address,
    Carer,
    ContactDetails,
    CurrentAddress,
    Education,
    Involvement,
    NameClaim,
    PersonRecord,
    PrimaryCare,
)
from schemas.settings import PostgresSettings
from schemas.topics import DECISIONS, IDENTITIES, SourceKind, source_topic

BASE_URL = "https://directory.example"
ISSUER_URL = "https://login.example"
WHEN = datetime(2026, 11, 1, tzinfo=UTC)
REASON = "Attended A&E tonight with an injured wrist"
SOURCES: dict[str, SourceKind] = {"school": "schools", "health": "health", "yot": "yot"}
GENEROUS = Limits(
    shown_hour=10**6, usual_day=10**6, listed_day=10**6, missed_day=10**6, run=10**6,
    organisation_hour=10**9, client_hour=10**9, same_words=10**6,
)  # fmt: skip


class Clock:
    """Real seconds, and as many more as a test adds, or the second at which it stopped the clock."""

    ahead = 0
    stopped: int | None = None

    def __call__(self) -> int:
        return int(time.time()) + self.ahead if self.stopped is None else self.stopped


def teenager() -> dict[str, PersonRecord]:
    """Return what a school, a practice and a youth offending team say about one teenager in Bolton."""
    name = NameClaim(family="Hargreaves", given="Jodie", middle="Anne")
    born = date(2011, 3, 9)
    mother = Carer(
        name=NameClaim(family="Hargreaves", given="Denise"),
        relationship="mother",
        parental_responsibility=True,
        contact=ContactDetails(telephone=("01204 555 0134",)),
    )
    home = CurrentAddress(address=Address(lines=("14 Mill Brow",), town="Bolton", postcode="BL1 4QR"))
    nurse = Involvement(
        service="School nursing",
        organisation="Bolton NHS Foundation Trust",
        practitioner="Sam Okafor",
        contact=ContactDetails(telephone=("01204 555 0177",)),
        start=date(2025, 9, 1),
    )
    worker = Involvement(
        service="Children's social care",
        organisation="Bolton Council",
        practitioner="Priya Nair",
        contact=ContactDetails(telephone=("01204 555 0112",)),
        start=date(2026, 2, 3),
        lead_professional=True,
    )
    school = Education(institution="Smithills Moor School", institution_code="3505400", start=date(2022, 9, 1))
    return {
        "school:P1": PersonRecord(
            names=(name,),
            birth_date=born,
            sex="female",
            whereabouts=home,
            carers=(mother,),
            education=(school,),
            responsible_authority="350",
        ),
        "health:H1": PersonRecord(
            names=(name,),
            birth_date=born,
            primary_care=PrimaryCare(practice="Halliwell Road Surgery"),
            involvements=(nurse, worker),
        ),
    }


def pupil(family: str, given: str, born: date, postcode: str | None = None) -> PersonRecord:
    """Return what a school says about a pupil."""
    home = None if postcode is None else CurrentAddress(address=Address(lines=("1 The Row",), postcode=postcode))
    return PersonRecord(names=(NameClaim(family=family, given=given),), birth_date=born, sex="female", whereabouts=home)


def shield_of(*record_keys: str) -> ShieldSet:
    """Return the decision that shields the child of these records."""
    return ShieldSet(
        event_id=event_id("shield", *record_keys),
        subject=record_keys[0],
        decided_at=WHEN,
        by="manager-1",
        approved_by="manager-2",
        authority="350",
        reason="risk_of_harm",
        data=Shield(records=record_keys),
    )


@dataclass
class Directory:
    """The published directory of a test database, filled through the projection's own fold."""

    postgres: PostgresSettings
    _offsets: dict[str, int] = field(default_factory=dict)

    def add(self, *children: Mapping[str, PersonRecord]) -> list[str]:
        """Add children, each the records of one child by record key; return their child numbers."""
        events: list[AnyEvent] = []
        numbers = []
        for records in children:
            events += [self._observed(key, person) for key, person in records.items()]
            number = child_number(min(records))
            state = Identity(version=1, members=tuple(sorted(records)), founder=min(records), model="m")
            numbers.append(number)
            events.append(
                IdentityCreated(
                    event_id=event_id(number, "identity.created", 1),
                    subject=number,
                    decided_at=WHEN,
                    data=state,
                )
            )
        self.apply(events)
        return numbers

    def shield(self, *record_keys: str) -> None:
        """Shield the child of these records."""
        self.apply([shield_of(*record_keys)])

    def shield_each(self, *record_keys: str) -> None:
        """Shield the child of each of these records."""
        self.apply([shield_of(key) for key in record_keys])

    def apply(self, events: Sequence[AnyEvent]) -> None:
        """Fold events into the live tables."""
        projection = DirectoryProjection()
        with connect(self.postgres) as connection:
            schema.use(connection, projection.live)
            projection.prepare(connection)
            assert projection.apply(connection, [self._message(event) for event in events]) == []
            connection.execute("analyze directory.entry")

    def _observed(self, key: str, person: PersonRecord) -> RecordObserved:
        fingerprint = sha256(person.model_dump_json().encode()).hexdigest()[:16]
        return RecordObserved(
            event_id=record_event_id(key, "record.observed", 1, fingerprint),
            subject=key,
            feed="test",
            source_version=1,
            fingerprint=fingerprint,
            source_time=WHEN,
            ingested_at=WHEN,
            data=person,
        )

    def _message(self, event: AnyEvent) -> ReadMessage:
        if event.event_type.startswith("identity."):
            topic = IDENTITIES
        elif event.event_type.startswith("record."):
            topic = source_topic(SOURCES[event.subject.partition(":")[0]])
        else:
            topic = DECISIONS
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        encoded = encode(event)
        return ReadMessage(topic, 0, offset, encoded.key, encoded.value)


class Desk:
    """The running service, its users and its clients; requests go through the whole application."""

    def __init__(self, postgres: PostgresSettings, limits: Limits = GENEROUS) -> None:
        self.postgres = postgres
        self._install()
        self.directory = Directory(postgres)
        self.clock = Clock()
        self.issuer = Issuer(ISSUER_URL, BASE_URL, self.clock)
        self.client = DpopClient(self.clock)
        self.limits = limits
        self.app = self._application(TokenRules(ISSUER_URL, BASE_URL), PublishedKeys(self.issuer.jwks, self.clock))
        self.portal: BlockingPortal
        self.http: httpx.AsyncClient

    def trusting(self, rules: TokenRules, keys: Keys) -> Desk:
        """Take tokens of another provider."""
        self.app = self._application(rules, keys)
        return self

    def _install(self) -> None:
        install(self.postgres)

    def _application(self, rules: TokenRules, keys: Keys) -> Guarded:
        settings = ServiceSettings(api_settings(self.postgres), BASE_URL, rules, self.limits)
        return Application(settings, keys, self.clock)

    def employ(self, subject: str, category: str = "health", *, organisation: str = "RMC01", **changed: Any) -> str:
        """Make a person who holds everything, with what is changed, and return their account."""
        later = datetime.now(UTC) + timedelta(days=300)
        held = {"trained_until": later, "vetted_at": datetime.now(UTC) - timedelta(days=100), "agreed_until": later}
        with connect(self.postgres, autocommit=True) as connection:
            users = Users(connection, "tester")
            users.accredit(organisation, f"Employer {organisation}", later)
            users.add(subject, category, organisation)
            rights = changed.pop("rights", ())
            users.record(subject, Eligibility(**held | changed))
            users.grant(subject, rights)
        return subject

    def token(self, subject: str, **changed: Any) -> str:
        """Return a token of the test's client."""
        return self.issuer.token(subject, self.client.confirmation, **changed)

    def request(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request, with a fresh proof when there is a token."""
        sent = dict(headers or {})
        if token is not None:
            sent = self.client.headers(method, BASE_URL + path.partition("?")[0], token) | sent
        answer: httpx.Response = self.portal.call(self._send, method, path, body, sent)
        return answer

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.request(method, path, headers=headers, **(content if body is not None else {}))

    def post(self, path: str, subject: str, token: str | None = None, **body: Any) -> httpx.Response:
        """Post as a person, with a purpose and a reason unless the body has its own."""
        sent = {"purpose": "safeguarding", "reason": REASON} | body
        return self.request(
            "POST", path, token or self.token(subject), {k: v for k, v in sent.items() if v is not None}
        )

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the audit trail, oldest first, but those of `Users`."""
        with connect(self.postgres) as connection:
            rows = connection.execute("select entry from audit.pending order by entry_id").fetchall()
        return [row[0] for row in rows if row[0]["request"] != "operator"]

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the owner."""
        with psycopg.connect(self.postgres.dsn.get_secret_value(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def running(desk: Desk) -> Iterator[Desk]:
    """Run the application while the block runs."""
    with ExitStack() as stack:
        desk.portal = stack.enter_context(start_blocking_portal())
        stack.enter_context(desk.portal.wrap_async_context_manager(desk.app.running()))
        transport = httpx.ASGITransport(desk.app, raise_app_exceptions=False)
        desk.http = httpx.AsyncClient(transport=transport, base_url=BASE_URL)
        yield desk
