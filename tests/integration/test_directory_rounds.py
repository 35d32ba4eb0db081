"""Requests that share a transaction, on a real database: each is judged, answered and entered for itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest

from connectors.postgres import connect
from projections.service import app
from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, pupil, running
from tests.factories.waiting import wait_until

BORN = date(2011, 3, 9)
BEHIND, AHEAD = datetime(2026, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
BROKEN = """
create function refuse_one() returns trigger language plpgsql as $$
begin
    if new.entry ->> 'child' = '{}' then raise exception 'no'; end if;
    return new;
end $$;
create trigger refuse_one before insert on audit.pending for each row execute function refuse_one()
"""


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        yield desk


def test_one_request_that_fails_takes_none_of_its_round_along(desk: Desk) -> None:
    numbers = desk.directory.add(*({f"school:R{n}": pupil("Round", f"N{n}", BORN)} for n in range(4)))
    staff = [desk.employ(f"nurse-{n}") for n in range(32)]
    desk.sql(BROKEN.format(numbers[0]))
    with ThreadPoolExecutor(32) as pool:
        asked = [(each, numbers[n % 4]) for n, each in enumerate(staff)]
        answers = list(pool.map(lambda pair: desk.post("/v1/open", pair[0], child_number=pair[1]), asked))
    for (_, number), answer in zip(asked, answers, strict=True):
        assert answer.status_code == (503 if number == numbers[0] else 200)
        assert number == numbers[0] or answer.json()["record"]["child_number"] == number
    assert Counter(entry["child"] for entry in desk.entries()) == dict.fromkeys(numbers[1:], 8)


def test_a_refused_request_of_a_round_sees_nothing_and_the_others_do(desk: Desk) -> None:
    (number,) = desk.directory.add({"school:R1": pupil("Round", "Robin", BORN)})
    staff = [desk.employ(f"nurse-{n}", agreed_until=AHEAD if n % 2 else BEHIND) for n in range(32)]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda each: desk.post("/v1/open", each, child_number=number), staff))
    assert [answer.status_code for answer in answers] == [403, 200] * 16
    assert [("Robin" in answer.text) for answer in answers] == [False, True] * 16
    assert Counter((entry["who"]["user"], entry["decision"]) for entry in desk.entries()) == {
        (each, "permitted" if n % 2 else "refused"): 1 for n, each in enumerate(staff)
    }


def test_a_proof_that_comes_many_times_at_once_serves_once(desk: Desk) -> None:
    (number,) = desk.directory.add({"school:R1": pupil("Round", "Robin", BORN)})
    token = desk.token(desk.employ("nurse"))
    sent = desk.client.headers("POST", "https://directory.example/v1/open", token)
    body = {"purpose": "safeguarding", "reason": "Attended A&E tonight", "child_number": number}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: desk.request("POST", "/v1/open", None, body, sent), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15


def test_while_every_connection_is_in_use_requests_are_turned_away_and_afterwards_answered_again(
    postgres: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WAIT_FOR_CONNECTION_SECONDS", 2.0)
    with running(Desk(postgres)) as desk, ThreadPoolExecutor(12) as pool:
        (number,) = desk.directory.add({"school:R1": pupil("Round", "Robin", BORN)})
        nurse = desk.employ("nurse")
        with connect(postgres) as holder:
            holder.execute("lock table audit.pending in access exclusive mode")
            asked = [pool.submit(desk.request, "POST", "/v1/open", "no.token.at.all") for _ in range(12)]
            wait_until(lambda: sum(each.done() for each in asked) >= 8, "those that get no connection")
        answers = Counter(each.result().status_code for each in asked)
        assert answers.keys() == {503, 401}
        assert answers[503] >= 8
        assert desk.post("/v1/open", nurse, child_number=number).status_code == 200
        assert Counter(entry["decision"] for entry in desk.entries()) == {"refused": answers[401], "permitted": 1}
