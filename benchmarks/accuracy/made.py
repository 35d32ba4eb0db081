"""Made-up tables of people with errors, in many regimes: what `contactpoint link` may meet and was not tuned for.

A `Regime` says who is in the table, how often each is recorded and what goes wrong; `made` draws it. The names are
those of the simulated world, everything else is drawn here; one seed gives one table.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.accuracy.sets import ID, PERSON, SOURCE, LabelledSet
from contactpoint.world.names import NameTables, load_names

Person = dict[str, str]
Random = np.random.Generator

KINDS: Final = {
    "given": "given_name",
    "surname": "surname",
    "born": "date",
    "sex": "sex",
    "postcode": "postcode",
    "address": "address",
    "town": "address",
    "carer": "short_string",
    "email": "short_string",
    "phone": "identifier",
    "number": "identifier",
    "job": "short_string",
    "country": "exact",
    "organisation": "short_string",
    "city": "short_string",
    "batch": "exact",
    "invoice": "identifier",
}
"""The columns that a regime may ask for, with the kind that a user would map each to."""

_STREETS: Final = "Church Mill Station Park Victoria Green Manor King Queen Elm Oak Ash Hill Bridge School York".split()
_ROADS: Final = "Road Street Lane Avenue Close Drive Way Gardens".split()
_TOWNS: Final = "Ashford Barton Clayton Denby Eastleigh Farnham Goring Hexham Ilkley Jarrow Kendal Luton Malton".split()
_JOBS: Final = "teacher nurse farmer miner politician painter writer clerk footballer actor priest engineer".split()
_COUNTRIES: Final = ("GB", "GB", "GB", "GB", "GB", "IE", "PL", "IN", "PK")
_WORDS: Final = "Alpha Atlas Beacon Blue Bright Castle Cedar Crown Delta Eagle First Global Grand Harbour North".split()
_TRADES: Final = "Logistics Bakery Plumbing Foods Care Motors Systems Partners Textiles Energy Pharmacy Books".split()
_FORMS: Final = ("Ltd", "Limited", "LLP", "PLC", "and Sons", "Group")
_KEYS: Final = {a: b for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890") for a, b in pairwise(row)}


@dataclass(frozen=True, slots=True)
class Regime:
    """One kind of table. Rates are probabilities for each recorded value, or for each record where that is natural."""

    name: str
    fields: tuple[str, ...] = ("given", "surname", "born", "sex", "postcode", "address")
    people: int = 2500
    copies: tuple[float, ...] = (0.5, 0.3, 0.2)  # P(1 record), P(2 records), ...
    overlap: float | None = None  # two sources: the share of people in both
    repeats: float = 0.0  # two sources: the share of people whom a source holds twice
    unique: str = "no"
    families: float = 0.0
    twins: float = 0.0
    common_names: bool = False
    latin: bool = True
    missing: float = 0.03
    typos: float = 0.05
    exchanged: float = 0.0  # forename and surname
    short_forms: float = 0.0
    renamed: float = 0.0
    double_names: float = 0.0
    moved: float = 0.0
    day_month: float = 0.0
    no_date: float = 0.0  # a placeholder instead of the date
    date_style: str = "iso"
    seed: int = 1


def made(regime: Regime) -> LabelledSet:
    """Draw the table of a regime, its rows in random order."""
    rng = np.random.default_rng(regime.seed)
    people = _population(regime, rng)
    rows: list[dict[str, str]] = []
    for number, person in enumerate(people):
        for source in _sources(regime, rng):
            recorded = _recorded(person, regime, rng)
            rows.append({**recorded, PERSON: f"p{number}", SOURCE: source})
    order = rng.permutation(len(rows))
    frame: Any = pd.DataFrame([rows[i] for i in order])
    frame[ID] = [f"r{i:06}" for i in range(len(frame))]
    fields = {name: KINDS[name] for name in regime.fields}
    frame = frame[[ID, SOURCE, PERSON, *fields]].replace("", None)
    return LabelledSet(regime.name, frame, fields, _blocking(fields), regime.unique, _DATE_FORMATS[regime.date_style])


_DATE_FORMATS: Final = {"iso": "%Y-%m-%d", "british": "%d/%m/%Y", "compact": "%Y%m%d"}


def _blocking(fields: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return rules such as a user of Splink would write."""
    names = [name for name, kind in fields.items() if kind not in {"sex", "exact"}]
    first = names[:5]
    return tuple((a, b) for i, a in enumerate(first) for b in first[i + 1 :]) or tuple((name,) for name in names)


def _sources(regime: Regime, rng: Random) -> list[str]:
    if regime.overlap is None:
        return ["table"] * (1 + int(rng.choice(len(regime.copies), p=regime.copies)))
    sources = ["a", "b"] if rng.random() < regime.overlap else [str(rng.choice(["a", "b"]))]
    return [*sources, *(source for source in sources if rng.random() < regime.repeats)]


def _population(regime: Regime, rng: Random) -> list[Person]:
    names = load_names()
    people: list[Person] = []
    while len(people) < regime.people:
        home = _home(names, regime, rng)
        size = 1 + int(rng.integers(1, 5)) if rng.random() < regime.families else 1
        parent = f"{_forename(names, rng, int(home['community']), regime)} {home['surname']}"
        born = _birth_year(rng, None)
        for child in range(size):
            again = child > 0 and rng.random() < regime.twins
            born = people[-1]["_born"] if again else _birth_year(rng, None if child == 0 else born)
            people.append(_person(home, parent, born, regime, rng))
    return people[: regime.people]


def _birth_year(rng: Random, sibling: str | None) -> str:
    if sibling is None:
        return (date(1935, 1, 1) + timedelta(int(rng.integers(0, 365 * 80)))).isoformat()
    return (date.fromisoformat(sibling) + timedelta(int(rng.integers(330, 2200)))).isoformat()


