"""Carriers' passenger lists: families that fly out and come back, each child under a parent's booking.

Names are in upper case and transliterated as a passport's machine readable zone has them (ICAO 9303), dates of birth
have two digits for the year, and nothing but names, birth date and sex tells who somebody is. Adults (parents and
strangers) are in the lists as well; a directory of children has to leave them out.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from contactpoint.world import mistakes as wrong
from contactpoint.world.claims import Claims, claims
from contactpoint.world.life import FIRST_DAY
from contactpoint.world.mistakes import Carelessness, draw_mistakes
from contactpoint.world.names import NameTables
from contactpoint.world.population import NEVER, Int8, Int32, Int64, Population, chosen, generator
from contactpoint.world.registers import Register, plain
from contactpoint.world.truth import FeedTally, Ledger, Truth

TRAVEL_CARE = Carelessness(names=0.6, birth=0.3, numbers=0.0, corrects=0.0)
_CARRIERS = ("QZ", "XQ", "VJ")
_PLACES = ("MAD", "WAW", "DUB", "LHE", "LOS", "FAO", "OTP", "PMI")
_FAMILIES_ON_A_FLIGHT = 12
_STRANGERS_ON_A_FLIGHT = 20
_SENT_AGAIN = 0.15
_ICAO = str.maketrans({
    "Ä": "AE", "Ö": "OE", "Ü": "UE", "Å": "AA", "Ø": "OE", "Æ": "AE", "ẞ": "SS", "Þ": "TH", "Đ": "D", "Ł": "L",
    "İ": "I", "'": "", "-": " ",
})  # fmt: skip


def transliterate(name: str) -> str:
    """Return a name as a travel document writes it: A to Z and spaces, at most 39 characters."""
    plain_letters = unicodedata.normalize("NFKD", name.upper().translate(_ICAO))
    return "".join(letter for letter in plain_letters if "A" <= letter <= "Z" or letter == " ")[:39]


@dataclass(frozen=True, slots=True)
class Travel:
    """All flights with children on board: flight 2k goes out, 2k + 1 brings the same families back.

    `extract` is the delivery of each flight, `day` its day since 1970; the register has one row for each child on each
    flight, whose `number` is the child's place on the passenger list.
    """

    register: Register
    extract: Int8
    day: Int32

    def __len__(self) -> int:
        return len(self.day)


def plan_travel(population: Population) -> Travel:
    """Choose the families that fly and put them on flights."""
    settings, household = population.settings, population.children.household
    flies = np.flatnonzero(chosen(settings, "flies", len(population.households.home), settings.coverage.eborders))
    rng = generator(settings, "travel")
    extract = np.sort(rng.integers(0, settings.extracts, len(flies)))
    group = np.arange(len(flies)) // _FAMILIES_ON_A_FLIGHT
    flights = int(group[-1]) + 1 if len(flies) else 0
    leader = extract[::_FAMILIES_ON_A_FLIGHT].astype(np.int8)
    starts = np.searchsorted(household, flies)
    sizes = np.searchsorted(household, flies, side="right") - starts
    offset = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    child = (np.repeat(starts, sizes) + offset).astype(np.int32)
    flight = np.repeat(group, sizes)
    place = np.arange(len(child)) - np.searchsorted(flight, flight) + 1
    last = np.array(settings.dates, "datetime64[D]").astype(np.int32)[leader]
    out = last - rng.integers(12, max(13, settings.days_between), flights)
    days = np.stack((out, out + rng.integers(5, 12, flights)), axis=1).ravel().astype(np.int32)
    both = np.concatenate((flight * 2, flight * 2 + 1))
    order = np.argsort(both, kind="stable")
    child, unit = np.tile(child, 2)[order], both[order].astype(np.int32)
    born = population.children.birth[child] < days[unit]
    child, unit, number = child[born], unit[born], np.tile(place, 2)[order][born].astype(np.int64)
    extracts = np.repeat(leader, 2)
    mistakes = draw_mistakes(settings, "eborders", len(child), TRAVEL_CARE)
    never_known = mistakes.birth >= wrong.BIRTH_IMPOSSIBLE
    mistakes = replace(mistakes, birth=np.where(never_known, wrong.RIGHT, mistakes.birth).astype(np.int8))
    return Travel(
        Register(
            child, unit, number, extracts[unit], np.full(len(child), NEVER, np.int8), *plain(len(child)), mistakes
        ),
        extracts,
        days,
    )


def carrier(flight: int) -> str:
    """Return the carrier's two letters."""
    return _CARRIERS[flight // 2 % len(_CARRIERS)]


def flight_source(flight: int) -> str:
    """Return the source of a flight's passenger records."""
    return f"eborders-{carrier(flight)}"


def flight_number(flight: int) -> str:
    """Return the flight's number: even out, odd back."""
    return f"{carrier(flight)}{100 + flight % 800}"


def flight_day(travel: Travel, flight: int) -> date:
    """Return the day of a flight."""
    return FIRST_DAY + timedelta(days=int(travel.day[flight]))


def passenger_id(flight: int, day: date, number: int) -> str:
    """Return the id of a passenger's record: flight, day and the carrier's reference."""
    return f"{flight_number(flight)}-{day:%Y%m%d}-PAX{number:04d}"


class FlightWriter:
    """Writes passenger lists, one file a flight; some lists are sent again before departure, with a name put right."""

    def __init__(self, population: Population, travel: Travel, tally: FeedTally) -> None:
        self._population = population
        self._travel = travel
        self._tally = tally
        self._rng = generator(population.settings, "passenger lists")

    def write(self, flight: int, folder: Path, truth: Truth) -> None:
        """Write the lists of one flight and the truth about its passengers."""
        ledger, register = Ledger(self._tally), self._travel.register
        rows = register.rows_of(flight)
        if not len(rows):
            return
        day = flight_day(self._travel, flight)
        made = claims(self._population, register, rows, int(self._travel.extract[flight]))
        children = [self._child(made, row) for row in range(len(rows))]
        adults = self._adults(rows)
        numbers = register.number[rows].tolist()
        keys = [f"{flight_source(flight)}:{passenger_id(flight, day, number)}" for number in numbers]
        again = self._rng.random() < _SENT_AGAIN
        for sending in range(2 if again else 1):
            if sending:
                truest = self._population.names.forenames[self._population.children.forename[made.child[0]]]
                children[0] = replace(children[0], given=transliterate(truest))
            sent = datetime.combine(day, time(4 + 2 * sending, flight % 60), UTC)
            for key, child, one in zip(keys, made.child.tolist(), children, strict=True):
                ledger.observed(key, child, repr(one))
            passengers = [(f"PAX{number:04d}", one) for number, one in zip(numbers, children, strict=True)]
            passengers += [(f"PAX{9000 - place:04d}", one) for place, one in enumerate(adults)]
            broken = self._population.settings.delivery.broken_items if flight == 0 and not sending else 0
            _write_file(
                folder / f"{sent:%Y%m%d}_{flight_number(flight)}_{sending + 1}.edi", flight, sent, passengers, broken
            )
            self._tally.files += 1
            self._tally.items += len(adults) + broken
            self._tally.out_of_scope += len(adults)
            self._tally.rejects += broken
        ledger.close(truth, self._population)

    def _child(self, made: Claims, row: int) -> Passenger:
        household = int(self._population.children.household[made.child[row]])
        return Passenger(
            transliterate(made.family[row]),
            transliterate(made.given[row]),
            transliterate(made.middle[row]),
            "FM"[made.sex[row]] if made.sex[row] < 2 else "U",
            made.birth[row] or (1900, 1, 1),
            _booking(household),
            200_000_000 + (int(made.child[row]) * 7919) % 700_000_000,
        )

    def _adults(self, rows: Int64) -> list[Passenger]:
        """Return the parents on the bookings and passengers who have nothing to do with any child."""
        population, homes = self._population, self._population.households
        register = self._travel.register
        families = np.unique(population.children.household[register.child[rows]]).tolist()
        names, surnames = population.names, population.surnames
        adults: list[Passenger] = []
        for family in families:
            for sex, given, surname in (
                ("F", homes.mother[family], homes.mother_surname[family]),
                ("M", homes.father[family], homes.father_surname[family]),
            ):
                born = (1970 + (family * 31 + len(adults)) % 20, 1 + family % 12, 1 + family % 28)
                name, given_name = transliterate(surnames[surname]), transliterate(names.forenames[given])
                adults.append(Passenger(name, given_name, "", sex, born, _booking(family), 100_000_000 + family))
        return adults + _strangers(self._rng, names)


@dataclass(frozen=True, slots=True)
class Passenger:
    """One passenger as the carrier lists them; `booking` and `document` are the carrier's and never kept."""

    family: str
    given: str
    middle: str
    sex: str
    birth: tuple[int, int, int]
    booking: str
    document: int


def _booking(family: int) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return "".join(letters[family // len(letters) ** place % len(letters)] for place in range(6))


def _strangers(rng: np.random.Generator, names: NameTables) -> list[Passenger]:
    given = rng.integers(0, len(names.forenames), _STRANGERS_ON_A_FLIGHT).tolist()
    family = rng.integers(0, len(names.surnames), _STRANGERS_ON_A_FLIGHT).tolist()
    years = rng.integers(1945, 2004, _STRANGERS_ON_A_FLIGHT).tolist()
    return [
        Passenger(
            transliterate(names.surnames[surname]), transliterate(names.forenames[forename]), "", "FM"[place % 2],
            (year, 1 + place % 12, 1 + surname % 28), _booking(surname * 7919 + forename), 300_000_000 + surname,
        )
        for place, (forename, surname, year) in enumerate(zip(given, family, years, strict=True))
    ]  # fmt: skip


def _write_file(path: Path, flight: int, sent: datetime, passengers: list[tuple[str, Passenger]], broken: int) -> None:
    """Write one interchange; `broken` passengers have neither a reference nor a name."""
    there = _PLACES[flight // 2 % len(_PLACES)]
    origin, destination = ("LHR", there) if flight % 2 == 0 else (there, "LHR")
    reference = f"{flight:06d}{sent.hour:02d}"
    message = [
        f"UNH+{reference}+PAXLST:D:05B:UN:IATA+{flight_number(flight)}+01:F", "BGM+745", "NAD+MS+++WORLD CARRIER",
        f"TDT+20+{flight_number(flight)}+++{carrier(flight)}", f"LOC+125+{origin}",
        f"DTM+189:{sent:%y%m%d}0930:201", f"LOC+87+{destination}", f"DTM+232:{sent:%y%m%d}1215:201",
    ]  # fmt: skip
    for _ in range(broken):
        message += ["NAD+FL", "ATT+2++F", "LOC+178+LHR"]
    for number, one in passengers:
        message += _segments(number, one, origin, destination)
    message.append(f"CNT+42:{len(passengers) + broken}")
    message.append(f"UNT+{len(message) + 1}+{reference}")
    interchange = [
        f"UNB+UNOA:4+{carrier(flight)}CARRIER:ZZ+UKBA:ZZ+{sent:%y%m%d:%H%M}+{reference}++APIS",
        f"UNG+PAXLST+{carrier(flight)}CARRIER:ZZ+UKBA:ZZ+{sent:%y%m%d:%H%M}+{reference}+UN+D:05B",
        *message, f"UNE+1+{reference}", f"UNZ+1+{reference}",
    ]  # fmt: skip
    advice = "UNA:+.? '" if flight % 4 else ""
    path.write_text(advice + "".join(segment + "'\n" for segment in interchange), "ascii", newline="")


def _segments(number: str, one: Passenger, origin: str, destination: str) -> list[str]:
    name = ":".join(part for part in (one.family, one.given, one.middle) if part)
    year, month, day = one.birth
    return [
        f"NAD+FL+++{name}", f"ATT+2++{one.sex}", f"DTM+329:{year % 100:02d}{month:02d}{day:02d}", "GEI+4+173",
        f"LOC+178+{origin}", f"LOC+179+{destination}", "NAT+2+GBR", f"RFF+AVF:{one.booking}", f"RFF+ABO:{number}",
        f"DOC+P:110:111+{one.document}", "DTM+36:310101", "LOC+91+GBR",
    ]  # fmt: skip
