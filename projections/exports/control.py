"""Disclosure control: what may leave, as pure functions over generalised rows. It refuses; it never warns.

Counts: 1 to 7 become "*", others are rounded to 5 (the NHS's rule for hospital statistics below national level).
Records: k-anonymity (Sweeney 2002) over what somebody may know already, l-diversity (Machanavajjhala et al. 2007) of
what they would learn. Both: nothing that an earlier release leaves over when the two are subtracted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from projections.exports.specification import Column, ReleaseSpec

SUPPRESSED: Final = "*"
LARGEST_SUPPRESSED: Final = 7
ROUND_TO: Final = 5

Values = tuple[str, ...]
Cells = Mapping[Values, frozenset[str]]
"""The children (opaque tokens, the same in every release) behind each published cell or class of records."""


class Row(NamedTuple):
    """One child, generalised. `token` never leaves: it only tells whether two releases speak of the same child."""

    pseudonym: str
    token: str
    sex: str
    age: int | None
    authority: str
    whereabouts: str
    in_education: bool
    has_practice: bool


def value_of(row: Row, column: Column) -> str:
    """Return a row's value for a column of a release."""
    match column:
        case "age_stage":
            return _stage(row.age)
        case "age_five_years":
            return "not known" if row.age is None else f"{row.age // 5 * 5} to {row.age // 5 * 5 + 4}"
        case "in_education" | "has_practice":
            return "yes" if getattr(row, column) else "no"
        case _:
            return str(getattr(row, column))


def _stage(age: int | None) -> str:
    if age is None:
        return "not known"
    return next(name for below, name in _STAGES if age < below)


_STAGES = ((5, "under 5"), (11, "5 to 10"), (16, "11 to 15"), (200, "16 and over"))


def cells(rows: Iterable[Row], columns: Sequence[Column]) -> dict[Values, frozenset[str]]:
    """Return the children behind each combination of values."""
    found: defaultdict[Values, set[str]] = defaultdict(set)
    for row in rows:
        found[tuple(value_of(row, column) for column in columns)].add(row.token)
    return {values: frozenset(tokens) for values, tokens in found.items()}


def published_count(number: int) -> str:
    """Return a count as it is published: "*" for 1 to 7, otherwise the nearest multiple of 5."""
    if 1 <= number <= LARGEST_SUPPRESSED:
        return SUPPRESSED
    return str(ROUND_TO * ((number + ROUND_TO // 2) // ROUND_TO))


def published_cells(found: Cells, spec: ReleaseSpec) -> dict[Values, frozenset[str]]:
    """Return the cells of which a release says anything that could be subtracted: all but the suppressed counts."""
    if spec.kind == "records":
        return dict(found)
    return {values: tokens for values, tokens in found.items() if len(tokens) > LARGEST_SUPPRESSED}


def refusals(rows: Sequence[Row], spec: ReleaseSpec, earlier: Mapping[str, Cells]) -> list[str]:
    """Return why this release may not leave; an empty list lets it. `earlier` are the releases that have left."""
    columns = spec.quasi_identifiers if spec.kind == "records" else spec.columns
    found = cells(rows, columns)
    reasons = _of_records(rows, spec, found) if spec.kind == "records" else []
    if not found:
        reasons.append("there is no child in it")
    new = published_cells(found, spec)
    for release, old in sorted(earlier.items()):
        residues = sum(1 for _ in small_residues(new, old))
        if residues:
            reasons.append(
                f"subtracting it from release {release} leaves {residues} groups of 1 to {LARGEST_SUPPRESSED}: "
                "use the same day and coarser columns, or wait until more has changed"
            )
    return reasons


def _of_records(rows: Sequence[Row], spec: ReleaseSpec, classes: Cells) -> list[str]:
    reasons = []
    if not spec.quasi_identifiers:
        return ["records need at least one column that they are told apart by"]
    small = sum(1 for tokens in classes.values() if len(tokens) < spec.k)
    if small:
        reasons.append(
            f"{small} of {len(classes)} classes have fewer than {spec.k} children: leave out or coarsen a column"
        )
    for column in spec.sensitive:
        seen: defaultdict[Values, set[str]] = defaultdict(set)
        for row in rows:
            seen[tuple(value_of(row, c) for c in spec.quasi_identifiers)].add(value_of(row, column))
        alike = sum(1 for values in seen.values() if len(values) < spec.l)
        if alike:
            reasons.append(
                f"{column} has fewer than {spec.l} values in {alike} of {len(seen)} classes: leave it out, or coarsen"
            )
    return reasons


def small_residues(new: Cells, old: Cells) -> Iterable[tuple[Values, int]]:
    """Yield the cells from which subtraction across two releases leaves a group of 1 to 7 children.

    A reader can subtract from any cell the cells of the other release that lie wholly inside it, and can compare two
    cells of one definition.
    """
    for whole, parts in ((new, old), (old, new)):
        home = {token: values for values, tokens in parts.items() for token in tokens}
        for values, tokens in whole.items():
            shared = Counter(home[token] for token in tokens if token in home)
            inside = sum(count for part, count in shared.items() if count == len(parts[part]))
            if inside and 1 <= len(tokens) - inside <= LARGEST_SUPPRESSED:
                yield values, len(tokens) - inside
    for values in new.keys() & old.keys():
        for residue in (new[values] - old[values], old[values] - new[values]):
            if 1 <= len(residue) <= LARGEST_SUPPRESSED:
                yield values, len(residue)


def table(rows: Sequence[Row], spec: ReleaseSpec) -> list[Values]:
    """Return the release's rows, its header first, in an order that says nothing about the children."""
    if spec.kind == "counts":
        counted = cells(rows, spec.columns)
        body = [(*values, published_count(len(tokens))) for values, tokens in counted.items()]
        return [(*spec.columns, "children"), *sorted(body)]
    body = [(row.pseudonym, *(value_of(row, column) for column in spec.columns)) for row in rows]
    return [("pseudonym", *spec.columns), *sorted(body)]
