"""The linkage model as data: fields, comparisons with m and u, blocking rules, thresholds, source policies.

A model is frozen, is written as one readable JSON file, and its `model_id` is a hash of everything in it that can
change a result. Match weights are whole numbers of 1/100 bit ("centibits"), so sums and ties never depend on the
order of addition.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from matching.linkage.model_checks import problems_of
from matching.linkage.operating import OperatingPoint
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONLY_SAID: Final = frozenset({"description", "created_on", "notes", "operating_points"})

Uniqueness = Literal["hard", "soft", "none"]

CENTIBITS: Final = 100
"""Weights are whole numbers of 1/CENTIBITS bit."""

SMALLEST_PROBABILITY: Final = 2.0**-30
"""m and u are never taken as smaller, so that every weight is finite (at most 30 bits either way)."""

NULL_LEVEL: Final = 0
"""The level code of a comparison in which either value is missing: no evidence, weight 0."""

_LATER: Final = frozenset(("possible_threshold", "shield_floor", "shield_rules", "shield_signs", "twins"))
"""Parts that older models lack: left out of the hash where they are empty, so that those keep their ids."""

MAX_COMPARISONS: Final = 16
MAX_LEVELS: Final = 16


def match_weight(m_probability: float, u_probability: float) -> int:
    """Return 100 log2(m/u) as a whole number: the evidence that one observed level gives (Fellegi and Sunter 1969)."""
    m = max(m_probability, SMALLEST_PROBABILITY)
    u = max(u_probability, SMALLEST_PROBABILITY)
    return round(CENTIBITS * (math.log2(m) - math.log2(u)))


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a record that the model looks at. `kind` names how it is folded (`normalise.FOLDERS`)."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ComparisonLevel:
    """One graded outcome of a comparison: its words for a reviewer, P(level | match) and P(level | non-match)."""

    label: str
    m_probability: float
    u_probability: float

    @property
    def match_weight(self) -> int:
        """Centibits that this level adds."""
        return match_weight(self.m_probability, self.u_probability)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute compared. `levels[code]` is the level with that code.

    Code 0 is the null level (either value missing), 1 is "anything else", and a higher code is a closer agreement;
    how many there are and what they mean is fixed by `kind` (`comparisons.KINDS`). `fields` are the model fields that
    it reads.
    """

    name: str
    kind: str
    fields: tuple[str, ...]
    levels: tuple[ComparisonLevel, ...]

    def with_probabilities(self, m: tuple[float, ...], u: tuple[float, ...]) -> Comparison:
        """Return the comparison with new m and u for the levels 1.. (the null level keeps no weight)."""
        if not len(m) == len(u) == len(self.levels) - 1:
            levels = len(self.levels) - 1
            msg = f"comparison {self.name!r} has {levels} levels; got {len(m)} m and {len(u)} u probabilities"
            raise ConfigurationError(msg)
        trained = (
            replace(level, m_probability=a, u_probability=b) for level, a, b in zip(self.levels[1:], m, u, strict=True)
        )
        return replace(self, levels=(self.levels[0], *trained))


