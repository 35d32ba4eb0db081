"""Answers as plain values: the merge tree of a child, and what would have to be otherwise for a split or a join."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from contactpoint.explaining.records import Known
from contactpoint.explaining.sight import WITHHELD, Sight, aliases
from matching.linkage.counterfactual import MOST_TRIES, Counterfactual, Piece, what_would_join, what_would_split
from matching.linkage.evidence import RULE_WORDS
from matching.linkage.merge_tree import merge_tree
from matching.linkage.model import CENTIBITS
from schemas.errors import RejectedError

Answer = dict[str, Any]


def tree_answer(known: Known, sight: Sight, at: datetime | None = None) -> Answer:
    """Return the steps by which the records came together, the mean weight at each, and what was in force.

    `agrees`: these steps end in the membership that matching had decided. Where the child is shielded and the asker has
    no right, weights are withheld and records have no keys; of severed identities there is no common tree.
    """
    sight.keep_apart(known.members)
    tree, evidence, hidden = merge_tree(known.evidence), known.evidence, sight.hides(known.members)
    name = aliases(known.members) if hidden else {key: key for key in known.members}
    keys = [name[key] for key in evidence.keys]
    steps = [
        {
            "step": number,
            "left": [keys[i] for i in join.left],
            "right": [keys[i] for i in join.right],
            "mean weight": WITHHELD if hidden else round(join.mean / CENTIBITS, 2),
            "because of": "weight" if join.decision is None else join.decision,
        }
        for number, join in enumerate(tree.joins, 1)
    ]
    return {
        "child": known.child_number,
        "at": at,
        "decided at": known.decided_at,
        "model": evidence.model.model_id,
        "threshold": evidence.model.mean_threshold / CENTIBITS,
        "records": [
            {"record": name[each.record]}
            | ({} if hidden else {"version": each.version, "received": each.received})  # they are times of its sources
            for each in known.records
        ],
        "decisions in force": sorted({each.decision for each in (*evidence.must, *evidence.cannot)}),
        "steps": steps,
        "groups": [[keys[i] for i in group] for group in tree.groups],
        "agrees": tree.groups == (tuple(range(len(known.members))),),
    }


def split_answer(known: Known, sight: Sight) -> Answer:
    """Return the fewest edges and decisions without which the records are no longer one child.

    Raises RejectedError for a shielded child without the right: which edges bear the weight tells what agrees.
    """
    sight.demand_right(known.members)
    if len(known.members) < 2:
        raise RejectedError("one_record", f"child {known.child_number} has one record: there is nothing to split")
    return {"child": known.child_number, "question": "split"} | _answer(known, what_would_split(known.evidence))


def join_answer(known: Known, left: Sequence[str], right: Sequence[str], sight: Sight) -> Answer:
    """Return the fewest agreements, and decisions to take back, with which both sides' records would be one child."""
    sight.demand_right(known.members)
    place = {key: i for i, key in enumerate(known.evidence.keys)}
    one, two = ([place[key] for key in side] for side in (left, right))
    found = what_would_join(known.evidence, one, two)
    answer = {"children": known.child_number, "question": "join"} | _answer(known, found)
    across = [known.evidence.pair(a, b) for a in one for b in two]
    return answer | {
        "mean weight now": round(float(known.evidence.weights[across].mean()) / CENTIBITS, 2),
        "a blocking rule brings them together": bool(known.evidence.found[across].any()),
    }


def _answer(known: Known, found: Counterfactual) -> Answer:
    keys = known.evidence.keys
    return {
        "model": known.evidence.model.model_id,
        "threshold": known.evidence.model.mean_threshold / CENTIBITS,
        "possible": found.holds,
        "pieces": [_piece(piece, known) for piece in found.pieces],
        "then": [[keys[i] for i in group] for group in found.groups],
        "search": f"exact: no smaller set does ({found.tried} sets tried)"
        if found.exact
        else f"step by step, beyond {MOST_TRIES} sets: a smaller set may do",
    }


def _piece(piece: Piece, known: Known) -> Answer:
    pair = [known.evidence.keys[i] for i in piece.pair] if piece.pair else []
    match piece.kind:
        case "edge" if piece.pair is not None:
            weight = int(known.evidence.weights[known.evidence.pair(*piece.pair)])
            return {"what": "edge", "of": pair, "weight": weight / CENTIBITS}
        case "decision":
            event = known.decisions.get(piece.name)
            about = [event.subject, event.reason, event.by] if event else [piece.name]
            return {"what": "decision" if event else "source merge", "of": [piece.name, *about], "weight": None}
        case "rule":
            return {"what": RULE_WORDS[piece.name], "of": pair, "weight": None}
        case _:
            return {"what": "agreement", "of": [piece.name], "weight": None}
