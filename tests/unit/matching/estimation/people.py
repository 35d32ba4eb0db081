"""A small made-up population with households, for tests of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.estimation.specification import untrained_model
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.model import Field, LinkageModel, SourcePolicy
from matching.linkage.normalise import FOLDERS

FIELDS = (
    Field("given", "given_name"),
    Field("surname", "surname"),
    Field("born", "date"),
    Field("postcode", "postcode"),
    Field("address", "address"),
    Field("number", "identifier"),
)
_SYLLABLES = tuple(c + v for c in "bdfgklmnprstvz" for v in "aeiou")


@dataclass(frozen=True)
class Population:
    """Records of people in two sources, and whose each is."""

    columns: RecordColumns
    model: LinkageModel
    people: np.ndarray[tuple[int], np.dtype[np.int64]]


def population(
    homes: int, *, copies: int = 2, errors: float = 0.1, numbers: float = 0.0, unique: bool = False, seed: int = 1
) -> Population:
    """Return households of one to five people, each recorded `copies` times, in sources a, b, …"""
    generator = np.random.default_rng(seed)
    names = ["".join(generator.choice(_SYLLABLES, 3)) for _ in range(600)]
    rows: list[tuple[str, ...]] = []
    sources: list[str] = []
    people: list[int] = []
    for home in range(homes):
        surname, street = str(generator.choice(names)), str(generator.choice(names))
        postcode = (
            f"AB{generator.integers(1, 40)} {generator.integers(1, 9)}{''.join(generator.choice(list('ABDEFGH'), 2))}"
        )
        for _ in range(generator.integers(1, 6)):
            person = people[-1] + 1 if people else 0
            born = f"{generator.integers(1940, 2015)}{generator.integers(1, 13):02d}{generator.integers(1, 29):02d}"
            true = (
                str(generator.choice(names)),
                surname,
                born,
                postcode,
                f"{home % 90 + 1} {street} road",
                f"{10**6 + 7 * person}",
            )
            for copy in range(copies):
                rows.append(tuple(_recorded(value, i, generator, errors, numbers) for i, value in enumerate(true)))
                sources.append("ab"[copy % 2] if copies == 2 else "a")
                people.append(person)
    policies = [SourcePolicy("*", "hard")] if unique else []
    fields = FIELDS if numbers else FIELDS[:-1]
    model = untrained_model("test", fields, policies)
    folded = [tuple(FOLDERS[f.kind](value) for f, value in zip(fields, row, strict=False)) for row in rows]
    return Population(columns_of(model, folded, sources), model, np.array(people, np.int64))


def _recorded(value: str, field: int, generator: np.random.Generator, errors: float, numbers: float) -> str:
    if field == len(FIELDS) - 1:
        return value if generator.random() < numbers else ""
    if generator.random() < errors / 4:
        return ""
    if generator.random() < errors:
        at = int(generator.integers(len(value)))
        return value[:at] + ("3" if value[at].isdigit() else "x") + value[at + 1 :]
    return value
