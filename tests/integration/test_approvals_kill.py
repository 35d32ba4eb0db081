"""The approvals service is killed amid its deeds: what has left has its entry, and leaves once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.postgres import connect
from projections.disclosures.desk import DisclosureDesk
from projections.disclosures.rules import Ask
from projections.exports.desk import ReleaseDesk
from projections.exports.specification import ReleaseSpec
from schemas.access import Person
from schemas.settings import PostgresSettings
from tests.factories.approvals_service import ApprovalsDesk
from tests.factories.directory_service import pupil, running
from tests.factories.service_process import Server, serving
from tests.factories.waiting import wait_until

# A server killed amid a handshake leaves httpx with a socket that it does not close.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RELEASES, CLIENTS = 8, 8
MAKING = "manager-9"
BACKENDS = "select count(*) from pg_stat_activity where application_name = 'contactpoint approvals service'"


Deed = tuple[str, dict[str, str]]


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])])
def test_whenever_the_service_is_killed_what_left_has_its_entry_and_leaves_once(
    postgres: PostgresSettings, tmp_path: Path, kills: int
) -> None:
    desk = ApprovalsDesk(postgres, tmp_path)
    desk.sql("update audit.pulse set numbering_limit = '1 day'")  # no sequencer runs here
    desk.manager(MAKING)
    waiting = authorised(desk, 20 * (kills + 1))
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    dice, left, used = random.Random(seed), Counter[str](), Counter[str]()
    for turn in range(kills):
        dice.shuffle(waiting)
        (tmp_path / str(turn)).mkdir()
        signing = ("approvals", "serve", "--signing-key", str(desk.signing_key))
        with serving(postgres, tmp_path / str(turn), *signing) as server:
            left.update(run_and_kill(server, [each for each in waiting if named(each) not in used][:20], dice))
        wait_until(lambda: desk.sql(BACKENDS) == [(0,)], "what the killed service had begun to end")
        used = deeds(desk)
        assert left.keys() <= used.keys()  # nothing has left without its entry
        assert used == marked(desk)  # what is used has one entry, and what has one is used
    assert max(left.values()) == 1
    with running(ApprovalsDesk(postgres, tmp_path)) as again:
        for path, body in waiting:
            answer = again.request("POST", path, again.token(MAKING), body)
            assert answer.status_code == (409 if named((path, body)) in used else 200), answer.text
    assert deeds(desk) == marked(desk) == Counter(map(named, waiting))


def authorised(desk: ApprovalsDesk, count: int) -> list[Deed]:
    """Authorise disclosures and approve some releases; return the deeds, so many, that then may be done."""
    children = ({f"school:N{n}": pupil("Moss", f"Ann{n}", date(2014, 1, 2))} for n in range(count - RELEASES))
    numbers = desk.directory.add(*children)
    first, second, third = (Person(user=f"m-{n}", role="management_team", organisation="bolton") for n in range(3))
    now = datetime.now(UTC)
    found: list[Deed] = []
    with connect(desk.postgres, autocommit=True) as connection:
        for number in numbers:
            ask = Ask(number, "section_47", "borough-700", ("names",), "urgent_risk", False, "officer-9")
            reference = DisclosureDesk(connection).authorise(ask, first, now, now + timedelta(days=7))
            found.append(("/v1/disclosures/make", {"disclosure": reference, "requested_by": "officer-9"}))
        releases = ReleaseDesk(connection)
        releases.open_project("p1", "research", "accredited-research-environment", first)
        spec: Any = {"project": "p1", "kind": "counts", "columns": ["sex"], "as_of": now.date()}
        for _ in range(RELEASES):
            name = releases.request(ReleaseSpec(**spec, expires=now.date() + timedelta(days=90)), first)
            for person in (second, third):
                releases.approve(name, person)
            found.append(("/v1/releases/make", {"release": name}))
    return found


def named(deed: Deed) -> str:
    """Return the reference of what a deed lets leave."""
    return next(iter(deed[1].values()))


def run_and_kill(server: Server, waiting: Sequence[Deed], dice: random.Random) -> list[str]:
    """Do these deeds by eight clients and kill the service among them; return what left, whole or in part."""
    left: list[str] = []

    def do(deed: Deed) -> None:
        headers = {"authorization": f"Bearer {server.token(MAKING)}"}
        with (
            suppress(httpx.TransportError),
            server.connect() as client,
            client.stream("POST", deed[0], json=deed[1], headers=headers) as answer,
        ):
            assert answer.status_code in {200, 503}, answer.read()
            if answer.status_code == 200:  # not 503: a slow machine has no connection to the database free in time
                left.append(named(deed))  # the first bytes are here, whether the rest comes or not
            answer.read()

    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(do, deed) for deed in waiting]
        most = dice.randrange(len(waiting) // 2)
        while len(left) <= most and not all(each.done() for each in asked):
            time.sleep(0.001)
        time.sleep(dice.random() * 0.03)
        server.kill()
        for each in asked:
            each.result()
    assert left
    return left


def deeds(desk: ApprovalsDesk) -> Counter[str]:
    """Return how many entries say that each disclosure or release left."""
    return Counter(
        entry["request"]
        for entry in desk.entries()
        if entry["decision"] == "permitted" and entry["action"] in {"disclosed", "exported"}
    )


def marked(desk: ApprovalsDesk) -> Counter[str]:
    """Return what is marked as used; each disclosure has its notice, and each release its members, exactly where so."""
    used = desk.sql("select id from disclosure.authorisation where used_at is not null order by id")
    assert used == desk.sql("select authorisation_id from disclosure.notice order by 1")
    released = desk.sql("select id from export.release where released_at is not null order by id")
    assert released == desk.sql("select distinct release_id from export.member order by 1")
    return Counter(name for (name,) in used + released)
