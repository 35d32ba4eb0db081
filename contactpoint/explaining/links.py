"""Which compared pairs hold the records of a child together. Pure."""

from __future__ import annotations

import numpy as np

from matching.linkage.evidence import Evidence


def strongest_links(evidence: Evidence) -> tuple[list[int], list[int]]:
    """Return the places of the pairs in the strongest chain, and of the other ones, the strongest first.

    The pairs are those that linkage keeps: a blocking rule brings them together, and they reach the review floor. The
    chain is a maximum spanning forest of them (Kruskal): one fewer than there are records, unless some are held by
    no pair, but by what people or sources state.
    """
    kept = np.flatnonzero(evidence.found & (evidence.weights >= evidence.model.review_floor))
    group = np.arange(len(evidence.keys))
    chain: list[int] = []
    others: list[int] = []
    for place in kept[np.argsort(-evidence.weights[kept], kind="stable")].tolist():
        left, right = group[evidence.left[place]], group[evidence.right[place]]
        (others if left == right else chain).append(place)
        group[group == right] = left
    return chain, others
