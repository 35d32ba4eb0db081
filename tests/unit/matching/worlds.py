"""Small worlds of records that agree and disagree often, for tests of the core and the resident owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st

from matching.changes import ChangeKind, SourceChange
from matching.linkage.batch import link_all, score_pairs
from matching.linkage.columns import SEPARATOR, columns_of
from matching.linkage.comparisons import untrained_comparison
from matching.linkage.constraints import Constraints
from matching.linkage.decisions import Decision, DecisionBook, DecisionKind
from matching.linkage.model import BlockingRule, Field, LinkageModel, Sign, SourcePolicy, TwinRule
from matching.one_batch import Judgement, LiveRecord, judge
from schemas.identity import child_number

FIELDS = (
    Field("given_name", "given_name"),
    Field("surname", "surname"),
    Field("date_of_birth", "date"),
    Field("postcode", "postcode"),
    Field("nhs", "identifier"),
)
GIVEN = ("ANNA", "ANNE", "BEN", "BENJAMIN", "ANNA MARIA", "ANNA|HANNAH", "")
SURNAMES = ("SMITH", "SMYTH", "SMITH JONES", "ANNA", "SMITH|JONES", "")
DATES = ("20010203", "20010302", "20010204", "20010101", "19991231", "")
POSTCODES = ("AB12CD", "AB12CE", "AB13CD", "XY99ZZ", "")
NUMBERS = ("9434765919", "9434765918", "1234567881", "")
SOURCES = ("school-1", "school-2", "health-1", "yot-1")


def model(
    *,
    link_threshold: int = 200,
    cluster_threshold: int | None = None,
    review_floor: int = -400,
    policies: tuple[SourcePolicy, ...] = (SourcePolicy("school", "hard"), SourcePolicy("health", "soft", 300)),
    component_cap: int = 300,
    prior: float = 0.05,
    stop_keys: tuple[int, ...] = (),
    twins: TwinRule | None = None,
    shield_rules: tuple[BlockingRule, ...] = (),
    shield_signs: tuple[Sign, ...] = (),
) -> LinkageModel:
    """Return a model over FIELDS with the probabilities that training starts from."""
    comparisons = (
        untrained_comparison("given_name", "given_name", ("given_name", "surname")),
        untrained_comparison("surname", "surname", ("surname", "given_name")),
        untrained_comparison("date_of_birth", "date", ("date_of_birth",)),
        untrained_comparison("postcode", "postcode", ("postcode",)),
        untrained_comparison("nhs", "identifier", ("nhs",)),
    )
    rules = (
        BlockingRule("nhs", ("nhs",)),
        BlockingRule("birth and forename", ("date_of_birth", "given_name")),
        BlockingRule("birth and surname", ("date_of_birth", "surname")),
        BlockingRule("names and year", ("sorted(given_name, surname)", "year(date_of_birth)")),
        BlockingRule("first letter, sound, place", ("first(given_name)", "soundex(surname)", "postcode")),
    )
    return LinkageModel(
        description="test world",
        created_on="2026-11-23",
        fields=FIELDS,
        comparisons=comparisons,
        blocking_rules=rules,
        probability_two_random_records_match=prior,
        link_threshold=link_threshold,
        cluster_threshold=cluster_threshold,
        review_floor=review_floor,
        source_policies=policies,
        stop_keys=stop_keys,
        component_cap=component_cap,
        twins=twins,
        shield_rules=shield_rules,
        shield_signs=shield_signs,
    )


PLAIN = model(policies=())
WORLDS = [
    model(),
    model(link_threshold=300, cluster_threshold=100, policies=(SourcePolicy("*", "soft", 400),)),
    model(link_threshold=-100, review_floor=-100, policies=(), component_cap=5),
]
TWINS = TwinRule("date_of_birth", "surname", "given_name", ("postcode",), ("nhs",))
LOOSE = (BlockingRule("day", ("date_of_birth",)), BlockingRule("names", ("sorted(given_name, surname)",)))
SIGNS = (Sign("day and forename", (("date_of_birth", (5, 6, 7)), ("given_name", (4, 7)))),)
JUDGED_WORLDS = [
    model(twins=TWINS, shield_rules=LOOSE, shield_signs=SIGNS),
    model(link_threshold=300, cluster_threshold=100, policies=(SourcePolicy("*", "soft", 400),), shield_rules=LOOSE),
    model(link_threshold=-100, review_floor=-300, policies=(), component_cap=4, twins=TWINS),
]
ANNA = ("ANNA", "SMITH", "20010203", "AB12CD", "9434765919")
BEN = ("BEN", "JONES", "19991231", "XY99ZZ", "1234567881")


def observed(key: str, values: tuple[str, ...], version: int = 1, at: int | None = None) -> SourceChange:
    """Return what a source says of a record, received `at` (its version if not given)."""
    arrival = version if at is None else at
    row, source = SEPARATOR.join(values), key.partition(":")[0]
    return SourceChange(key, source, "observed", version, f"f{values}", arrival, f"{key}/{version}", row)


values = st.tuples(*(st.sampled_from(pool) for pool in (GIVEN, SURNAMES, DATES, POSTCODES, NUMBERS)))
"""The values of one record."""


@st.composite
def logs(draw: st.DrawFn, most_records: int = 14, most_changes: int = 40) -> list[SourceChange]:
    """Draw a log: versions of some records, observed, withdrawn and merged, in any order, with repeats."""
    keys = [f"{SOURCES[i % len(SOURCES)]}:{i:02}" for i in range(draw(st.integers(2, most_records)))]
    often: list[ChangeKind] = ["observed"] * 4
    kinds = st.sampled_from([*often, "withdrawn", "merged"])
    log = []
    for i in range(draw(st.integers(1, most_changes))):
        key, kind, version = draw(st.sampled_from(keys)), draw(kinds), draw(st.integers(1, 6))
        into = draw(st.sampled_from(keys)) if kind == "merged" else None
        row = SEPARATOR.join(draw(values)) if kind == "observed" else None
        # As the codec makes them: the fingerprint is a function of what the event says, the id of all of it.
        fingerprint = f"{kind}{into}{row}"
        event_id = f"{key} {version} {fingerprint} {i}"
        ingested_at, source = draw(st.integers(0, 6)), key.partition(":")[0]
        log.append(SourceChange(key, source, kind, version, fingerprint, ingested_at, event_id, row, into))
    return log


KEYS = [f"{SOURCES[i % len(SOURCES)]}:{i:02}" for i in range(9)]
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


@st.composite
def marked_logs(draw: st.DrawFn, most_changes: int = 24) -> list[SourceChange]:
    """Draw a log whose records also have authorities and verified numbers."""
    log = draw(logs(most_records=len(KEYS), most_changes=most_changes))
    marks = st.tuples(st.sampled_from(("", "north", "south")), st.sampled_from((0, 0, 1, 4, 5, 8)))
    found = []
    for change in log:
        authority, verified = draw(marks) if change.kind == "observed" else ("", 0)
        print_of = f"{change.fingerprint}{authority}{verified}"
        found.append(change._replace(authority=authority, verified=verified, fingerprint=print_of))
    return found


@st.composite
def decision_logs(draw: st.DrawFn, most: int = 8) -> list[Decision]:
    """Draw decisions of every kind about some records, retractions and days among them."""
    key, log = st.sampled_from(KEYS), list[Decision]()
    keys = st.lists(key, min_size=1, max_size=2, unique=True).map(tuple)
    kinds: list[DecisionKind] = [
        "must_link",
        "must_link",
        "cannot_link",
        "cannot_link",
        "severed",
        "shield",
        "shield",
        "retracted",
    ]
    kinds += ["retracted", "erasure", "clock"]
    for i in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(kinds))
        made = Decision(f"d{i}", kind, draw(st.integers(0, 9)))
        if kind in ("must_link", "cannot_link"):
            made = made._replace(left=(draw(key),), right=(draw(key),))
            made = made._replace(day=draw(st.sampled_from(("", "", *DAYS))), seen=draw(st.sampled_from(((), (100,)))))
        elif kind == "severed":
            made = made._replace(left=draw(keys), right=draw(keys))
        elif kind == "shield":
            made = made._replace(left=draw(keys))
        elif kind == "erasure":
            named = draw(keys)
            made = made._replace(left=named, versions=tuple(draw(st.integers(0, 6)) for _ in named))
        elif kind == "retracted":
            made = made._replace(target=f"d{draw(st.integers(0, most))}")
        else:
            made = made._replace(day=draw(st.sampled_from(DAYS)))
        log.append(made)
    return log


def judged(changes: Sequence[SourceChange], decisions: Sequence[Decision], world: LinkageModel) -> Judgement:
    """Return what all changes and decisions together come to, in one batch: the oracle."""
    book = DecisionBook()
    book.add(decisions)
    kept = [change for change in changes if not book.erases(change.key, change.version)]
    merges: dict[str, SourceChange] = {}
    for c in kept:
        known = merges.get(c.key)
        if c.kind == "merged" and (known is None or (c.version, c.fingerprint) > (known.version, known.fingerprint)):
            merges[c.key] = c
    first: dict[str, int] = {}
    for c in kept:
        at = book.erased[c.key][1] if c.key in book.erased else c.ingested_at
        first[c.key] = min(first.get(c.key, at), at)
    live = [
        LiveRecord(key, c.source, c.values, first[key], c.authority, c.verified)
        for key, c in newest(kept).items()
        if c.kind == "observed"
    ]
    return judge(live, {key: c.merged_into or "" for key, c in merges.items()}, book, world)


def newest(changes: Iterable[SourceChange]) -> dict[str, SourceChange]:
    """Return the newest version of each record: the rule, said once more in the plainest way."""
    state: dict[str, SourceChange] = {}
    for change in changes:
        known = state.get(change.key)
        if known is None or (change.version, change.fingerprint) > (known.version, known.fingerprint):
            state[change.key] = change
    return state


def one_batch(changes: Sequence[SourceChange], world: LinkageModel) -> dict[str, tuple[str, ...]]:
    """Return the memberships that one run of batch linkage over the newest versions gives: the oracle."""
    live = {key: c for key, c in newest(changes).items() if c.kind == "observed"}
    keys = sorted(live, reverse=True)
    if not keys:
        return {}
    columns = columns_of(world, [live[k].values for k in keys], [live[k].source for k in keys])
    must = np.array([(keys.index(a), keys.index(b)) for a, b in _merged_pairs(changes, live)], np.int64).reshape(-1, 2)
    clusters = link_all(columns, world, Constraints(must_link=must), keys).clusters.tolist()
    first = {key: min(c.ingested_at for c in changes if c.key == key) for key in keys}
    memberships = {}
    for label in set(clusters):
        members = sorted(key for key, cluster in zip(keys, clusters, strict=True) if cluster == label)
        founder = min(members, key=lambda key: (first[key], key))
        memberships[child_number(founder)] = tuple(members)
    return memberships


def batch_edges(changes: Iterable[SourceChange], world: LinkageModel) -> dict[tuple[str, str], int]:
    """Return the weights of all candidate pairs at or above the review floor that one batch run finds."""
    live = sorted((c for c in newest(changes).values() if c.kind == "observed"), key=lambda c: c.key)
    pairs, _ = score_pairs(columns_of(world, [c.values for c in live], [c.source for c in live]), world)
    found = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.weights.tolist(), strict=True)
    return {(live[a].key, live[b].key): weight for a, b, weight in found}


def _merged_pairs(changes: Iterable[SourceChange], live: dict[str, SourceChange]) -> list[tuple[str, str]]:
    """Return all pairs of live records that the newest merges connect."""
    merges: dict[str, SourceChange] = {}
    for c in changes:
        known = merges.get(c.key)
        if c.kind == "merged" and (known is None or (c.version, c.fingerprint) > (known.version, known.fingerprint)):
            merges[c.key] = c
    group = {key: {key} for c in merges.values() for key in (c.key, c.merged_into or "")}
    for c in merges.values():
        joined = group[c.key] | group[c.merged_into or ""]
        for key in joined:
            group[key] = joined
    return [(a, b) for a in group for b in group[a] if a < b and a in live and b in live]
