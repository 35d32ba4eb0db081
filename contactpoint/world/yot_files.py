"""Youth offending teams' files: full CSV extracts, each team with its own columns, delimiter, dates and encoding.

The layouts stand for three suppliers (`facts/source-formats.md` §3). They also carry columns that must never get past
the connector (offences, assessments). One layout marks closed cases as deleted, the others leave them out.
"""

from __future__ import annotations

import csv
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from contactpoint.world import mistakes as wrong
from contactpoint.world.claims import BirthDate, Claims, claims, nhs_number, sibling
from contactpoint.world.ctf_files import PupilNumbers
from contactpoint.world.mistakes import misdial
from contactpoint.world.places import authority_code, telephone
from contactpoint.world.population import Population
from contactpoint.world.registers import Register, present
from contactpoint.world.truth import FeedTally, Ledger, Truth

_BEYOND_CP1252 = str.maketrans({"ł": "l", "Ł": "L", "\u0131": "i", "İ": "I", "đ": "d"})
_WORKERS = ("A. Fielding", "B. Okafor", "C. Marsh", "D. Rahman", "E. Lowe", "F. Singh", "G. Hart", "H. Nowak")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OTHER_COLUMNS = ("MainOffence", "AssetPlusScore")


@dataclass(frozen=True, slots=True)
class YotLayout:
    """One supplier's layout: our items in the order of its columns with their headings, and how it writes values."""

    columns: tuple[tuple[str, str], ...]
    delimiter: str
    encoding: str
    date_format: str
    sexes: tuple[str, str, str]
    upper_case_surnames: bool = False
    marks_deleted: bool = False


LAYOUTS = (
    YotLayout(
        (
            ("source_id", "ClientID"), ("surname", "Surname"), ("forename", "Forename"), ("middle_name", "MiddleName"),
            ("alias_surname", "AliasSurname"), ("date_of_birth", "DOB"), ("sex", "Sex"), ("upn", "UPN"),
            ("nhs_number", "NHSNumber"), ("address_1", "Addr1"), ("address_2", "Addr2"), ("address_3", "Addr3"),
            ("postcode", "Postcode"), ("case_opened", "CaseOpened"), ("worker_name", "WorkerName"),
            ("worker_phone", "WorkerPhone"), ("last_modified", "LastModified"), ("is_deleted", "IsDeleted"),
        ), ",", "utf-8", "%d/%m/%Y", ("F", "M", "U"), upper_case_surnames=True, marks_deleted=True,
    ),
    YotLayout(
        (
            ("source_id", "Case ref"), ("forename", "First name"), ("surname", "Family name"), ("sex", "Gender"),
            ("date_of_birth", "Date of birth"), ("address_1", "Address 1"), ("address_2", "Address 2"),
            ("address_3", "Address 3"), ("postcode", "Post code"), ("nhs_number", "NHS no"), ("upn", "Pupil no"),
            ("worker_name", "Key worker"), ("worker_phone", "Key worker tel"), ("case_opened", "Opened on"),
        ), ";", "cp1252", "%Y-%m-%d", ("Female", "Male", "Not known"),
    ),
    YotLayout(
        (
            ("source_id", "PERSON_ID"), ("surname", "SURNAME"), ("forename", "FORENAMES"), ("alias_surname", "AKA"),
            ("date_of_birth", "BIRTH_DT"), ("sex", "SEX_CD"), ("upn", "UPN"), ("address_1", "ADDR_LINE_1"),
            ("address_2", "ADDR_LINE_2"), ("address_3", "ADDR_TOWN"), ("postcode", "PCODE"),
            ("case_opened", "START_DT"), ("worker_name", "OFFICER"),
        ), "|", "utf-8", "%d-%b-%Y", ("2", "1", "9"), upper_case_surnames=True,
    ),
)  # fmt: skip


def layout_of(team: int) -> YotLayout:
    """Return the layout of a team's supplier."""
    return LAYOUTS[team % len(LAYOUTS)]


def yot_source(team: int) -> str:
    """Return the source of a team's records."""
    return f"yot-{authority_code(team)}"


