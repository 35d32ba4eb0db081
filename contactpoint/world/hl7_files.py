"""Trusts' files: HL7 v2 ADT messages, one file for each trust and extract (format: `facts/source-formats.md` §2.1).

A patient appears with A28; later files hold an A31 where something changed, and now and then one that repeats what is
known, or an old one that was held up on the way. A29 deletes, A40 merges a patient who was registered twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np

from contactpoint.world.claims import (
    Claims,
    Home,
    add_parents,
    claims,
    may_have_changed,
    name_babies,
    nhs_number,
    told_birth_order,
)
from contactpoint.world.places import telephone
from contactpoint.world.population import Int64, Population, generator
from contactpoint.world.registers import Register, present
from contactpoint.world.truth import FeedTally, Ledger, Truth

_SEX = ("F", "M", "U")
_RELATIONSHIPS = {"mother": "MTH^Mother", "father": "FTH^Father", "carer": "CGV^Carer"}
_NO_PRACTICE = "V81999"
_ENDS = ("\r", "\n", "\r\n")
_BROKEN = (
    ("A31", "P", ("ZZZ|1|this message has no patient",)),
    ("A28", "P", ("PID|1||^^^{facility}^PI||Nobody^No^^^^^L||20140301|F",)),
    ("A28", "T", ("PID|1||999999^^^{facility}^PI||TEST^TEST^^^^^L||20140301|F",)),
)


def facility(trust: int) -> str:
    """Return a trust's code: a letter that no trust's code begins with, and two digits."""
    return f"{'ZYXW'[trust // 100]}{trust % 100:02d}"


def trust_source(trust: int) -> str:
    """Return the source of a trust's records."""
    return f"health-{facility(trust)}"


@dataclass(slots=True)
class _Post:
    """The messages of one file: each gets the next second of the day."""

    code: str
    start: datetime
    lines: list[str]
    sent: int = 0

    def send(self, event: str, segments: list[str], *, mode: str = "P", when: datetime | None = None) -> None:
        """Add one message; `when` is its time where it was held up."""
        self.sent += 1
        now = self.start + timedelta(seconds=self.sent)
        recorded, structure = f"{when or now:%Y%m%d%H%M%S}", {"A40": "ADT_A39", "A29": "ADT_A21"}.get(event, "ADT_A05")
        self.lines.append(
            f"MSH|^~\\&|PAS|{self.code}|CP|CPHUB|{now:%Y%m%d%H%M%S}||ADT^{event}^{structure}|{self.code}{now:%y%m%d}"
            f"{self.sent:06d}|{mode}|2.4|||AL|NE|GBR|UNICODE UTF-8"
        )
        self.lines.append(f"EVN|{event}|{recorded}")
        self.lines.extend(segments)


