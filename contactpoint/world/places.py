"""Made-up towns, streets and postcodes: an address is one number, and everything about it is arithmetic on that number.

The postcodes have a valid form in areas that Royal Mail has never used (their two letters are not among the 124 real
areas). Neighbouring addresses share a postcode by twenties and a street by forties, as in a town.
"""

from __future__ import annotations

ADDRESSES_IN_AN_AUTHORITY = 1 << 20
HOUSES_IN_A_STREET = 40
HOUSES_IN_A_POSTCODE = 20
STREETS_IN_A_TOWN = 60

_TOWN_STEMS = (
    "Quil Ven Oster Zel Tarn Brax Lum Istel Ovel Yarl Thrus Plum Wex Nettle Corv Drell Emb Harbin Jarl Skell".split()
)
_TOWN_ENDINGS = "bury moor wick mouth minster cott stow hythe thwaite reach".split()
_STREETS = """
High Station Church Mill Park Victoria Albert Green Manor Kings Queens School Windsor North South Springfield George
Stanley Chapel York Lilac Hawthorn Larch Willow Cedar Sycamore Acacia Rowan Maple Lime Cherry Orchard Meadow Brook
Bridge River Canal Forge Tanner Cooper Weaver Baker Castle Abbey Priory Bishop Nelson Wellington Milton Tennyson Byron
Kestrel Swallow Heron Linnet Falcon Harvest Barley Clover Bramble Fern Quarry Summit Prospect Union Market Temple
""".split()
_KINDS = "Road Street Avenue Close Lane Drive Way Grove Terrace Crescent Gardens Court".split()
_FIRST_LETTERS = "ZJY"
_SECOND_LETTERS = "ABCDFGHKLMNPQRTUVWXY"
_UNIT_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


def authority_code(authority: int) -> int:
    """Return the authority's three-digit code."""
    return 700 + authority


def authority_name(authority: int) -> str:
    """Return the authority's name."""
    stem = _TOWN_STEMS[authority % len(_TOWN_STEMS)]
    return f"{stem}{_TOWN_ENDINGS[(authority // len(_TOWN_STEMS) + 3) % len(_TOWN_ENDINGS)]}shire"


def _scramble(number: int) -> int:
    return (number * 2_654_435_761 >> 7) & 0xFFFF_FFFF


def postcode(address: int) -> str:
    """Return the address's postcode."""
    authority, place = divmod(address, ADDRESSES_IN_AN_AUTHORITY)
    unit = place // HOUSES_IN_A_POSTCODE
    area = _FIRST_LETTERS[authority // 20 % 3] + _SECOND_LETTERS[authority % 20]
    district = 1 + (authority // 60) * 15 + unit // 4000
    return f"{area}{district} {unit // 400 % 10}{_UNIT_LETTERS[unit // 20 % 20]}{_UNIT_LETTERS[unit % 20]}"


def street(address: int) -> str:
    """Return the name of the address's street."""
    mixed = _scramble(address // HOUSES_IN_A_STREET)
    return f"{_STREETS[mixed % len(_STREETS)]} {_KINDS[mixed // 1009 % len(_KINDS)]}"


def house(address: int) -> str:
    """Return the number of the house, with a letter for one in twelve."""
    place = address % HOUSES_IN_A_STREET + 1
    return f"{place}A" if _scramble(address) % 12 == 0 else str(place)


def flat(address: int) -> str:
    """Return the flat inside the house, for one address in nine; else nothing."""
    mixed = _scramble(address + 17)
    return f"Flat {mixed // 9 % 6 + 1}" if mixed % 9 == 0 else ""


def town(address: int) -> str:
    """Return the name of the address's town."""
    mixed = _scramble(address // (HOUSES_IN_A_STREET * STREETS_IN_A_TOWN) + 5)
    return _TOWN_STEMS[mixed % len(_TOWN_STEMS)] + _TOWN_ENDINGS[mixed // 101 % len(_TOWN_ENDINGS)]


def telephone(number: int) -> str:
    """Return a mobile number from the range that Ofcom keeps for drama (07700 900000 to 900999)."""
    return f"07700 900{number % 1000:03d}"
