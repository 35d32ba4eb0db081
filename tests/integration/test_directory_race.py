"""A shield against a thousand reads at once (R19), and what else may not change by it (R17)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from projections.service import app
from schemas.identity import child_number
from schemas.settings import PostgresSettings
from tests.factories.directory_service import BASE_URL, REASON, Desk, pupil, running, teenager

READERS = 1000
STAFF = 20
HIDDEN = ("BL1", "Mill Brow", "Smithills", "Okafor", "Nair", "01204", "Halliwell", "nursing")


@pytest.fixture
def desk(postgres: PostgresSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    # All thousand wait for one of the service's few connections, instead of being refused after some seconds.
    monkeypatch.setattr(app, "WAIT_FOR_CONNECTION_SECONDS", 240)
    with running(Desk(postgres)) as desk:
        for number in range(STAFF):
            desk.employ(f"nurse-{number}")
        yield desk


@dataclass
class Crowd:
    """Readers of one child, all at once: each reads, and reads again when the shield has been acknowledged."""

    desk: Desk
    number: str
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    async def read(self) -> None:
        await asyncio.gather(*(self._reader(turn) for turn in range(READERS)))

    async def _reader(self, turn: int) -> None:
        token = self.desk.token(f"nurse-{turn % STAFF}")
        self.before.append(await self._open(token, turn))
        await self.acknowledged.wait()
        self.after.append(await self._open(token, turn))

    async def _open(self, token: str, turn: int) -> str:
        body = {"purpose": "safeguarding", "reason": f"{REASON}, reader {turn}", "child_number": self.number}
        headers = self.desk.client.headers("POST", f"{BASE_URL}/v1/open", token)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        answer = await self.desk.http.post("/v1/open", json=body, headers=headers)
        self.at_once -= 1
        assert answer.status_code == 200, answer.text
        return answer.text


def test_of_a_thousand_reads_at_once_none_that_begins_after_the_shield_shows_a_hidden_item(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    crowd = Crowd(desk, number)
    reading: Future[None] = desk.portal.start_task_soon(crowd.read)
    try:
        while len(crowd.before) < READERS // 4 and not reading.done():
            time.sleep(0.005)
        desk.directory.shield("school:P1")
        desk.portal.call(crowd.acknowledged.set)
        reading.result(timeout=280)
    finally:
        reading.cancel()
    assert crowd.most_at_once >= READERS * 0.9
    assert any(word in text for text in crowd.before for word in HIDDEN)
    assert len(crowd.after) == READERS
    assert not any(word in text for text in crowd.after for word in HIDDEN)


def test_nothing_else_changes_when_a_record_becomes_shielded(desk: Desk) -> None:
    """Other children's answers, counts, the ceiling, cursors, sources, lineage and numbers (R17)."""
    others = [{f"school:O{n}": pupil("Hargreaves", f"Jo{n}", date(2011, 3, 9), "BL2 2BB")} for n in range(4)]
    number, *_ = desk.directory.add(teenager(), *others)
    before = seen(desk, number)
    desk.directory.shield("school:P1")
    after = seen(desk, number)
    assert after == before
    assert number == child_number("health:H1")


def seen(desk: Desk, number: str) -> dict[str, Any]:
    """Return what the service tells that is not about the child's own hidden items."""
    asked = {
        "others": ("/v1/search", {"surname": "Hargreaves", "postcode": "BL2 2BB"}),
        "family": ("/v1/search", {"surname": "Hargreaves", "birth_date": "2011-03-09"}),
        "itself": ("/v1/search", {"surname": "Hargreaves", "forename": "Jodie"}),
        "ceiling": ("/v1/search", {"surname": "Harg*", "birth_date": "2011-03-09"}),
        "lineage": ("/v1/lineage", {"child_number": number}),
    }
    told: dict[str, Any] = {}
    for name, (path, terms) in asked.items():
        answer = desk.post(path, "nurse-1", **terms)
        headers = {key: value for key, value in answer.headers.items() if key not in {"request-id", "content-length"}}
        said = answer.json()
        listed = [(child["child_number"], child["name"], child.get("birth_date")) for child in said.pop("children", [])]
        told[name] = (answer.status_code, headers, listed, said)
    sources = desk.request("GET", "/v1/sources", desk.token("nurse-1"))
    told["sources"] = [(one["source"], one["newest"]) for one in sources.json()["sources"]]
    return told