@dataclass(frozen=True, slots=True)
class Sign:
    """Agreement that leaves a doubt whatever a pair weighs: each comparison in `when` shows one of its level codes."""

    name: str
    when: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class BlockingRule:
    """Records that agree on every part of a rule are compared with each other.

    A part is a field name (`"surname"`) or a function of fields (`"year(date_of_birth)"`, `"sorted(given_name,
    surname)"`); `blocking.PARTS` lists the functions. A record that lacks a part has no key of this rule.
    """

    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Whether a source holds each person once.

    `source` is a source name (`school-8012000`) or the part before its first hyphen (`school`), or `*` for all
    others. hard: two of its records are never one child. soft: such a pair loses `penalty` centibits in clustering.
    none: as any pair.
    """

    source: str
    unique: Uniqueness
    penalty: int = 600


@dataclass(frozen=True, slots=True)
class TwinRule:
    """The fields by which two children born together are told from one child (`twins.Twins`).

    `by_name`: unlike forenames at one place are enough. Without it, there must be two records of one source, two sexes,
    two numbers or two birth orders as well: among adults, two forenames are mostly one person's.
    """

    birth_date: str
    surname: str
    given: str
    places: tuple[str, ...]
    numbers: tuple[str, ...]
    by_name: bool = True


@dataclass(frozen=True)
class LinkageModel:
    """All that decides which records are one child, besides the records and people's decisions.

    Thresholds are total match weights in centibits, the prior's included, so 0 means an even chance. Pairs at or
    above `link_threshold` connect records into components; inside one, clusters are joined while their mean weight is
    at or above `cluster_threshold` (None: the link threshold; never above it). Pairs down to `review_floor` are kept
    as edges for explanation and review. `stop_keys` are hashes of blocking keys that are
    too common to say anything. `component_cap` is the largest connected component that is clustered as it stands
    (`components.linked_components`). `operating_points` is training's report: the precision and recall of clusters that
    it expects at each threshold that it tried, in order.

    What goes to people: `possible_threshold` (None: half way from the link threshold to the review floor) is the lowest
    weight of a possible link that is worth a question, `shield_floor` (None: five bits below the review floor) the
    lowest that leaves a record in doubt against a shielded child, whom `shield_rules` block more loosely. A pair with
    one of the `shield_signs` is in doubt at any weight. `twins` says how twins are kept apart.
    """

    description: str
    created_on: str
    fields: tuple[Field, ...]
    comparisons: tuple[Comparison, ...]
    blocking_rules: tuple[BlockingRule, ...]
    probability_two_random_records_match: float
    link_threshold: int
    review_floor: int
    cluster_threshold: int | None = None
    source_policies: tuple[SourcePolicy, ...] = ()
    stop_keys: tuple[int, ...] = ()
    component_cap: int = 300
    possible_threshold: int | None = None
    shield_floor: int | None = None
    shield_rules: tuple[BlockingRule, ...] = ()
    shield_signs: tuple[Sign, ...] = ()
    twins: TwinRule | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    operating_points: tuple[OperatingPoint, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a model that cannot be used, saying which part of it."""
        problems = problems_of(self, MAX_COMPARISONS, MAX_LEVELS)
        if problems:
            msg = f"linkage model cannot be used: {'; '.join(problems)}"
            raise ConfigurationError(msg)

    @cached_property
    def model_id(self) -> str:
        """Sixteen hex digits of SHA-256 over all that can change a result (not what is only said of the model)."""
        content = {
            k: v for k, v in asdict(self).items() if k not in _ONLY_SAID and (k not in _LATER or v not in (None, ()))
        }
        if self.twins is not None and self.twins.by_name:
            del content["twins"]["by_name"]  # older models lack it
        content["adjustments"] = ()  # older models had some: those without keep their ids
        return hashlib.sha256(_canonical(content)).hexdigest()[:16]

    @cached_property
    def field_index(self) -> dict[str, int]:
        """Position of each field in a record's tuple of values."""
        return {f.name: i for i, f in enumerate(self.fields)}

    @cached_property
    def level_weights(self) -> tuple[tuple[int, ...], ...]:
        """The match weight of each level of each comparison, in centibits."""
        return tuple(tuple(level.match_weight for level in each.levels) for each in self.comparisons)

    @cached_property
    def prior_weight(self) -> int:
        """Centibits of the prior odds: what a pair weighs before any comparison."""
        prior = self.probability_two_random_records_match
        return match_weight(prior, 1.0 - prior)

    @property
    def mean_threshold(self) -> int:
        """Centibits that the mean weight between two clusters needs for them to be joined."""
        return self.link_threshold if self.cluster_threshold is None else self.cluster_threshold

    @property
    def lowest_possible_link(self) -> int:
        """Centibits that a pair of two children needs for it to be worth a person's question."""
        halfway = (self.link_threshold + self.review_floor) // 2
        return halfway if self.possible_threshold is None else self.possible_threshold

    @property
    def lowest_doubt(self) -> int:
        """Centibits at which a record may still belong to a shielded child."""
        return self.review_floor - 5 * CENTIBITS if self.shield_floor is None else self.shield_floor

    @property
    def file_name(self) -> str:
        """`model_<date>_<hash>.json`."""
        return f"model_{self.created_on}_{self.model_id}.json"

    def uniqueness(self, source: str) -> SourcePolicy:
        """Return the policy of a source: by its name, else by the part before its first hyphen, else `*`, else none."""
        policies = {policy.source: policy for policy in self.source_policies}
        for name in (source, source.partition("-")[0], "*"):
            if name in policies:
                return policies[name]
        return SourcePolicy("*", "none", 0)


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
