"""Explanations of links that hold: what the matching tables know, in the words of the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shlex import join
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from contactpoint.explaining.links import strongest_links
from contactpoint.explaining.records import known_now, merges_of
from contactpoint.explaining.sight import EVERYTHING, WITHHELD, Sight, aliases, withhold_link
from contactpoint.explaining.statements import SOURCE_MERGE, decision_book, stated
from matching.linkage.evidence import Evidence
from matching.linkage.explain import Explanation, explain_levels
from matching.linkage.model import CENTIBITS, LinkageModel
from matching.stage.explain import LinkExplanation, explain_link
from schemas.decisions import DecisionEvent, kind_of

ONE_CHILD = "one child"
PRIOR = "two records that a blocking rule brings together, before they are compared"
NEVER_COMPARED = "no blocking rule of the model brings them together, so they were never compared"


def findings(pair: Explanation) -> list[dict[str, Any]]:
    """Return what was found, a row a comparison: its name, the level in words and the weight in bits."""
    rows = [("prior", PRIOR, pair.prior_weight)]
    rows += [(row.comparison, row.level, row.match_weight) for row in pair.rows]
    return [{"comparison": name, "finding": words, "weight": weight / CENTIBITS} for name, words, weight in rows]


def explain_child(
    connection: Connection[TupleRow],
    model: LinkageModel,
    child_number: str,
    decisions: Iterable[DecisionEvent] = (),
    sight: Sight = EVERYTHING,
) -> dict[str, Any]:
    """Return why the records of a child are one child now, as plain values: its `links`, what is `stated`.

    `unlinked` are records that no pair links, whatever holds them. Raises RejectedError for a number not in use.
    """
    made = list(decisions)
    known = known_now(connection, model, made, [child_number])
    chain, others = ([_link(known.evidence, place) for place in found] for found in strongest_links(known.evidence))
    linked = {key for link in chain for key in (link["left"], link["right"])}
    plain: dict[str, Any] = {
        "child_number": child_number,
        "members": list(known.members),
        "links": chain,
        "others": others,
        "unlinked": [key for key in known.members if key not in linked] if len(known.members) > 1 else [],
        "threshold": model.link_threshold / CENTIBITS,
        "stated": _statements(connection, made, known.members),
    }
    if not sight.hides(known.members):
        return plain
    names = aliases(known.members)
    links = {kind: [withhold_link(link, model, names) for link in plain[kind]] for kind in ("links", "others")}
    links["stated"] = [
        row | {"left": names[row["left"]], "right": names[row["right"]], "because of": WITHHELD}
        for row in plain["stated"]
    ]
    return plain | links | {kind: [names[key] for key in plain[kind]] for kind in ("members", "unlinked")}


def _link(evidence: Evidence, place: int) -> dict[str, Any]:
    compared = explain_levels(evidence.model, evidence.levels[place].tolist())
    return {
        "left": evidence.keys[evidence.left[place]],
        "right": evidence.keys[evidence.right[place]],
        "weight": compared.total / CENTIBITS,
        "model": compared.model_id,
        "findings": findings(compared),
    }


def explain_pair(
    connection: Connection[TupleRow],
    model: LinkageModel,
    pair: tuple[str, str],
    decisions: Iterable[DecisionEvent] = (),
    sight: Sight = EVERYTHING,
) -> dict[str, Any]:
    """Compare two records as they stand: each comparison's level and weight in bits, the total, and what decides.

    What people or a source state about the two outranks the weight. A record of a shielded child is unknown.
    """
    left, right = pair
    sight.keep_apart(pair)
    found = explain_link(connection, model, pair, sight.hidden)
    compared = found.explanation
    said = _statements(connection, decisions, pair)
    return {
        "left": left,
        "right": right,
        "children": [found.left_child, found.right_child],
        "together": found.together,
        "findings": findings(compared),
        "weight": compared.total / CENTIBITS,
        "probability": compared.match_probability,
        "threshold": compared.link_threshold / CENTIBITS,
        "decision of this pair alone": compared.decision,
        "held together by": [row["because of"] for row in said if row["says"] == ONE_CHILD],
        "kept apart by": why_apart(found, [row["because of"] for row in said if row["says"] != ONE_CHILD]),
        "model": compared.model_id,
    }


def why_apart(found: LinkExplanation, stated_apart: Sequence[str]) -> list[str]:
    """Return what keeps two records apart, in words, whatever they weigh; `stated_apart` are decisions that do."""
    apart = [] if found.apart is None else [f"the twins rule: {found.apart}"]
    apart += stated_apart
    if apart or found.together or found.explanation.decision != "link":
        return apart
    both = join([found.left_child, found.right_child])
    return [f"other records of the two: see `contactpoint explain {both} --join`" if found.blocked else NEVER_COMPARED]


def _statements(
    connection: Connection[TupleRow], decisions: Iterable[DecisionEvent], members: Sequence[str]
) -> list[dict[str, str]]:
    """Return what people and sources state about these records, as clustering obeys it, and which decision says so."""
    made = {event.event_id: event for event in decisions}
    must, cannot = stated(decision_book(made.values()), merges_of(connection, members), members)
    return [
        {"left": left, "right": right, "says": says, "because of": _decision_in_words(made.get(by), by)}
        for says, rows in ((ONE_CHILD, must), ("two children", cannot))
        for left, right, by in rows
    ]


def _decision_in_words(event: DecisionEvent | None, by: str) -> str:
    if event is None:
        return "the source's own merge" if by == SOURCE_MERGE else by
    approved = f", approved by {event.approved_by}" if event.approved_by else ""
    return f"{kind_of(event)} {by} by {event.by}{approved}: {event.reason}"
