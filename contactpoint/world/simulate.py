"""Making a world: the population, its records in every source, the files of all feeds, and the truth beside them.

Memory holds the columns of the population and of the registers (about 400 bytes a child) and the strings of one school,
trust, team or flight at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contactpoint.world.ctf_files import PupilNumbers, SchoolWriter, add_broken_pupils
from contactpoint.world.feeds import eborders_feed, health_feed, schools_feed, yot_feed
from contactpoint.world.hl7_files import TrustWriter
from contactpoint.world.life import SCHOOLS_IN_AN_AUTHORITY
from contactpoint.world.population import Population, populate
from contactpoint.world.registers import health_register, school_register, served_by, yot_register
from contactpoint.world.settings import WorldSettings
from contactpoint.world.travel import FlightWriter, plan_travel
from contactpoint.world.truth import FeedTally, Truth, write_expected
from contactpoint.world.yot_files import TeamWriter
from schemas.errors import ConfigurationError

Progress = Callable[[int, int | None], None]

FEEDS, TRUTH, EXPECTED = "feeds", "truth.parquet", "expected.json"


@dataclass(frozen=True, slots=True)
class WorldSummary:
    """What was simulated: people, feeds and where everything is."""

    children: int
    households: int
    record_keys: int
    items: int
    feeds: tuple[FeedTally, ...]
    feeds_directory: Path
    truth: Path
    expected: Path

    def as_dict(self) -> dict[str, Any]:
        """Return the figures and the places by name, one row a feed under `feeds`."""
        return {
            "children": self.children,
            "households": self.households,
            "record_keys": self.record_keys,
            "items": self.items,
            "feeds": [asdict(tally) for tally in self.feeds],
            "feeds_directory": str(self.feeds_directory),
            "truth": str(self.truth),
            "expected": str(self.expected),
        }


def _no_progress(_done: int, _total: int | None) -> None:
    """Tell nobody."""


def simulate(settings: WorldSettings, out: Path, progress: Progress = _no_progress) -> WorldSummary:
    """Write the world's feeds under `out/feeds`, `out/truth.parquet` and `out/expected.json`.

    `out` must not exist or be empty (ConfigurationError otherwise); `progress` is called with (items, None).
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out} is not an empty directory: give another one, or remove it first"
        raise ConfigurationError(msg)
    feeds = out / FEEDS
    feeds.mkdir(parents=True)
    population = populate(settings)
    tallies: list[FeedTally] = []
    with Truth(out / TRUTH) as truth:
        for tally in _write_feeds(population, feeds, truth):
            if not tallies or tallies[-1] is not tally:
                tallies.append(tally)
            progress(sum(one.items for one in tallies), None)
    write_expected(out / EXPECTED, tallies, population)
    return WorldSummary(
        children=len(population.children),
        households=len(population.households.home),
        record_keys=truth.rows,
        items=sum(tally.items for tally in tallies),
        feeds=tuple(tallies),
        feeds_directory=feeds,
        truth=out / TRUTH,
        expected=out / EXPECTED,
    )


def _write_feeds(population: Population, feeds: Path, truth: Truth) -> Iterator[FeedTally]:
    """Write feed after feed; yield the tally of the feed at hand after each of its units."""
    numbers = PupilNumbers.of(population)
    yield from _schools(population, numbers, feeds, truth)
    yield from _health(population, feeds, truth)
    yield from _teams(population, numbers, feeds, truth)
    yield from _flights(population, feeds, truth)


def _schools(population: Population, numbers: PupilNumbers, feeds: Path, truth: Truth) -> Iterator[FeedTally]:
    register = school_register(population)
    schools = np.unique(register.unit)
    for authority in np.unique(schools // SCHOOLS_IN_AN_AUTHORITY).tolist():
        name, folder = schools_feed(feeds, authority)
        tally = FeedTally(name, "schools")
        for school in schools[schools // SCHOOLS_IN_AN_AUTHORITY == authority].tolist():
            SchoolWriter(population, register, numbers, school, tally).write(folder, truth)
            yield tally
        add_broken_pupils(folder, tally, population.settings.delivery.broken_items)
        yield tally


def _health(population: Population, feeds: Path, truth: Truth) -> Iterator[FeedTally]:
    register = health_register(population)
    for trust in np.unique(register.unit).tolist():
        name, folder = health_feed(feeds, trust, served_by(population.settings, trust))
        tally = FeedTally(name, "health")
        TrustWriter(population, register, trust, tally).write(folder, truth)
        yield tally


def _teams(population: Population, numbers: PupilNumbers, feeds: Path, truth: Truth) -> Iterator[FeedTally]:
    register = yot_register(population)
    for team in np.unique(register.unit).tolist():
        name, folder = yot_feed(feeds, team)
        tally = FeedTally(name, "yot")
        TeamWriter(population, register, numbers, team, tally).write(folder, truth)
        yield tally


def _flights(population: Population, feeds: Path, truth: Truth) -> Iterator[FeedTally]:
    travel = plan_travel(population)
    _, folder = eborders_feed(feeds)
    tally = FeedTally("eborders", "eborders")
    writer = FlightWriter(population, travel, tally)
    for flight in range(len(travel)):
        writer.write(flight, folder, truth)
        yield tally
    yield tally
