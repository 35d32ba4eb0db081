"""The feeds of a world: a directory of files and a TOML file of settings for each, as `contactpoint run` reads them."""

from __future__ import annotations

from pathlib import Path

from contactpoint.world.hl7_files import facility, trust_source
from contactpoint.world.places import authority_code, authority_name
from contactpoint.world.yot_files import layout_of, yot_source

_COMMON = """# Written by `contactpoint simulate`.
name = "{name}"
connector = "{connector}"
directory = "{name}"
source = "{source}"
accept_synthetic = true
"""


def _write(root: Path, name: str, connector: str, source: str, rest: str = "", *, of: int | None = None) -> Path:
    """Write the settings of a feed, of the authority `of` if it is one's; return the folder of its files."""
    folder = root / name
    folder.mkdir(parents=True)
    text = _COMMON.format(name=name, connector=connector, source=source)
    text += "" if of is None else f'authority = "{authority_code(of)}"\n'
    text += rest
    (root / f"{name}.toml").write_text(text, "utf-8", newline="")
    return folder


def schools_feed(root: Path, authority: int) -> tuple[str, Path]:
    """Make the feed of an authority's schools; return its name and folder."""
    name = f"schools-{authority_code(authority)}"
    return name, _write(root, name, "ctf", "school-{lea}{estab}", of=authority)


def health_feed(root: Path, trust: int, authority: int | None) -> tuple[str, Path]:
    """Make the feed of a trust, which an authority has to itself or (None) many share; return its name and folder."""
    name = f"health-{facility(trust).lower()}"
    return name, _write(root, name, "hl7_adt", trust_source(trust).replace(facility(trust), "{facility}"), of=authority)


def yot_feed(root: Path, team: int) -> tuple[str, Path]:
    """Make a youth offending team's feed, with the mapping of its supplier's columns; return its name and folder."""
    name, layout = f"yot-{authority_code(team)}", layout_of(team)
    delimiter = layout.delimiter.replace("\t", "\\t")
    rest = f"""
[yot_csv]
encoding = "{layout.encoding}"
delimiter = "{delimiter}"
date_format = "{layout.date_format}"
full_refresh = true
max_withdrawn_share = 0.5
extracted_at = '_(\\d{{14}})\\.csv$'
service = "Youth offending team of {authority_name(team)}"

[yot_csv.columns]
"""
    rest += "".join(f'{item} = "{heading}"\n' for item, heading in layout.columns)
    return name, _write(root, name, "yot_csv", yot_source(team), rest, of=team)


def eborders_feed(root: Path) -> tuple[str, Path]:
    """Make the feed of all carriers' passenger lists; return its name and folder."""
    return "eborders", _write(root, "eborders", "paxlst", "eborders-{carrier}")
