"""Small files of every source format and feeds that read them; shared by unit, contract and integration tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from connectors.base import NOTHING_READ
from connectors.identifiers import upn_check_letter
from connectors.raw import Item
from ingest.settings import FeedSettings

CR = "\r"


def upn(number: int) -> str:
    """Return a valid permanent UPN."""
    rest = f"801200005{number:03d}"
    return upn_check_letter(rest) + rest


def pupil(number: int, more: str = "", **changes: str) -> str:
    """Return one CTF pupil."""
    items = {
        "UPN": upn(number),
        "Surname": f"Family{number}",
        "Forename": f"Given{number}",
        "DOB": "2014-11-03",
        "Sex": "F",
    } | changes
    return "<Pupil>" + "".join(f"<{tag}>{text}</{tag}>" for tag, text in items.items()) + more + "</Pupil>"


def ctf(*pupils: str, time: str = "2026-03-02T09:15:00", declaration: str = "", end: str = "") -> str:
    """Return a Common Transfer File of school 8012000."""
    head = (
        f"{declaration}<CTfile><Header><DocumentName>Common Transfer File</DocumentName><CTFversion>25.0</CTFversion>"
        f"<DateTime>{time}</DateTime><SourceSchool><LEA>801</LEA><Estab>2000</Estab>"
        "<SchoolName>Hill School</SchoolName></SourceSchool></Header><CTFpupilData>\n"
    )
    return head + "\n".join(pupils) + (end or "</CTFpupilData></CTfile>")


def adt(
    number: int,
    *,
    event: str = "A28",
    time: str = "20260302091400",
    pid: str | None = None,
    header: str = "",
    more: Sequence[str] = (),
    end: str = CR,
) -> str:
    """Return one ADT message about patient `RX<number>` of trust RX1."""
    segments = [
        header or f"MSH|^~\\&|PAS|RX1|CP|CPHUB|20260302091500||ADT^{event}|MSG{number}|P|2.4",
        f"EVN|{event}|{time}",
        pid or f"PID|1||RX{number}^^^RX1^PI||Family{number}^Given{number}^^^^^L||20141103|F",
        *more,
    ]
    return end.join(segments) + end


YOT_HEADER = "YOTID,ClientID,Surname,Forename,DOB,Sex,NHSNumber,Offence,Worker,LastModified,IsDeleted"


def yot_row(number: int, **changes: str) -> str:
    """Return one row of a YOT extract."""
    items = {
        "YOTID": "1E01",
        "ClientID": f"{number:05d}",
        "Surname": f"Family{number}",
        "Forename": f"Given{number}",
        "DOB": "03/11/2009",
        "Sex": "M",
        "NHSNumber": "",
        "Offence": "theft",
        "Worker": "Pat Lee",
        "LastModified": "2026-03-02 09:15:00",
        "IsDeleted": "N",
    } | changes
    return ",".join(items[name] for name in YOT_HEADER.split(","))


def yot(*rows: str, header: str = YOT_HEADER) -> str:
    """Return a YOT extract."""
    return "\r\n".join((header, *rows)) + "\r\n"


def passenger(number: int, **changes: str) -> list[str]:
    """Return the segments of one passenger."""
    items = {"name": f"FAMILY{number}:GIVEN{number}", "sex": "F", "born": "141103", "ref": f"PAX{number:04d}"} | changes
    return [
        f"NAD+FL+++{items['name']}",
        f"ATT+2++{items['sex']}",
        f"DTM+329:{items['born']}",
        "GEI+4+173",
        "LOC+178+MAD",
        "NAT+2+GBR",
        f"RFF+ABO:{items['ref']}",
        "DOC+P:110:111+123456789",
    ]


def paxlst(*passengers: Sequence[str], made: str = "260302:0915", end: Sequence[str] | None = None) -> str:
    """Return a passenger list of flight XX123 on 2 March 2026, with the usual separators; its totals are right."""
    head = [
        f"UNB+UNOA:4+XXA:ZZ+HO:ZZ+{made}+1++APIS",
        "UNG+PAXLST+XXA:ZZ+HO:ZZ+260302:0915+1+UN+D:05B",
        "UNH+1+PAXLST:D:05B:UN:IATA+ref+01:F",
        "BGM+745",
        "NAD+MS+++REPORTER",
        "TDT+20+XX123+++XX",
        "LOC+125+MAD",
        "DTM+189:2603021015:201",
        "LOC+87+LHR",
        "DTM+232:2603021215:201",
    ]
    if end is None:
        length = len(head) - 2 + sum(map(len, passengers)) + 2  # from UNH to UNT
        end = (f"CNT+42:{len(passengers)}", f"UNT+{length}+1", "UNZ+1+1")
    segments = [*head, *(segment for one in passengers for segment in one), *end]
    return "".join(f"{segment}'" for segment in segments)


YOT_TABLE: dict[str, Any] = {
    "encoding": "utf-8",
    "columns": {
        "source_id": "ClientID",
        "surname": "Surname",
        "forename": "Forename",
        "date_of_birth": "DOB",
        "sex": "Sex",
        "nhs_number": "NHSNumber",
        "worker_name": "Worker",
        "last_modified": "LastModified",
        "is_deleted": "IsDeleted",
    },
}
FULL_REFRESH = {"full_refresh": True, "extracted_at": r"yot_(\d{14})\.csv"}
SOURCES = {
    "ctf": "school-{lea}{estab}",
    "hl7_adt": "trust-{facility}",
    "paxlst": "carrier-{carrier}",
    "yot_csv": "yot-{YOTID}",
}


def feed(connector: str, directory: Path, **settings: Any) -> FeedSettings:
    """Return a feed over a directory, with the settings that a test does not care about filled in."""
    if connector == "yot_csv":
        settings["yot_csv"] = YOT_TABLE | settings.get("yot_csv", {})
    defaults = {"name": f"feed-{connector.replace('_', '-')}", "source": SOURCES[connector], "accept_synthetic": True}
    return FeedSettings.model_validate(
        defaults | settings | {"connector": connector, "directory": directory, "pattern": "*"}
    )


def items_of(connector: str, directory: Path, content: str | bytes, name: str = "file", **settings: Any) -> list[Item]:
    """Write one file and return the items that the connector reads from it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
    batches = feed(connector, directory, **settings).connect().read(NOTHING_READ)
    return [item for batch in batches for item in batch.items]


MAKERS: dict[str, Callable[[int], str]] = {
    "ctf": lambda count: ctf(*map(pupil, range(1, count + 1))),
    "hl7_adt": lambda count: "".join(map(adt, range(1, count + 1))),
    "paxlst": lambda count: paxlst(*map(passenger, range(1, count + 1))),
    "yot_csv": lambda count: yot(*map(yot_row, range(1, count + 1))),
}
