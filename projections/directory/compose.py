"""Makes a directory entry of the live records of one child and the decisions that hold about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from msgspec.structs import replace

from projections.directory.authority import Responsibility, responsibility
from projections.directory.claims import Claim, best, ranked, statements
from projections.directory.entry import SENSITIVE_SERVICE, Entry, Holder, Source, Sourced
from projections.directory.retention import Facts, shown_until
from projections.directory.rulings import CONSENT, CORRECTION, HARM, SEVERED, Ruling, Standing
from projections.directory.state import RecordVersion
from projections.directory.views import Involvement, Person, Whereabouts
from schemas.moments import day_of, micros

# What readers see of the kind of source: the kinds that would tell of a youth offending team or of travel are one.
_SHOWN_KIND = {"schools": "education", "health": "health", "decision": "decision"}
_OTHER_KIND = "other"
_LIVES_HERE = frozenset({"current", "withheld"})


class Composed(NamedTuple):
    """An entry, the sensitive services behind it, what retention depends on, and when an involvement leaves next."""

    entry: Entry
    sensitive: list[Involvement]
    facts: Facts
    leaves: list[date]


def compose(
    child_number: str, live: Sequence[RecordVersion], standings: Sequence[Standing], today: date | None
) -> Composed:
    """Fold the live records of one child into its entry as of `today`, under the decisions about them."""
    said = statements(live)
    claims = said | corrections(standings, said)
    if standings and _has_new_identity(live, standings):
        claims["names"] = [claim for claim in claims["names"] if claim.kind != "former"]
    sources = _Sources()
    entry = Entry(child_number, sources.listed)
    entry.names = sources.items(ranked("names", claims["names"]))
    entry.sex = sources.item(best("sex", claims["sex"]))
    entry.birth_date = sources.item(best("birth_date", claims["birth_date"]))
    entry.death_date = sources.item(best("death_date", claims["death_date"]))
    where = best("whereabouts", claims["whereabouts"])
    entry.whereabouts = sources.item(where)
    carers = ranked("carers", claims["carers"])
    if where is not None and where.value.status == "withheld":
        # The carers' contact details would give away the address that a source withholds.
        carers = [replace(claim, value=replace(claim.value, contact=None)) for claim in carers]
    entry.carers = sources.items(carers)
    entry.education = sources.items(ranked("education", claims["education"]))
    entry.primary_care = sources.item(best("primary_care", claims["primary_care"]))
    shown = [claim for claim in claims["involvements"] if is_permitted(claim, standings)]
    involved = [claim for claim in shown if not has_left(claim.value, today)]
    if involved:
        _add_involvements(entry, sources, ranked("involvements", involved))
    entry.responsible_authority = _authority(sources, claims["responsible_authority"], standings)
    return Composed(
        entry,
        [claim.value for claim in involved if claim.value.sensitive],
        _facts(entry, where),
        [until for claim in involved if (until := shown_until(claim.value.end)) is not None],
    )


def corrections(standings: Sequence[Standing], stated: Mapping[str, Sequence[Claim]]) -> dict[str, list[Claim]]:
    """Return what corrections say of each field that they name; a later one replaces an earlier one of the field.

    That a child left England gives way to what sources have `stated` since of where it lives: it came back.
    """
    found: dict[str, list[Claim]] = {}
    for each in standings:
        if each.ruling.kind == CORRECTION and each.holds and each.ruling.says is not None:
            said = statements([_as_record(each.ruling, each.ruling.says)])
            found.update({field: claims for field, claims in said.items() if claims})
            if each.ruling.says.alive:
                found["death_date"] = []
    if _came_back(found.get("whereabouts", ()), stated["whereabouts"]):
        del found["whereabouts"]
    return found


def _came_back(decided: Sequence[Claim], stated: Sequence[Claim]) -> bool:
    """Tell whether somebody decided that the child left England, and a source said later that it lives here."""
    if not decided or decided[0].kind != "left_england":
        return False
    since = decided[0].record.recorded_at or 0
    return any(claim.kind in _LIVES_HERE and (claim.record.recorded_at or 0) > since for claim in stated)


def _as_record(ruling: Ruling, says: Person) -> RecordVersion:
    """Return a correction as a record of its own, so that its items are chosen and sourced like any others."""
    made_at = micros(ruling.decided_at)
    key = ruling.event_id
    return RecordVersion(key, 0, "", ruling.kind, ruling.event_id, "decision", made_at, says)


def is_permitted(claim: Claim, standings: Sequence[Standing]) -> bool:
    """Tell whether an involvement may be shown: a sensitive one only with consent or suspected harm (reg. 11(3))."""
    if not claim.value.sensitive:
        return True
    key = claim.record.record_key
    return any(
        key in each.ruling.records
        for each in standings
        if each.holds
        and (each.ruling.kind == HARM or (each.ruling.kind == CONSENT and each.ruling.scope == "sensitive_services"))
    )


def has_left(service: Involvement, today: date | None) -> bool:
    """Tell whether an involvement ended so long ago that it is not shown any more."""
    if today is None or service.end is None:
        return False
    until = shown_until(service.end)
    return until is not None and until <= today


def _has_new_identity(live: Sequence[RecordVersion], standings: Sequence[Standing]) -> bool:
    """Tell whether this is the new identity of a severed one: its former names would lead to the old one."""
    keys = {record.record_key for record in live}
    return any(each.ruling.kind == SEVERED and keys.intersection(each.ruling.current) for each in standings)


def _add_involvements(entry: Entry, sources: _Sources, involved: Sequence[Claim]) -> None:
    leading = [replace(claim, value=_holder(claim.value)) for claim in involved if claim.value.lead_professional]
    holding = [replace(claim, value=_holder(claim.value)) for claim in involved if claim.value.holds_assessment]
    entry.involvements = sources.items([replace(claim, value=_shown(claim.value)) for claim in involved])
    entry.lead_professional = sources.items(leading)
    entry.assessment = sources.items(holding)


def _authority(sources: _Sources, claims: Sequence[Claim], standings: Sequence[Standing]) -> Sourced | None:
    stated = best("responsible_authority", claims)
    found: Responsibility | None = responsibility(stated.value if stated else None, standings)
    if found is None:
        return None
    if found.decision is None:
        return sources.item(None if stated is None else replace(stated, value=found.authority))
    return sources.decided(found.authority, found.decision)


def _facts(entry: Entry, where: Claim | None) -> Facts:
    born, died = entry.birth_date, entry.death_date
    facts = Facts(
        birth=born.value.date if born else None,
        death=died.value if died else None,
        birth_told=_told(entry, born),
        death_told=_told(entry, died),
    )
    if where is None or where.value.status != "left_england":
        return facts
    place: Whereabouts = where.value
    told = _told(entry, entry.whereabouts)
    left = date.fromisoformat(place.since) if place.since else told
    return facts._replace(left=left, intends_return=place.intends_return, left_told=told)


def _told(entry: Entry, item: Sourced | None) -> date | None:
    """Return the day on which the source of an item said it."""
    return entry.sources[item.source].as_of if item else None


class _Sources:
    """Numbers the record versions that an entry shows, in the order of their first use."""

    __slots__ = ("_numbers", "listed")

    def __init__(self) -> None:
        self.listed: list[Source] = []
        self._numbers: dict[str, int] = {}

    def item(self, claim: Claim | None) -> Sourced | None:
        """Return the value of a claim with its source, None for no claim."""
        return Sourced(claim.value, self._number(claim.record)) if claim else None

    def items(self, claims: Sequence[Claim]) -> list[Sourced]:
        """Return the value of each claim with its source."""
        return [Sourced(claim.value, self._number(claim.record)) for claim in claims]

    def decided(self, value: Any, by: Standing) -> Sourced:
        """Return a value that a decision states, with the decision as its source."""
        self.listed.append(Source(by.ruling.event_id, "decision", by.ruling.decided_at.date()))
        return Sourced(value, len(self.listed) - 1)

    def _number(self, record: RecordVersion) -> int:
        number = self._numbers.get(record.record_key)
        if number is None:
            number = self._numbers[record.record_key] = len(self.listed)
            kind = _SHOWN_KIND.get(record.source_kind, _OTHER_KIND)
            self.listed.append(Source(record.event_id, kind, day_of(record.recorded_at)))
        return number


def _shown(service: Involvement) -> Involvement:
    """Return an involvement as readers see it: the two indicators are shown apart."""
    if service.sensitive:
        return Involvement(SENSITIVE_SERVICE, start=service.start, end=service.end, sensitive=True)
    if service.lead_professional or service.holds_assessment:
        return replace(service, lead_professional=False, holds_assessment=False)
    return service


def _holder(service: Involvement) -> Holder:
    if service.sensitive:
        return Holder(SENSITIVE_SERVICE, sensitive=True)
    return Holder(service.service, service.organisation, service.practitioner)
