"""The linkage model that ships: trained on a simulated world by agreement of identifiers, tried on another world.

Training sees only what matching sees (record events), never the simulator's truth; the truth is asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from contactpoint.model_tools.quality import Quality, Truth, measure
from contactpoint.world import WorldSettings
from contactpoint.world.population import populate
from contactpoint.world.stream import value_stream
from contactpoint.world.truth import birth_groups, person_id
from matching.changes import SourceChange
from matching.estimation.specification import untrained_model
from matching.estimation.thresholds import with_threshold
from matching.estimation.training import Trained, train_by_identifiers
from matching.features import FIELDS, ChangeReader
from matching.linkage.batch import link_all
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.marks import Marks
from matching.linkage.model import NULL_LEVEL, BlockingRule, Field, LinkageModel, Sign, SourcePolicy, TwinRule
from matching.linkage.similarity import (
    DATE_EXACT,
    DATE_SWAPPED,
    NAME_EXACT,
    NAME_NEAR,
    NAME_SWAPPED,
    NAME_VARIANT,
    SAME,
)

Report = Callable[[str], None]

LIVE_COMPONENT_CAP = 300
"""Records of one connected component in the live pipeline: a child has about five."""

# A school, trust or team means to hold each child once and sometimes holds one twice; a carrier has a record a flight.
POLICIES = (
    SourcePolicy("school", "soft"),
    SourcePolicy("health", "soft"),
    SourcePolicy("yot", "soft"),
    SourcePolicy("eborders", "none"),
)

# Twins agree on all but the forename, and more often than a child is known by two forenames that are nothing alike.
# Instead of a weight this is a constraint: what it keeps apart becomes a question where all else agrees.
TWINS = TwinRule("birth_date", "surname", "given", ("postcode", "address"), ("nhs", "upn", "uln"))

# Whoever has a shielded child's birth date, or both names or their sound, is compared with that child.
SHIELD_RULES = tuple(
    BlockingRule(f"shield: {'+'.join(parts)}", parts)
    for parts in (("birth_date",), ("sorted(given, surname)",), ("soundex(given)", "soundex(surname)"))
)

# One birth date and one forename, and no other sex: in doubt even where surname, home and carer are all strange, as
# after a flight. For each shielded child that holds one unrelated record in a million, where the floor holds seventeen.
# A date whose day and month changed places is the same date to whoever wrote it.
SHIELD_SIGNS = tuple(
    Sign(
        name,
        (
            ("birth_date", (level,)),
            ("given", (NAME_VARIANT, NAME_NEAR, NAME_SWAPPED, NAME_EXACT)),
            ("sex", (NULL_LEVEL, SAME)),
        ),
    )
    for name, level in (
        ("one birth date and forename", DATE_EXACT),
        ("one forename and a birth date with day and month exchanged", DATE_SWAPPED),
    )
)

# Few pairs a record, so that linking keeps up with the feeds: each rule stands on two or more exact or coarse parts.
BLOCKING = (
    ("nhs",),
    ("upn",),
    ("uln",),
    ("birth_date", "given"),
    ("birth_date", "surname"),
    ("birth_date", "postcode"),
    ("sorted(given, surname)", "year(birth_date)"),
    ("soundex(surname)", "first3(given)", "postcode"),
    ("given", "postcode"),
    ("given", "carer"),
    ("soundex(given)", "soundex(surname)", "month_day(birth_date)"),
)


@dataclass(frozen=True, slots=True)
class Records:
    """The newest version of every record of a world: keys, columns, marks and people in step."""

    keys: list[str]
    columns: RecordColumns
    marks: Marks
    people: list[int]


def untrained_children_model() -> LinkageModel:
    """Return the model's fields, comparisons and source policies before training."""
    fields = [Field(name, kind) for name, kind in FIELDS.items()]
    rules = tuple(BlockingRule("+".join(parts), parts) for parts in BLOCKING)
    model = untrained_model("children", fields, POLICIES)
    return replace(model, blocking_rules=rules, twins=TWINS, shield_rules=SHIELD_RULES, shield_signs=SHIELD_SIGNS)


def train_children_model(children: int, seed: int, on: date, say: Report) -> Trained:
    """Train on a world of this many children; `on` dates the model."""
    model = untrained_children_model()
    say(f"simulating {children:,} children")
    records = simulated_records(model, children, seed)
    trained = train_by_identifiers(records.columns, model, seed=seed, on=on, progress=say, dates_in_order=True)
    # The stop list names blocking keys of this world; in service it comes from the service's own frequencies. And what
    # is less likely than not goes to a person, though linking it would gain a little F1.
    cautious = with_threshold(trained.model, max(0, trained.model.link_threshold))
    live = replace(cautious, component_cap=LIVE_COMPONENT_CAP, stop_keys=())
    return replace(trained, model=live)


def try_children_model(model: LinkageModel, children: int, seed: int) -> Quality:
    """Link another world with the model and compare with its truth."""
    records = simulated_records(model, children, seed)
    clusters = link_all(records.columns, model, keys=records.keys, verified=records.marks).clusters.tolist()
    members: dict[int, list[str]] = {}
    for cluster, key in zip(clusters, records.keys, strict=True):
        members.setdefault(cluster, []).append(key)
    people = {key: person_id(child) for key, child in zip(records.keys, records.people, strict=True)}
    return measure(members.values(), Truth.of(people, _births(children, seed)))


def simulated_records(model: LinkageModel, children: int, seed: int) -> Records:
    """Return the newest live version of each record of a world, as matching would read it."""
    reader = ChangeReader(model)
    newest: dict[str, tuple[SourceChange, int]] = {}
    for event in value_stream(WorldSettings(children=children, seed=seed)):
        change = reader.read(event.value)
        held = newest.get(change.key)
        if held is None or (change.version, change.fingerprint) > (held[0].version, held[0].fingerprint):
            newest[change.key] = (change, event.child)
    live = [(change, child) for change, child in newest.values() if change.row is not None]
    columns = columns_of(model, [change.values for change, _ in live], [change.source for change, _ in live])
    marks = np.array([change.verified for change, _ in live], np.uint8)
    return Records([change.key for change, _ in live], columns, marks, [child for _, child in live])


def _births(children: int, seed: int) -> dict[str, int]:
    """Return the number of the multiple birth of each person who is a twin or triplet."""
    population = populate(WorldSettings(children=children, seed=seed))
    groups = birth_groups(population, np.arange(len(population.children), dtype=np.int64))
    return {person_id(child): int(groups[child]) for child in np.flatnonzero(groups >= 0).tolist()}
