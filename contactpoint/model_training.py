"""The linkage model that ships: trained on a simulated world by agreement of identifiers, tried on another world.

Training sees only what matching sees (record events), never the simulator's truth; the truth is asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from contactpoint.quality import Quality, measure_labels
from contactpoint.world import WorldSettings
from contactpoint.world.stream import value_stream
from matching.changes import SourceChange
from matching.estimation.specification import untrained_model
from matching.estimation.training import Trained, train_by_identifiers
from matching.features import FIELDS, ChangeReader
from matching.linkage.batch import link_all
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.model import BlockingRule, Field, LinkageModel, SourcePolicy

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

# Few pairs a record, so that linking keeps up with the feeds: each rule stands on two or more exact or coarse parts.
BLOCKING = (
    ("nhs",),
    ("upn",),
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
    """The newest version of every record of a world: keys, sources and values in step, and whose each is."""

    keys: list[str]
    columns: RecordColumns
    people: list[int]


def untrained_children_model() -> LinkageModel:
    """Return the model's fields, comparisons and source policies before training."""
    fields = [Field(name, kind) for name, kind in FIELDS.items()]
    rules = tuple(BlockingRule("+".join(parts), parts) for parts in BLOCKING)
    return replace(untrained_model("children", fields, POLICIES), blocking_rules=rules)


def train_children_model(children: int, seed: int, on: date, say: Report) -> Trained:
    """Train on a world of this many children; `on` dates the model."""
    model = untrained_children_model()
    say(f"simulating {children:,} children")
    records = simulated_records(model, children, seed)
    trained = train_by_identifiers(records.columns, model, seed=seed, on=on, progress=say)
    # The stop list names blocking keys of this world; in service it comes from the service's own frequencies.
    live = replace(trained.model, component_cap=LIVE_COMPONENT_CAP, stop_keys=())
    return replace(trained, model=live)


def try_children_model(model: LinkageModel, children: int, seed: int) -> Quality:
    """Link another world with the model and compare with its truth."""
    records = simulated_records(model, children, seed)
    return measure_labels(link_all(records.columns, model, keys=records.keys).clusters, records.people)


def simulated_records(model: LinkageModel, children: int, seed: int) -> Records:
    """Return the newest live version of each record of a world, as matching would read it."""
    reader = ChangeReader(model)
    newest: dict[str, tuple[SourceChange, int]] = {}
    for event in value_stream(WorldSettings(children=children, seed=seed)):
        change = reader.read(event.value)
        held = newest.get(change.key)
        if held is None or (change.version, change.fingerprint) > (held[0].version, held[0].fingerprint):
            newest[change.key] = (change, event.child)
    live = [(change, child) for change, child in newest.values() if change.values is not None]
    columns = columns_of(model, [change.values or () for change, _ in live], [change.source for change, _ in live])
    return Records([change.key for change, _ in live], columns, [child for _, child in live])
