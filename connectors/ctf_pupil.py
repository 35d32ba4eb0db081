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
    return None if element is None else element.find(name)


def text(element: Element | None, name: str) -> str:
    """Return the text of the first child element of this name, trimmed; empty when there is none."""
    if element is None:
        return ""
    found = element.findtext(name)
    return found.strip() if found else ""


def pupil_person(pupil: Element, school: School) -> tuple[RawPerson, tuple[str, ...]]:
    """Return the pupil's permitted items and the names of the elements that were dropped."""
    basic = child(pupil, "BasicDetails")
    carers, refused = _carers(pupil)
    person = RawPerson(
        names=_names(pupil, basic),
        birth_date=text(pupil, "DOB"),
        sex=text(pupil, "Sex") or text(pupil, "Gender"),
        identifiers=_identifiers(pupil, basic),
        whereabouts=_whereabouts(pupil),
        carers=carers,
        education=_education(pupil, school),
    )
    return person, _dropped(pupil, basic) + refused


def _dropped(pupil: Element, basic: Element | None) -> tuple[str, ...]:
    names = [str(one.tag) for one in pupil if one.tag not in _PUPIL]
    if basic is not None:
        names += [f"BasicDetails/{one.tag}" for one in basic if one.tag not in _BASIC]
    return tuple(names)


def _names(pupil: Element, basic: Element | None) -> tuple[RawName, ...]:
    family, given = text(pupil, "Surname"), text(pupil, "Forename")
    names = [RawName(family=family, given=given, middle=text(basic, "MiddleNames"))]
    for kind in ("preferred", "former"):
        other_family = text(basic, f"{kind.capitalize()}Surname")
        other_given = text(basic, f"{kind.capitalize()}Forename")
        if (other_family and other_family != family) or (other_given and other_given != given):
            names.append(RawName(kind=kind, family=other_family or family, given=other_given or given))
    return tuple(names)


def _identifiers(pupil: Element, basic: Element | None) -> tuple[RawIdentifier, ...]:
    found = (
        ("upn", text(pupil, "UPN")),
        ("former_upn", text(basic, "FormerUPN")),
        ("uln", text(pupil, "UniqueLearnerNumber")),
    )
    return tuple(RawIdentifier(scheme, value) for scheme, value in found if value)


def _whereabouts(pupil: Element) -> RawWhereabouts | None:
    address = _address(child(pupil, "Address"))
    return None if address is None else RawWhereabouts(address=address)


def _address(element: Element | None) -> RawAddress | None:
    """Read either form of an address: BS7666 with its parts, or up to five lines."""
    if element is None:
        return None
    postcode = text(element, "PostCode") or text(element, "Zip")
    parts = child(element, "BS7666Address")
    if parts is not None:
        street = " ".join(filter(None, (text(parts, "PAON"), text(parts, "Street"))))
        lines = filter(None, (text(parts, "SAON"), street, text(parts, "Locality")))
        town = text(parts, "Town") or text(parts, "PostTown")
        return RawAddress(tuple(lines), town, postcode, text(parts, "UniquePropertyReferenceNumber"))
    written = child(element, "AddressLines")
    lines = filter(None, (text(written, f"AddressLine{number}") for number in range(1, 6)))
    return RawAddress(tuple(lines), "", postcode)


def _carers(pupil: Element) -> tuple[tuple[RawCarer, ...], tuple[str, ...]]:
    """Return who has parental responsibility or lives with the pupil; other contacts are not permitted items."""
    carers, refused = [], []
    for contact in pupil.iterfind("Contacts/Contact"):
        responsible = text(contact, "Responsibility").lower()
        address = child(contact, "Address")
        same_home = child(address, "AddressAsPupil") is not None
        if responsible not in ("true", "1") and not same_home:
            refused.append(_WITHOUT_RESPONSIBILITY)
            continue
        phones = tuple(filter(None, (text(phone, "PhoneNo") for phone in contact.iterfind("Phones/Phone"))))
        home = _address(child(pupil, "Address")) if same_home else _address(address)
        carers.append(
            RawCarer(
                name=RawName(
                    family=text(contact, "Surname"),
                    given=text(contact, "Forename"),
                    middle=text(contact, "MiddleNames"),
                ),
                relationship=text(contact, "Relationship"),
                parental_responsibility=responsible,
                contact=RawContact(phones, text(contact, "Email"), home),
            )
        )
    return tuple(carers), tuple(refused)


def _education(pupil: Element, school: School) -> tuple[RawEducation, ...]:
    """Return the sending school and the schools of the history, with entry and leaving dates where given."""
    history = {}
    for entry in pupil.iterfind("SchoolHistory/School"):
        code = text(entry, "LEA") + text(entry, "Estab")
        history[code] = RawEducation(
            institution=text(entry, "SchoolName") or code,
            institution_code=code,
            start=text(entry, "EntryDate"),
            end=text(entry, "LeavingDate"),
        )
    if school.code not in history:
        history[school.code] = RawEducation(institution=school.name or school.code, institution_code=school.code)
    return tuple(history[code] for code in sorted(history))
