"""Lines of the checklist (facts/contactpoint-rules.md §6) about what comes in, what may be asked, and what goes out."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast, get_args

import click
import pytest

from connectors.postgres import sql_script
from connectors.raw import RawAddress, RawEducation, RawName, RawPerson, RawPrimaryCare, RawWhereabouts
from connectors.registry import FORMATS
from contactpoint.cli.app import every_command
from ingest.normalise import normalise
from ingest.policy import Policy
from ingest.settings import load_feed
from ingest.suppliers import ALL_ITEMS, SUPPLIERS, USUAL
from projections.approvals.api import openapi_document as approvals_document
from projections.exports.specification import RECIPIENTS, ReleaseSpec
from projections.service.contract import openapi_document
from schemas.access import AccessAction
from schemas.errors import ConfigurationError
from schemas.records import Identifier
from tests.factories.looks import listed_interfaces

ROOT = Path(__file__).parents[2]
FEED = 'name = "f"\nconnector = "{connector}"\ndirectory = "in"\nsource = "s"\nsupplier = "{supplier}"\n'
CHILD = RawPerson(
    names=(RawName(family="Khan", given="Ali"),),
    birth_date="2014-11-03",
    sex="M",
    whereabouts=RawWhereabouts(address=RawAddress(lines=("1 The Row",), postcode="ZB1 0AX")),
    education=(RawEducation(institution="Hill School"),),
    primary_care=RawPrimaryCare(practice="Mill Surgery"),
)
PROFILING = ("score", "risk", "rank", "profile", "cohort", "predict", "segment", "top", "similar")
LISTED = listed_interfaces()
DOCUMENTS = (openapi_document(), approvals_document())
# All that may be said to whatever shows children: who asks and why, which child is meant, or which case; never what a
# child is like (sex, school, service, age, authority of residence).
WHO_ASKS = {"by", "organisation", "role", "reason", "with_right", "purpose", "x-purpose-of-use", "x-reason", "output"}
WHICH_CHILD = {"child", "number", "numbers", "other", "child_number", "name", "surname", "forename", "family", "given"}
WHICH_CHILD |= {"birth_date", "postcode"}
WHICH_CASE = {
    "conflict",
    "request",
    "sample",
    "letter",
    "on",
    "minutes",
    "user",
    "since",
    "until",
    "limit",
}
WHICH_CASE |= {
    "ground",
    "investigation_acknowledged",
    "cursor",
    "model_file",
    "from_log",
    "disclosure",
    "release",
    "requested_by",
}
OF_QUESTIONS = {"authority", "kind", "state"}  # whose questions about records, not whose children
HOW_TOLD = {"archived", "at", "split", "join", "svg", "field", "fhir"}
# Who works on a question, a sample or a request has it for a reason.
CASE_IS_THE_REASON = {
    f"contactpoint {each}" for each in ("conflicts compare", "conflicts next", "sample next", "request show")
}
ROLES = sql_script("projections.sql", "roles")


@pytest.mark.parametrize("supplier", SUPPLIERS)
def test_line_04_a_supplier_gives_the_items_that_are_its_own_and_no_others(supplier: str) -> None:
    policy = replace(Policy(), items=SUPPLIERS[supplier].items)
    kept = normalise(CHILD, policy, date(2026, 3, 2))
    given = kept.person.model_dump(exclude_defaults=True).keys()
    assert given <= SUPPLIERS[supplier].items
    left_out = {"education", "primary_care", "whereabouts"} - SUPPLIERS[supplier].items
    assert {note.partition(":")[0] for note in kept.notes} >= left_out


def test_line_04_every_supplier_has_a_duty_a_law_and_permitted_items_only() -> None:
    assert all(each.law and each.items <= ALL_ITEMS for each in SUPPLIERS.values())
    assert {each.duty for each in SUPPLIERS.values()} == {"must", "may"}
    assert set(USUAL) == set(FORMATS)


@pytest.mark.parametrize(("connector", "supplier"), [("ctf", "recruitment_agency"), ("paxlst", "maintained_school")])
def test_line_04_a_feed_of_a_supplier_that_is_not_listed_is_refused(
    connector: str, supplier: str, tmp_path: Path
) -> None:
    feed = tmp_path / "feed.toml"
    feed.write_text(FEED.format(connector=connector, supplier=supplier))
    with pytest.raises(ConfigurationError, match="not listed for"):
        load_feed(feed)


def interfaces() -> list[str]:
    """Return every way in: routes of the services with their terms, and commands with their options."""
    found = {
        f"{method.upper()} {path}" for each in DOCUMENTS for path in each["paths"] for method in each["paths"][path]
    }
    return sorted([*found, *(f"contactpoint {command}" for command in commands(every_command(), ""))])


def commands(command: object, path: str) -> list[str]:
    """Return the full names of all commands below this one."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [path.strip()]
    return [name for key, each in inner.items() for name in commands(each, f"{path} {key}")]


