"""The person in an ADT message as permitted items: PID, PD1 (practice) and NK1 (carers)."""

from __future__ import annotations

from connectors.er7 import Segment, at
from connectors.raw import (
    RawAddress,
    RawCarer,
    RawContact,
    RawIdentifier,
    RawName,
    RawPerson,
    RawPrimaryCare,
    RawWhereabouts,
)

_NAME_KINDS = {"L": "legal", "": "legal", "U": "legal", "D": "preferred", "A": "alias", "N": "alias", "K": "alias",
               "M": "former", "B": "former", "NB": "temporary", "TEMP": "temporary"}  # fmt: skip
_VERIFIED = frozenset({"01", "1"})
_IN_DOUBT = frozenset({"05", "5"})
_SEVERAL = frozenset({"Y", "YES", "1", "TRUE"})
_NHS_TYPES = frozenset({"NH", "NHS", "NI"})
_HOME = ("H", "", "C", "L", "P")
_CARERS = frozenset({"MTH", "FTH", "PAR", "GRD", "CGV", "MOTHER", "FATHER", "PARENT", "GUARDIAN", "CARER"})
_TAKEN = frozenset({"MSH", "EVN", "PID", "PD1", "NK1", "MRG"})
# Fields of PID that hold something the law does not list: telephone, religion, ethnic group, citizenship and the like.
_PID_FORBIDDEN = (6, 9, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 26, 27, 28)


def person_of(segments: list[Segment], pid: Segment) -> RawPerson:
    """Return what the message says of the person; items in empty fields are `None`, deleted ones are empty."""
    return RawPerson(
        names=_names(pid),
        birth_date=_date(pid, 7),
        death_date=_date(pid, 29),
        birth_order=_birth_order(pid),
        sex="" if pid.deleted(8) else (pid.component(8, 1) or None),
        identifiers=_identifiers(pid),
        whereabouts=_whereabouts(pid),
        carers=_carers(segments),
        primary_care=_primary_care(segments),
    )


def dropped_fields(segments: list[Segment]) -> tuple[str, ...]:
    """Return the names of segments and PID fields that hold something and are not taken."""
    names = [segment.name for segment in segments if segment.name not in _TAKEN]
    for segment in segments:
        if segment.name == "PID":
            names += [f"PID-{number}" for number in segment.filled(_PID_FORBIDDEN)]
    return tuple(names)


def _date(segment: Segment, number: int) -> str | None:
    """Return a date as ISO text: the time of day and everything after it are left out."""
    if segment.deleted(number):
        return ""
    written = segment.component(number, 1)
    if not written:
        return None
    digits = written[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if digits.isdecimal() and len(digits) == 8 else written


def _birth_order(pid: Segment) -> str | None:
    """Return the place in a multiple birth (PID-25); "" where it is said to be a single one (PID-24) or deleted.

    Some systems fill PID-25 for every birth, so it counts only where PID-24 says that there were several.
    """
    if pid.deleted(24) or pid.deleted(25):
        return ""
    several = pid.component(24, 1).upper()
    if several in _SEVERAL:
        return pid.component(25, 1) or None
    return "" if several else None


def _names(pid: Segment) -> tuple[RawName, ...] | None:
    if pid.deleted(5):
        return ()
    names: list[RawName] = []
    for part in pid.repetitions(5):
        if not any(part[:3]):
            continue
        kind = _NAME_KINDS.get(at(part, 7).upper(), "alias")
        if kind == "legal" and any(name.kind == "legal" for name in names):
            kind = "alias"
        names.append(RawName(kind=kind, family=at(part, 1), given=at(part, 2), middle=at(part, 3)))
    return tuple(names) or None


def _identifiers(pid: Segment) -> tuple[RawIdentifier, ...] | None:
    """Return the NHS number with its verification status (PID-32); the local id is the record's key already."""
    if pid.deleted(3):
        return ()
    status = pid.component(32, 1)
    verification = "verified" if status in _VERIFIED else "in_doubt" if status in _IN_DOUBT else "unverified"
    found = [
        RawIdentifier("nhs", at(part, 1), verification)
        for part in pid.repetitions(3)
        if at(part, 5) in _NHS_TYPES or at(part, 4) == "NHS"
    ]
    return tuple(found) or None


def _whereabouts(pid: Segment) -> RawWhereabouts | None:
    """Return the home address, else the first; type BA is a bad address, which is only the last known one."""
    if pid.deleted(11):
        return RawWhereabouts(status="")
    found = [part for part in pid.repetitions(11) if any(part[:5])]
    if not found:
        return None
    by_use = {at(part, 7): part for part in reversed(found)}
    chosen = next((by_use[use] for use in _HOME if use in by_use), found[0])
    return RawWhereabouts("last_known" if at(chosen, 7) == "BA" else "current", _address(chosen))


def _address(part: list[str]) -> RawAddress:
    return RawAddress(tuple(filter(None, part[:2])), at(part, 3), at(part, 5))


def _primary_care(segments: list[Segment]) -> RawPrimaryCare | None:
    for segment in segments:
        if segment.name == "PD1":
            if segment.deleted(3):
                return RawPrimaryCare()
            practice, code = segment.component(3, 1), segment.component(3, 3)
            return RawPrimaryCare(practice, code) if practice or code else None
    return None


def _carers(segments: list[Segment]) -> tuple[RawCarer, ...] | None:
    """Return the parents, guardians and carers among the next of kin; other relatives are not permitted items."""
    kin = [segment for segment in segments if segment.name == "NK1"]
    if not kin:
        return None
    carers = []
    for segment in kin:
        names = segment.repetitions(2)
        if segment.component(3, 1).upper() not in _CARERS or not names:
            continue
        phones = tuple(filter(None, (at(part, 1) for part in segment.repetitions(5))))
        addresses = [part for part in segment.repetitions(4) if any(part[:5])]
        contact = RawContact(phones, "", _address(addresses[0]) if addresses else None)
        name = RawName(family=at(names[0], 1), given=at(names[0], 2), middle=at(names[0], 3))
        carers.append(RawCarer(name, segment.component(3, 2) or segment.component(3, 1), "", contact))
    return tuple(carers)