def _forename(names: NameTables, rng: Random, community: int, regime: Regime) -> str:
    sampler = names.communities[community].forenames[int(rng.integers(2))]
    at = rng.random() * (0.3 if regime.common_names else 1.0)
    return str(names.forenames[sampler.draw(np.array([at]))[0]])


def _home(names: NameTables, regime: Regime, rng: Random) -> Person:
    community = int(names.draw_communities(rng, 1)[0])
    at = rng.random() * (0.15 if regime.common_names else 1.0)
    surname = str(names.surnames[names.communities[community].surnames.draw(np.array([at]))[0]])
    return {"community": str(community), "surname": surname, **_place(rng)}


def _place(rng: Random) -> Person:
    town = int(rng.integers(len(_TOWNS)))
    letters = "".join(rng.choice(list("ABDEFGHJLNPQ"), 2))
    street = f"{rng.choice(_STREETS)} {rng.choice(_ROADS)}"
    return {
        "postcode": f"{_TOWNS[town][:2].upper()}{rng.integers(1, 30)} {rng.integers(1, 10)}{letters}",
        "address": f"{rng.integers(1, 150)} {street}",
        "town": _TOWNS[town],
    }


def _person(home: Person, carer: str, born: str, regime: Regime, rng: Random) -> Person:
    given = _forename(load_names(), rng, int(home["community"]), regime)
    surname = home["surname"]
    if rng.random() < regime.double_names:
        surname = f"{surname}-{_home(load_names(), regime, rng)['surname']}"
    person = {
        **home,
        "given": given,
        "surname": surname,
        "_born": born,
        "sex": str(rng.choice(["M", "F"])),
        "carer": carer,
        "email": f"{given[:1]}.{surname}{rng.integers(100)}@example.org".lower().replace(" ", ""),
        "phone": f"07{rng.integers(10**8, 10**9)}",
        "number": f"{rng.integers(10**8, 10**9)}",
        "job": str(rng.choice(_JOBS)),
        "country": str(rng.choice(_COUNTRIES)),
        "organisation": f"{rng.choice(_WORDS)} {surname} {rng.choice(_TRADES)} {rng.choice(_FORMS)}",
        "city": home["town"],
        "batch": "",
        "invoice": "",
    }
    if not regime.latin:
        person = {**person, "given": _script(given), "surname": _script(surname)}
    return person


def _script(name: str) -> str:
    """Write a name in Cyrillic letters, letter by letter: enough to see that nothing depends on Latin ones."""
    letters = "абцдефгхийклмнопярстувшькз"
    return "".join(letters[ord(c) - 97] if c in string.ascii_lowercase else c for c in name.lower()).title()


def _recorded(person: Person, regime: Regime, rng: Random) -> Person:
    """Return one record of a person: what was written down, with this regime's errors."""
    told = dict(person)
    if rng.random() < regime.moved:
        told.update(_place(rng))
        told["city"] = told["town"]
    if rng.random() < regime.renamed:
        told["surname"] = _home(load_names(), regime, rng)["surname"]
    if "-" in told["surname"] and rng.random() < regime.double_names:
        told["surname"] = str(rng.choice(told["surname"].split("-")))
    variants = load_names().variants.get(told["given"], ())
    if variants and rng.random() < regime.short_forms:
        told["given"] = str(rng.choice(variants))
    if rng.random() < regime.exchanged:
        told["given"], told["surname"] = told["surname"], told["given"]
    told["born"] = _written_date(told["_born"], regime, rng)
    if "batch" in regime.fields:
        told |= {
            "batch": str(rng.integers(12)),
            "invoice": f"{rng.integers(9000):05}",
        }  # the record's, not the person's
    return {name: _value(told[name], name, regime, rng) for name in regime.fields}


def _written_date(born: str, regime: Regime, rng: Random) -> str:
    year, month, day = born.split("-")
    if rng.random() < regime.no_date:
        year, month, day = ("1900", "01", "01") if rng.random() < 0.5 else (year, "01", "01")
    elif int(day) <= 12 and rng.random() < regime.day_month:
        month, day = day, month
    if rng.random() < regime.typos:
        day = f"{rng.integers(1, 29):02}" if rng.random() < 0.6 else day
        year = str(int(year) + int(rng.integers(-2, 3)))
    return {"iso": f"{year}-{month}-{day}", "british": f"{day}/{month}/{year}", "compact": year + month + day}[
        regime.date_style
    ]


def _value(value: str, name: str, regime: Regime, rng: Random) -> str:
    if rng.random() < regime.missing:
        return ""
    if name in {"born", "country"} or rng.random() >= regime.typos * (0.2 if name == "sex" else 1.0):
        return value
    if name == "sex":
        return "F" if value == "M" else "M"
    return _slip(value, rng)


def _slip(value: str, rng: Random) -> str:
    """Make one or two slips of the keyboard."""
    for _ in range(1 + int(rng.random() < 0.25)):
        value = _SLIPS[int(rng.integers(len(_SLIPS)))](value, int(rng.integers(max(1, len(value)))), rng)
    return value


_SLIPS: Final[tuple[Callable[[str, int, Random], str], ...]] = (
    lambda text, at, _: text[:at] + text[at + 1 :],
    lambda text, at, _: text[:at] + text[at : at + 1] + text[at:],
    lambda text, at, _: text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
    lambda text, at, _: text[:at] + _KEYS.get(text[at : at + 1].lower(), text[at : at + 1]) + text[at + 1 :],
    lambda text, at, rng: text[:at] + str(rng.choice(list("aeiourstn"))) + text[at + 1 :],
)
