"""What a search of the directory needs and what it finds, through the whole application on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from schemas.identity import child_number
from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, pupil, running

UNKNOWN = child_number("nobody:1")
TERMS: list[tuple[dict[str, str], Any]] = [
    ({"surname": "Moss", "forename": "Ann"}, ["exact", 1]),
    ({"surname": "moss", "birth_date": "2012-07-04"}, ["exact", 1]),
    ({"surname": "MOSS", "postcode": "bl1  4qr"}, ["exact", 1]),
    ({"surname": "Mos*", "forename": "Ann"}, ["exact", 1]),
    ({"surname": "Mosse", "birth_date": "2012-07-04"}, ["near", 1]),
    ({"surname": "Moss", "birth_date": "2012-04-07"}, ["near", 1]),
    ({"surname": "Ann", "forename": "Moss", "birth_date": "2012-07-04"}, ["near", 1]),
    ({"surname": "Mosse", "forename": "Anne"}, ["none", 0]),
    ({"surname": "Catlin", "birth_date": "2013-05-06"}, ["exact", 1]),  # and not Katlyn, who is near
    ({"surname": "Katlin", "birth_date": "2013-05-06"}, ["near", 2]),
    ({"surname": "Nobody", "birth_date": "2012-07-04"}, ["none", 0]),
    ({"surname": "Moss", "forename": "Ann", "postcode": "BL9 9ZZ"}, ["none", 0]),
    ({"child_number": UNKNOWN}, ["none", 0]),
    ({"surname": "Moss"}, 422),
    ({"surname": "Moss", "birth_date": "1341360000"}, 422),
    ({"forename": "Ann", "birth_date": "2012-07-04"}, 422),
    ({"surname": "Mo*", "forename": "Ann"}, 422),
    ({"surname": "M*ss", "forename": "Ann"}, 422),
    ({"surname": "***", "forename": "Ann"}, 422),
    ({"surname": "Moss", "postcode": "BL1"}, 422),
    ({"child_number": "1234567890123"}, 422),
    ({"child_number": UNKNOWN, "surname": "Moss"}, 422),
    ({}, 422),
]


@pytest.fixture
def searched(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        desk.employ("nurse")
        ann = {"school:A1": pupil("Moss", "Ann", date(2012, 7, 4), "BL1 4QR")}
        many = [{f"school:S{n}": pupil("Shah", "Ali", date(2010, 1, 1 + n % 28))} for n in range(21)]
        alike = [{f"school:K{name}": pupil(name, "Eve", date(2013, 5, 6))} for name in ("Catlin", "Katlyn")]
        desk.directory.add(ann, *alike, *many)
        yield desk


def test_what_a_search_needs_and_what_it_finds(searched: Desk) -> None:
    for terms, found in TERMS:
        answer = searched.post("/v1/search", "nurse", **terms)
        if found == 422:
            assert answer.status_code == 422, terms
        else:
            assert [answer.json()["matched"], len(answer.json()["children"])] == found, terms


def test_what_nearly_fits_comes_best_first_without_a_score(searched: Desk) -> None:
    found = searched.post("/v1/search", "nurse", surname="Katlin", birth_date="2013-05-06").json()["children"]
    assert [child["name"]["family"] for child in found] == ["Katlyn", "Catlin"]
    assert all(set(child) == {"child_number", "name", "sex", "birth_date"} for child in found)


def test_too_many_fit_and_none_is_listed(searched: Desk) -> None:
    before = len(searched.entries())
    wide = searched.post("/v1/search", "nurse", surname="Shah", forename="Ali")
    assert wide.json() == {"refine": True}
    assert [entry.get("child") for entry in searched.entries()[before:]] == [None]
    narrow = searched.post("/v1/search", "nurse", surname="Shah", birth_date="2010-01-03")
    assert len(narrow.json()["children"]) == 1