class TeamWriter:
    """Writes one team's extracts."""

    def __init__(
        self, population: Population, register: Register, numbers: PupilNumbers, team: int, tally: FeedTally
    ) -> None:
        self._population = population
        self._register = register
        self._numbers = numbers
        self._team = team
        self._tally = tally
        self._ledger = Ledger(tally)
        self._layout = layout_of(team)
        self._everyone = register.rows_of(team)

    def write(self, folder: Path, truth: Truth) -> None:
        """Write all extracts of the team and the truth about its records."""
        for extract, day in enumerate(self._population.settings.dates):
            cases = self._open_cases(extract)
            if self._layout.marks_deleted:
                cases += self._closed_cases(extract)
            self._ledger.absent({self._key(case) for case in cases})
            broken = self._population.settings.delivery.broken_items if extract == 0 else 0
            stamp = f"{day + timedelta(days=1):%Y%m%d}023000"
            _write_file(folder / f"yot_{authority_code(self._team)}_{stamp}.csv", self._layout, cases, broken)
            self._tally.files += 1
            self._tally.items += broken
            self._tally.rejects += broken
        self._ledger.close(truth, self._population)

    def _key(self, case: dict[str, str]) -> str:
        return f"{yot_source(self._team)}:{case['source_id']}"

    def _open_cases(self, extract: int) -> list[dict[str, str]]:
        rows = self._everyone[present(self._register, self._everyone, extract)]
        made = claims(self._population, self._register, rows, extract)
        cases = [self._case(made, row) for row in range(len(rows))]
        shown = {item for item, _ in self._layout.columns}
        for child, case in zip(made.child.tolist(), cases, strict=True):
            content = "\x1f".join(value for item, value in case.items() if item in shown)
            self._ledger.observed(self._key(case), child, content)
        return cases

    def _closed_cases(self, extract: int) -> list[dict[str, str]]:
        register = self._register
        closed = self._everyone[register.until[self._everyone] == extract]
        cases = [{"source_id": client_id(number), "is_deleted": "Y"} for number in register.number[closed].tolist()]
        for case in cases:
            self._ledger.withdrawn(self._key(case))
        return cases

    def _case(self, made: Claims, row: int) -> dict[str, str]:
        """Return one case's items under our names, as this supplier writes them."""
        home, chance, layout = made.homes[row], made.chance[row], self._layout
        line = f"{home.house} {home.street}".strip()
        opened = self._population.settings.dates[0] - timedelta(days=30 + chance % 300)
        return {
            "source_id": client_id(int(self._register.number[made.rows[row]])),
            "surname": made.family[row].upper() if layout.upper_case_surnames else made.family[row],
            "forename": made.given[row],
            "middle_name": made.middle[row],
            "alias_surname": made.former_family[row],
            "date_of_birth": write_date(made.birth[row], layout.date_format),
            "sex": layout.sexes[made.sex[row]],
            "upn": given_pupil_number(self._population, self._numbers, made, row),
            "nhs_number": nhs_number(self._population, made, row)[0] if chance % 3 == 0 else "",
            "address_1": home.flat or line,
            "address_2": line if home.flat else "",
            "address_3": home.town,
            "postcode": home.postcode,
            "case_opened": opened.strftime(layout.date_format),
            "worker_name": _WORKERS[chance % len(_WORKERS)],
            "worker_phone": telephone(chance % len(_WORKERS)),
            "last_modified": f"{opened.isoformat()} 09:15:00",
            "is_deleted": "N",
        }


def client_id(number: int) -> str:
    """Return a client id with the leading zero that spreadsheets lose."""
    return f"0{number}"


def given_pupil_number(population: Population, numbers: PupilNumbers, made: Claims, row: int) -> str:
    """Return the unique pupil number that somebody outside the school gives: half of the time none."""
    child, kind, chance = int(made.child[row]), made.number_kind[row], made.chance[row]
    if kind == wrong.NUMBER_MISSING or chance // 8 % 2:
        return ""
    if kind == wrong.NUMBER_OF_SIBLING:
        return str(numbers.permanent[sibling(population, child)])
    right = str(numbers.permanent[child])
    return right[0] + misdial(right[1:], chance // 11) if kind == wrong.NUMBER_TYPO else right


def write_date(birth: BirthDate, form: str) -> str:
    """Return a date in the supplier's form, also one that does not exist; nothing when there is none."""
    if birth is None:
        return ""
    year, month, day = birth
    name = _MONTHS[month - 1] if month <= len(_MONTHS) else str(month)
    return (
        form.replace("%Y", f"{year:04d}").replace("%m", f"{month:02d}").replace("%d", f"{day:02d}").replace("%b", name)
    )


def _written(text: str, encoding: str) -> str:
    """Return the text without what the supplier's encoding cannot hold: letters lose their accents, not the reader."""
    if encoding == "utf-8":
        return text
    kept = []
    for letter in text.translate(_BEYOND_CP1252):
        try:
            letter.encode(encoding)
        except UnicodeEncodeError:
            kept.append(unicodedata.normalize("NFKD", letter)[0])
        else:
            kept.append(letter)
    return "".join(kept)


def _write_file(path: Path, layout: YotLayout, cases: list[dict[str, str]], broken: int) -> None:
    with path.open("w", encoding=layout.encoding, newline="") as file:
        rows = csv.writer(file, delimiter=layout.delimiter, lineterminator="\r\n")
        rows.writerow([*(heading for _, heading in layout.columns), *_OTHER_COLUMNS])
        for number in range(broken):
            rows.writerow([f"broken{number}", "row", "with too few fields"])
        for case in cases:
            items = [_written(case.get(item, ""), layout.encoding) for item, _ in layout.columns]
            rows.writerow([*items, "Not for this directory", "17"])
