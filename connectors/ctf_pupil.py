"""One `Pupil` element of a Common Transfer File as permitted items."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from connectors.raw import (
    RawAddress,
    RawCarer,
    RawContact,
    RawEducation,
    RawIdentifier,
    RawName,
    RawPerson,
    RawWhereabouts,
)

# Elements of Pupil and BasicDetails that this reader takes something from; every other one is dropped by name.
_PUPIL = frozenset(
    "ApplicationReference UPN UniqueLearnerNumber Surname Forename DOB Sex Gender BasicDetails Address Contacts"
    " SchoolHistory".split()
)
_BASIC = frozenset("FormerUPN PreferredSurname PreferredForename FormerSurname FormerForename MiddleNames".split())
_WITHOUT_RESPONSIBILITY = "Contact without parental responsibility"

Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type of its elements


@dataclass(frozen=True, slots=True)
class School:
    """The sending school, from the file's header."""

    lea: str
    estab: str
    name: str

    @property
    def code(self) -> str:
        """The school's seven-character code, local authority and establishment."""
        return f"{self.lea}{self.estab}"


def child(element: Element | None, name: str) -> Element | None:
    """Return the first child element of this name."""
    return None if element is None else next(element.iterchildren(name), None)


def text(element: Element | None, name: str) -> str:
    """Return the text of the first child element of this name, trimmed; empty when there is none."""
    found = child(element, name)
    return (found.text or "").strip() if found is not None else ""


class Parts:
    """An element's children by name, the first of each, read once: much faster than a search for each."""

    __slots__ = ("_found", "names")

    def __init__(self, element: Element | None) -> None:
        self._found: dict[str, Element] = {}
        self.names: list[str] = []
        for one in element if element is not None else ():
            name = str(one.tag)
            self.names.append(name)
            self._found.setdefault(name, one)

    def text(self, name: str) -> str:
        """Return the text of a child, trimmed; empty when there is none."""
        found = self._found.get(name)
        return (found.text or "").strip() if found is not None else ""

    def parts(self, name: str) -> Parts:
        """Return the children of a child; none when there is no such child."""
        return Parts(self._found.get(name))

    def all(self, name: str, inner: str) -> list[Parts]:
        """Return every `inner` element of a child."""
        found = self._found.get(name)
        return [Parts(one) for one in found.iterchildren(inner)] if found is not None else []

    def __contains__(self, name: str) -> bool:
        return name in self._found


def pupil_person(pupil: Parts, school: School) -> tuple[RawPerson, tuple[str, ...]]:
    """Return the pupil's permitted items and the names of the elements that were dropped."""
    basic = pupil.parts("BasicDetails")
    home = _address(pupil.parts("Address"))
    carers, refused = _carers(pupil, home)
    person = RawPerson(
        names=_names(pupil, basic),
        birth_date=pupil.text("DOB"),
        sex=pupil.text("Sex") or pupil.text("Gender"),
        identifiers=_identifiers(pupil, basic),
        whereabouts=None if home is None else RawWhereabouts(address=home),
        carers=carers,
        education=_education(pupil, school),
    )
    return person, (*_dropped(pupil, basic), *refused)


def _dropped(pupil: Parts, basic: Parts) -> list[str]:
    names = [name for name in pupil.names if name not in _PUPIL]
    return names + [f"BasicDetails/{name}" for name in basic.names if name not in _BASIC]


def _names(pupil: Parts, basic: Parts) -> tuple[RawName, ...]:
    family, given = pupil.text("Surname"), pupil.text("Forename")
    names = [RawName(family=family, given=given, middle=basic.text("MiddleNames"))]
    for kind, word in (("preferred", "Preferred"), ("former", "Former")):
        other_family, other_given = basic.text(f"{word}Surname"), basic.text(f"{word}Forename")
        if (other_family and other_family != family) or (other_given and other_given != given):
            names.append(RawName(kind=kind, family=other_family or family, given=other_given or given))
    return tuple(names)


def _identifiers(pupil: Parts, basic: Parts) -> tuple[RawIdentifier, ...]:
    found = (
        ("upn", pupil.text("UPN")),
        ("former_upn", basic.text("FormerUPN")),
        ("uln", pupil.text("UniqueLearnerNumber")),
    )
    return tuple(RawIdentifier(scheme, value) for scheme, value in found if value)


def _address(address: Parts) -> RawAddress | None:
    """Read either form of an address: BS7666 with its parts, or up to five lines."""
    if not address.names:
        return None
    postcode = address.text("PostCode") or address.text("Zip")
    if "BS7666Address" in address:
        parts = address.parts("BS7666Address")
        street = " ".join(filter(None, (parts.text("PAON"), parts.text("Street"))))
        lines = filter(None, (parts.text("SAON"), street, parts.text("Locality")))
        town = parts.text("Town") or parts.text("PostTown")
        return RawAddress(tuple(lines), town, postcode, parts.text("UniquePropertyReferenceNumber"))
    written = address.parts("AddressLines")
    lines = filter(None, (written.text(f"AddressLine{number}") for number in range(1, 6)))
    return RawAddress(tuple(lines), "", postcode)


def _carers(pupil: Parts, home: RawAddress | None) -> tuple[tuple[RawCarer, ...], list[str]]:
    """Return who has parental responsibility or lives with the pupil; other contacts are not permitted items."""
    carers, refused = [], []
    for contact in pupil.all("Contacts", "Contact"):
        responsible = contact.text("Responsibility").lower()
        address = contact.parts("Address")
        same_home = "AddressAsPupil" in address
        if responsible not in ("true", "1") and not same_home:
            refused.append(_WITHOUT_RESPONSIBILITY)
            continue
        phones = tuple(filter(None, (phone.text("PhoneNo") for phone in contact.all("Phones", "Phone"))))
        name = RawName(
            family=contact.text("Surname"), given=contact.text("Forename"), middle=contact.text("MiddleNames")
        )
        reach = RawContact(phones, contact.text("Email"), home if same_home else _address(address))
        carers.append(RawCarer(name, contact.text("Relationship"), responsible, reach))
    return tuple(carers), refused


def _education(pupil: Parts, school: School) -> tuple[RawEducation, ...]:
    """Return the sending school and the schools of the history, with entry and leaving dates where given."""
    history = {}
    for entry in pupil.all("SchoolHistory", "School"):
        code = entry.text("LEA") + entry.text("Estab")
        history[code] = RawEducation(
            institution=entry.text("SchoolName") or code,
            institution_code=code,
            start=entry.text("EntryDate"),
            end=entry.text("LeavingDate"),
        )
    if school.code not in history:
        history[school.code] = RawEducation(institution=school.name or school.code, institution_code=school.code)
    return tuple(history[code] for code in sorted(history))
