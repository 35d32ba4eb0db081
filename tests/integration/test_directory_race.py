"""A shield against a thousand reads at once (R19), and what else may not change by it (R17)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from schemas.settings import PostgresSettings
from tests.factories.directory_service import BASE_URL, REASON, Desk, running, teenager

READERS = 1000
HIDDEN = ("BL1", "Mill Brow", "Smithills", "Okafor", "Nair", "01204", "Halliwell", "nursing")


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        for number in range(20):
            desk.employ(f"nurse-{number}")
        yield desk


@dataclass
class Crowd:
    """Readers of one child, all at once, each again and again until one of its reads began after the shield."""

    desk: Desk
    number: str
    acknowledged: float | None = None
    at_once: int = 0
    most_at_once: int = 0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    async def read(self) -> None:
        await asyncio.gather(*(self._reader(f"nurse-{n % 20}", n) for n in range(READERS)))

    async def _reader(self, subject: str, turn: int) -> None:
        token = self.desk.token(subject)
        while True:
            began = time.monotonic()
            text = await self._open(token, turn)
            if text is None:  # too many at once: refused, to be asked again
                continue
            later = self.acknowledged is not None and began > self.acknowledged
            (self.after if later else self.before).append(text)
            if later:
                return

    async def _open(self, token: str, turn: int) -> str | None:
        body = {"purpose": "safeguarding", "reason": f"{REASON}, reader {turn}", "child_number": self.number}
        headers = self.desk.client.headers("POST", f"{BASE_URL}/v1/open", token)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        answer = await self.desk.http.post("/v1/open", json=body, headers=headers)
        self.at_once -= 1
        assert answer.status_code in {200, 503}, answer.text
        return answer.text if answer.status_code == 200 else None


def test_of_a_thousand_reads_at_once_none_that_begins_after_the_shield_shows_a_hidden_item(desk: Desk) -> None:
    (number,) = desk.directory.add(teenager())
    crowd = Crowd(desk, number)
    reading: Future[None] = desk.portal.start_task_soon(crowd.read)
    while len(crowd.before) < READERS // 4:
        time.sleep(0.005)
    desk.directory.shield("school:P1")
    crowd.acknowledged = time.monotonic()
    reading.result()
    assert crowd.most_at_once >= READERS * 0.9
    assert any(word in text for text in crowd.before for word in HIDDEN)
    assert len(crowd.after) == READERS
    assert not any(word in text for text in crowd.after for word in HIDDEN)