def test_line_23_every_interface_is_on_a_list_that_somebody_has_read() -> None:
    assert interfaces() == list(LISTED), (
        "an interface came or went: read it against line 23, then change interfaces.txt"
    )


def test_every_interface_says_what_it_shows_of_a_child_by_which_right_and_what_the_trail_has_of_it() -> None:
    for name, (shows, *rest) in LISTED.items():
        assert shows in {"nothing", "pseudonyms", "child", "decision"}, name
        assert len(rest) == (0 if shows == "nothing" else 2), name
    assert {entry for _, _, entry in shown()} <= set(get_args(AccessAction))
    roles = {right for name, right, _ in shown() if name.startswith("contactpoint ")}
    assert all(f"contactpoint_{right}" in ROLES for right in roles)


def test_nobody_is_shown_a_child_without_a_name_and_a_reason() -> None:
    assert len(shown()) > 30
    for name, *_ in shown():
        if name.startswith("contactpoint "):
            needed = {each.name for each in command(name).params if each.required}
            assert {"by", "organisation"} <= needed, name
            assert "reason" in needed or name in CASE_IS_THE_REASON, name


def shown() -> list[tuple[str, str, str]]:
    """Return each interface that shows something of children, the right that it needs and its entry in the trail."""
    return [(name, rest[0], rest[1]) for name, (_, *rest) in LISTED.items() if rest]


def command(name: str) -> click.Command:
    """Return a command by its full name."""
    found: Any = every_command()
    for word in name.split()[1:]:
        found = found.commands[word]
    return cast("click.Command", found)


def test_line_23_no_interface_scores_ranks_or_picks_children_by_what_they_are() -> None:
    asked = {name: terms(name) for name, (shows, *_) in LISTED.items() if shows in {"child", "pseudonyms"}}
    allowed = WHO_ASKS | WHICH_CHILD | WHICH_CASE | OF_QUESTIONS | HOW_TOLD
    assert {term for each in asked.values() for term in each} == allowed
    assert {name for name, each in asked.items() if each & OF_QUESTIONS} == {
        "contactpoint conflicts list",
        "contactpoint conflicts next",
    }
    schemas = [schema for each in DOCUMENTS for schema in each["components"]["schemas"].values()]
    told = {term for schema in schemas for term in schema.get("properties", {})}
    assert len(told) > 20
    words = told.union(*map(terms, interfaces()))
    assert [name for name in words if any(word in name.lower() for word in PROFILING)] == []


def terms(name: str) -> set[str]:
    """Return the names of all that can be said to an interface."""
    if name.startswith("contactpoint "):
        return {str(each.name) for each in command(name).params}
    method, _, path = name.partition(" ")
    document = next(each for each in DOCUMENTS if path in each["paths"])
    said = document["paths"][path][method.lower()]
    named = {each["name"] for each in said.get("parameters", ())}
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    described = document["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    return named | set(described.get("properties", {}))


def test_line_24_nothing_leads_to_a_register_of_identities() -> None:
    assert sorted(FORMATS) == ["ctf", "hl7_adt", "paxlst", "yot_csv"]
    assert set(RECIPIENTS) == {
        "office-for-national-statistics", "department-for-education-statistics", "accredited-research-environment",
    }  # fmt: skip
    schemes = set(get_args(Identifier.model_fields["scheme"].annotation))
    assert schemes == {"nhs", "upn", "former_upn", "temporary_upn", "uln", "local"}
    words = " ".join((*ReleaseSpec.model_fields, *interfaces())).lower()
    assert not any(word in words for word in ("passport", "national_identity", "biometric", "visa", "nir"))


# What may open a connection by HTTP, and to whom; whatever else leaves goes to Kafka and PostgreSQL.
OUTBOUND = {
    "connectors/web.py": "for the two below",
    "deploy/check_vulnerabilities.py": "a developer's check: names and versions of the locked packages, to OSV",
    "projections/access/stamps.py": "the authority of time stamps: a hash",
    "projections/access/witness_server.py": "the witness of the trail: checkpoints",
    "projections/service/telling.py": "the mail server: that an investigation awaits a manager, nothing of a child",
    "projections/service/jwks.py": "the OpenID provider: its keys",
    "contactpoint/running/practice.py": "this machine: `contactpoint directory try`",
}
CLIENTS = {
    *("http.client", "urllib.request", "httpx", "requests", "aiohttp", "urllib3", "smtplib", "ftplib", "xmlrpc.client"),
    *("connectors.web", "websockets", "paramiko"),
}


def test_line_24_only_the_listed_modules_reach_out_by_http() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for part in ("contactpoint", "projections", "connectors", "ingest", "matching", "schemas", "deploy")
        for path in (ROOT / part).rglob("*.py")
        if CLIENTS & imported(path)
    }
    assert found == set(OUTBOUND)


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found
