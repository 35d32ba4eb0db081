"""Why records are one child: the evidence that identity events carry, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ComparisonInWords:
    """What one comparison of a model found: its name, the level in words, and the match weight that it adds (bits)."""

    comparison: str
    finding: str
    weight: float | None = None


class Vocabulary(Protocol):
    """Knows the words for the levels of a model's comparisons; the caller passes one that reads the model files."""

    def describe(self, model: str, levels: Sequence[int]) -> list[ComparisonInWords]:
        """Return one row a comparison of this model, in the model's order."""
        ...


class PlainVocabulary:
    """Numbers in place of words, for a model whose file is not at hand."""

    def describe(self, model: str, levels: Sequence[int]) -> list[ComparisonInWords]:
        """Return each comparison by its place in the model."""
        return [
            ComparisonInWords(f"{model}, comparison {place}", f"level {level}")
            for place, level in enumerate(levels, start=1)
        ]


@dataclass(frozen=True, slots=True)
class EvidencePair:
    """One compared pair as an identity event tells it; the weight is in bits."""

    left: str
    right: str
    weight: float
    levels: tuple[int, ...]
    model: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """One compared pair with its findings in words."""

    left: str
    right: str
    weight: float
    model: str
    event_id: str
    findings: tuple[ComparisonInWords, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why these records are one child.

    `links` is the strongest chain: the pairs with the highest weights that connect the records, one fewer than there
    are records unless some were joined without a comparison (a source's own merge, a person's decision): those are in
    `unlinked`. `others` are the remaining compared pairs, the weakest last.
    """

    child_number: str
    members: tuple[str, ...]
    links: tuple[Link, ...]
    others: tuple[Link, ...]
    unlinked: tuple[str, ...]


def explain(
    child_number: str, members: Sequence[str], pairs: Iterable[EvidencePair], vocabulary: Vocabulary
) -> Explanation:
    """Explain a membership by evidence pairs given from the earliest event to the latest; later ones count."""
    inside = set(members)
    latest: dict[Pair, EvidencePair] = {}
    for pair in pairs:
        if pair.left in inside and pair.right in inside:
            latest[min(pair.left, pair.right), max(pair.left, pair.right)] = pair
    strongest = sorted(latest.values(), key=lambda pair: (-pair.weight, pair.left, pair.right))
    chain, others, linked = _strongest_chain(strongest)
    return Explanation(
        child_number,
        tuple(members),
        tuple(_in_words(pair, vocabulary) for pair in chain),
        tuple(_in_words(pair, vocabulary) for pair in others),
        tuple(key for key in members if key not in linked) if len(members) > 1 else (),
    )


def _strongest_chain(
    strongest: Sequence[EvidencePair],
) -> tuple[list[EvidencePair], list[EvidencePair], set[str]]:
    """Return the pairs of a maximum spanning forest (Kruskal), the rest, and the records that a pair touches."""
    part: dict[str, set[str]] = {}
    chain: list[EvidencePair] = []
    others: list[EvidencePair] = []
    for pair in strongest:
        left = part.setdefault(pair.left, {pair.left})
        right = part.setdefault(pair.right, {pair.right})
        if left is right:
            others.append(pair)
            continue
        chain.append(pair)
        left |= right
        for key in right:
            part[key] = left
    return chain, others, set(part)


def _in_words(pair: EvidencePair, vocabulary: Vocabulary) -> Link:
    findings = tuple(vocabulary.describe(pair.model, pair.levels))
    return Link(pair.left, pair.right, pair.weight, pair.model, pair.event_id, findings)