class TrustWriter:
    """Writes one trust's files, an extract at a time, and follows what was sent of each patient."""

    def __init__(self, population: Population, register: Register, trust: int, tally: FeedTally) -> None:
        self._population = population
        self._register = register
        self._trust = trust
        self._code = facility(trust)
        self._tally = tally
        self._ledger = Ledger(tally)
        self._everyone = register.rows_of(trust)
        self._rng = generator(population.settings, f"post {trust}")

    def write(self, folder: Path, truth: Truth) -> None:
        """Write all files of the trust and the truth about its records."""
        for extract, day in enumerate(self._population.settings.dates):
            post = _Post(self._code, datetime.combine(day, time(6, 0), UTC), [])
            self._patients(post, extract)
            self._deletions(post, extract)
            if extract == 0:
                self._broken(post)
            if post.sent:
                path = folder / f"{self._code}_ADT_{day:%Y%m%d}.hl7"
                end = _ENDS[self._trust % len(_ENDS)]
                path.write_text(end.join(post.lines) + end, "utf-8", newline="")
                self._tally.files += 1
        self._ledger.close(truth, self._population)

    def _patients(self, post: _Post, extract: int) -> None:
        register = self._register
        rows = self._everyone[present(register, self._everyone, extract)]
        rows = rows[register.deleted_at[rows] > extract]
        rows = rows[register.merged_at[rows] > extract]
        delivery = self._population.settings.delivery
        repeated = self._rng.random(len(rows)) < delivery.repeated
        late = self._rng.random(len(rows)) < delivery.late
        merged = self._merged_into(rows, extract)
        sends = may_have_changed(self._population, register, rows, extract) | repeated | np.isin(rows, list(merged))
        rows, repeated, late = rows[sends], repeated[sends], late[sends]
        made = claims(self._population, register, rows, extract)
        add_parents(self._population, made)
        name_babies(self._population, made, register, extract)
        since = register.since[rows]
        for row in range(len(rows)):
            key, segments = self._key(int(rows[row])), self._segments(made, row)
            content = "\n".join(segments)
            before = self._ledger.content(key)
            if int(rows[row]) in merged:
                loser = merged[int(rows[row])]
                post.send("A40", [*segments, f"MRG|{self._local_id(loser)}"])
                self._ledger.merged(self._key(loser))
                self._ledger.observed(key, int(made.child[row]), content)
            elif since[row] == extract or content != before or repeated[row]:
                post.send("A28" if before is None else "A31", segments)
                self._ledger.observed(key, int(made.child[row]), content)
            if late[row] and before is not None and before != content:
                post.send("A31", before.split("\n"), when=post.start - timedelta(hours=7, seconds=post.sent))
                self._ledger.late()

    def _merged_into(self, rows: Int64, extract: int) -> dict[int, int]:
        """Return, for the survivors of this extract's merges, the row that is merged into each."""
        everyone, register = self._everyone, self._register
        losers = everyone[(register.merged_at[everyone] == extract) & (register.since[everyone] < extract)]
        losers = losers[register.until[losers] > extract]
        here = set(rows.tolist())
        pairs = zip(register.duplicate_of[losers].tolist(), losers.tolist(), strict=True)
        return {survivor: loser for survivor, loser in pairs if survivor in here}

    def _deletions(self, post: _Post, extract: int) -> None:
        everyone, register = self._everyone, self._register
        gone = (register.deleted_at[everyone] == extract) & (register.since[everyone] < extract)
        for row in everyone[gone].tolist():
            post.send("A29", [f"PID|1||{self._local_id(row)}||^^^^^^L"])
            self._ledger.withdrawn(self._key(row))

    def _broken(self, post: _Post) -> None:
        count = self._population.settings.delivery.broken_items
        for number in range(count):
            event, mode, segments = _BROKEN[number % len(_BROKEN)]
            post.send(event, [segment.format(facility=self._code) for segment in segments], mode=mode)
        self._tally.items += count
        self._tally.rejects += count

    def _key(self, row: int) -> str:
        return f"{trust_source(self._trust)}:{self._register.number[row]}"

    def _local_id(self, row: int) -> str:
        return f"{self._register.number[row]}^^^{self._code}^PI"

    def _segments(self, made: Claims, row: int) -> list[str]:
        """Return PID, PD1 and NK1 of one patient."""
        home = made.homes[row]
        segments = [self._patient(made, row), f"PD1|||{_practice(home, made.chance[row])}"]
        for place, one in enumerate(made.parents[row], start=1):
            address = "" if one.kind == "father" else _address(home).removesuffix("^GBR^H")
            segments.append(
                f"NK1|{place}|{one.family}^{one.given}|{_RELATIONSHIPS[one.kind]}|{address}|{telephone(one.telephone)}"
            )
        return segments

    def _patient(self, made: Claims, row: int) -> str:
        number, status = nhs_number(self._population, made, row)
        ids = self._local_id(int(made.rows[row]))
        if number:
            ids = f"{number}^^^NHS^NH~{ids}"
        kind = "NB" if made.nameless[row] and made.chance[row] % 4 == 0 else "L"
        names = f"{made.family[row]}^{made.given[row]}^{made.middle[row]}^^^^{kind}"
        if made.former_family[row]:
            names += f"~{made.former_family[row]}^{made.given[row]}^^^^^M"
        birth, order = made.birth[row], told_birth_order(made, row)
        born = f"{birth[0]:04d}{birth[1]:02d}{birth[2]:02d}" if birth else ""
        multiple = f"Y|{order}" if order else "|" if made.birth_order[row] else "N|"
        return (
            f"PID|1||{ids}||{names}||{born}|{_SEX[made.sex[row]]}|||{_address(made.homes[row])}|||||||||||||"
            f"{multiple}|||||||{status}"
        )


def _address(home: Home) -> str:
    """Return an address as XAD: line, other designation, town, county, postcode, country, type."""
    if not home.street:
        return ""
    line = " ".join(part for part in (home.house, home.street) if part)
    lines = (home.flat, line) if home.flat else (line, "")
    return f"{lines[0]}^{lines[1]}^{home.town}^^{home.postcode}^GBR^H"


def _practice(home: Home, chance: int) -> str:
    """Return the general practice of the town, or the code for patients who have none."""
    if not home.town or chance // 65536 % 50 == 0:
        return f"^^{_NO_PRACTICE}"
    return f"{home.town} Surgery^^Z8{sum(map(ord, home.town)) % 10_000:04d}"
