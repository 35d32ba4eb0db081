"""One small world for ever: what each version of matching's fold makes of it is kept in tests/golden.

Nothing here may change, and it uses nothing that changes with a model, a simulation or an event contract: what the
versions made of it could not be compared any more. What a new fold needs beyond it is added as a new aspect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

import msgspec
import numpy as np

from matching.changes import ChangeKind, SourceChange
from matching.features import (
    FIELDS,
    AddressView,
    CarerView,
    DataView,
    IdentifierView,
    NameView,
    WhereaboutsView,
    person_values,
    told_birth_order,
    verified_marks,
)
from matching.linkage.blocking import Blocker
from matching.linkage.columns import SEPARATOR, columns_of
from matching.linkage.comparisons import compare, untrained_comparison
from matching.linkage.decisions import Decision
from matching.linkage.marks import with_birth_order
from matching.linkage.model import BlockingRule, Comparison, Field, LinkageModel, Sign, SourcePolicy, TwinRule
from matching.linkage.nicknames import NICKNAME_GROUPS
from matching.linkage.normalise import FOLDERS
from matching.linkage.twins import Twins
from tests.unit.matching.durable import Event, cut, run_resident

_GIVEN = (
    "Anna|Anne-Marie|Zoë|Benjamin|Ben|Katherine|Kate|Mohammed|Muhammad|Jürgen|William|Bill|D'Arcy|Oscar-John|Łukasz|"
    "Chloe|Charlotte|Olivia|Liv|Élodie|Jack|Oliver|Ann|Søren"
).split("|")
_SURNAMES = "Smith|Smyth|O'Neill|Müller|Jones-Brown|Jones|de la Cruz|McDonald|Adewale|Nguyễn|Patel|Brown|Baker".split(
    "|"
)
_ODD_TEXTS = (
    "|unknown|UNKNOWN UNKNOWN|NK|n/k|not known|Not Given|TBC|TBA|none|null|xxx|Baby|BABY BOY|baby boy smith|Twin 2|"
    "1st Twin|2nd Twin|TWIN B SMITH|triplet three|B/O Anna|infant of mary|Male|Boy|FNU|Mr|Mum|Smith-Jones|St. John|"
    "O\u2019Brien|Ana\u00adMaria|A.B.|Ann Marie Louise|ǅemal|Straße|Æthel|no fixed abode|NFA Bolton|c/o the school|"
    "12 High Street|12a, High St.|Flat 3, 12 High Street|ZZ99 3VZ|bl1 1aa|BL1  1AB|B L11AA|0000|SW1A 1AA|2014-11-03|"
    "03/11/2014|20141103|2014-11|2014|1900-01-01|11111111|2014-02-81|2014-1-3|31.12.99|nonsense|m|Female|2|9|"
    "999 000 1006|9990001006|9999999999|A801200005001|a-80120 0005001|not given"
).split("|")
_DATES = "2001-02-03 2001-03-02 2001-02-04 2002-02-03 2001-01-01 1999-12-31 2001-02-13".split()
_POSTCODES = "BL1 1AA|BL1 1AB|BL1 2AA|BL2 1AA|M60 1NW|SW1A 1AA|ZZ99 3VZ".split("|")
_STREETS = "12 High Street|12 High St|3 Mill Lane|Flat 2, 3 Mill Lane|The Grange".split("|")
_SOURCES = ("school-1", "school-2", "health-1", "yot-700")
_PEOPLE, _RECORDS = 40, 4
_KINDS = ("given_name", "surname", "date", "sex", "postcode", "address", "short_string", "identifier")


def fold_model() -> LinkageModel:
    """Return a model with every field, kind, rule part and policy that record events can have."""
    read = {
        "given": ("given", "surname"),
        "surname": ("surname", "given"),
        **{name: (name,) for name in ("birth_date", "sex", "postcode", "address", "carer", "nhs", "upn")},
    }
    rules = (
        *("nhs", "upn", "birth_date + given", "birth_date + surname", "sorted(given, surname) + year(birth_date)"),
        *("soundex(surname) + first3(given) + postcode", "month_day(birth_date) + first(given) + area(postcode)"),
        *(
            "year_month(birth_date) + last_word(surname)",
            "first_word(given) + sector(postcode)",
            "first_words(address)",
        ),
    )
    loose = ("birth_date", "sorted(given, surname)")
    return LinkageModel(
        description="the world by which folds are compared",
        created_on="2026-11-28",
        fields=tuple(Field(name, kind) for name, kind in FIELDS.items()),
        comparisons=tuple(_comparison(name, FIELDS[name], fields) for name, fields in read.items()),
        blocking_rules=tuple(BlockingRule(rule, tuple(rule.split(" + "))) for rule in rules),
        probability_two_random_records_match=0.01,
        link_threshold=1500,
        review_floor=-400,
        cluster_threshold=1400,
        source_policies=(SourcePolicy("school", "hard"), SourcePolicy("health", "soft", 300)),
        component_cap=6,
        twins=TwinRule("birth_date", "surname", "given", ("postcode",), ("nhs", "upn")),
        shield_rules=tuple(BlockingRule(f"shield: {rule}", (rule,)) for rule in loose),
        shield_signs=(Sign("day and forename", (("birth_date", (5, 6, 7)), ("given", (4, 7)))),),
    )


def _comparison(name: str, kind: str, fields: tuple[str, ...]) -> Comparison:
    """Return a comparison whose levels weigh more the closer they are, whatever training starts from."""
    untrained = untrained_comparison(name, kind, fields)
    steps = range(1, len(untrained.levels))
    return untrained.with_probabilities(
        tuple(2.0 ** -(len(steps) - i) for i in steps), tuple(2.0 ** (-2 * i) for i in steps)
    )


def fold_people() -> list[DataView]:
    """Return what records say: some of each person, with one slip each; every third person has a twin."""
    return [_said(person, (person + record) % 10) for person in range(_PEOPLE) for record in range(_RECORDS)]


def _said(person: int, slip: int) -> DataView:
    family = person - 1 if person % 3 == 2 else person  # a twin shares surname, birth date and home
    given, surname = _GIVEN[person % len(_GIVEN)], _SURNAMES[family * 5 % len(_SURNAMES)]
    birth_date, postcode = _DATES[family * 4 % len(_DATES)], _POSTCODES[family * 3 % len(_POSTCODES)]
    nhs, other = f"99900{person:05d}", _SURNAMES[(family + 1) % len(_SURNAMES)]
    names = {
        1: (NameView(family=surname),),
        2: (NameView(surname, given[:-1]),),
        3: (NameView(f"{surname}-{other}", given),),
        4: (NameView(given, surname),),
        5: (NameView(surname, given), NameView(other, given)),
        6: (NameView(surname, f"Twin {person % 2 + 1}"),),
    }.get(slip, (NameView(surname, given),))
    numbers = [] if slip in {0, 7} else [IdentifierView("nhs", nhs, "verified" if person % 2 else "unverified")]
    numbers += [IdentifierView("upn", f"A801{person:09d}")] if person % 4 == 0 else []
    lines = (_STREETS[(family + (slip == 8)) % len(_STREETS)],)
    return DataView(
        names=names,
        birth_date=f"{birth_date[:4]}-01-01" if slip == 9 else birth_date,
        birth_order=person % 3 if person % 6 == 5 else None,
        sex=("male", "female", "not_specified")[person % 3],
        identifiers=tuple(numbers),
        whereabouts=None if slip == 7 else WhereaboutsView(AddressView(lines, "Bolton", postcode)),
        carers=(CarerView(NameView(surname, _GIVEN[(family + 7) % len(_GIVEN)])),) if slip % 2 else (),
        responsible_authority=("350", "700", None)[person % 3],
    )


def fold_events() -> list[Event]:
    """Return the records as changes, newer versions, withdrawals and merges of some, and decisions of every kind."""
    changes: list[SourceChange] = []
    for i, said in enumerate(fold_people()):
        marks = with_birth_order(verified_marks(said.identifiers), told_birth_order(said))
        changes.append(
            _change(_key(i), 1, i, SEPARATOR.join(person_values(said)), said.responsible_authority or "", marks)
        )
    again = [each._replace(version=2, fingerprint="2", row=changes[i + 1].row) for i, each in enumerate(changes[:60:9])]
    gone = [each._replace(kind="withdrawn", version=3, fingerprint="3", row=None) for each in changes[5:90:11]]
    merges = [_change(_key(i), 4, 400 + i, None, "", 0, "merged", _key(i + 4)) for i in range(7, 90, 17)]
    decisions = [
        *(Decision(f"must {i}", "must_link", 1, (_key(i),), (_key(i + 40),), seen=(100,)) for i in (3, 50, 90)),
        *(Decision(f"cannot {i}", "cannot_link", 2, (_key(i),), (_key(i + 1),)) for i in (8, 40, 72, 100)),
        Decision("severed", "severed", 3, (_key(64),), (_key(65), _key(66))),
        Decision("shield", "shield", 4, (_key(20), _key(21))),
        Decision("until", "must_link", 5, (_key(110),), (_key(150),), day="2026-01-01"),
        Decision("erased", "erasure", 6, (_key(120), _key(121)), versions=(9, 9)),
        Decision("day", "clock", 7, day="2026-01-02"),
        Decision("back", "retracted", 8, target="must 50"),
    ]
    events: list[Event] = [*changes[:100], *decisions[:8], *again, *changes[100:], *gone, *merges, *decisions[8:]]
    return events


def _key(i: int) -> str:
    return f"{_SOURCES[i % len(_SOURCES)]}:{i:03}"


def _change(
    key: str,
    version: int,
    at: int,
    row: str | None,
    authority: str,
    marks: int,
    kind: ChangeKind = "observed",
    into: str | None = None,
) -> SourceChange:
    source = key.partition(":")[0]
    return SourceChange(key, source, kind, version, f"{version}", at, f"{key}/{version}", row, into, authority, marks)


def _values() -> Iterator[object]:
    texts = (*_GIVEN, *_SURNAMES, *_ODD_TEXTS, *_POSTCODES, *_STREETS)
    yield [(kind, text, FOLDERS[kind](text)) for kind in _KINDS for text in texts]
    yield from (
        (person_values(each), told_birth_order(each), verified_marks(each.identifiers)) for each in fold_people()
    )


def _keys() -> Iterator[object]:
    model = fold_model()
    rows = [person_values(each) for each in fold_people()]
    columns, rids = columns_of(model, rows, ["s"] * len(rows)), np.arange(len(rows))
    yield columns.hashes(rids).tolist()
    for rules in (model.blocking_rules, model.shield_rules):
        owners, keys = Blocker(model, rules).keys(columns, rids)
        yield sorted(zip(owners.tolist(), keys.tolist(), strict=True))


def _levels() -> Iterator[object]:
    model = fold_model()
    rows = [person_values(each) for each in fold_people()]
    left, right = np.triu_indices(len(rows), 1)
    yield compare(columns_of(model, rows, ["s"] * len(rows)), left, right, model).tolist()
    family = columns_of(
        model, [(given.upper(), *rows[0][1:7], "", "", "") for given in _GIVEN], ["school-1"] * len(_GIVEN)
    )
    left, right = np.triu_indices(len(_GIVEN), 1)
    yield Twins(model).apart(family, np.zeros(len(_GIVEN), np.uint8), left, right).tolist()
    yield sorted((name, sorted(other for other in NICKNAME_GROUPS if _share(name, other))) for name in NICKNAME_GROUPS)


def _share(name: str, other: str) -> bool:
    return not NICKNAME_GROUPS[name].isdisjoint(NICKNAME_GROUPS[other])


def _outcome() -> Iterator[object]:
    """Yield who is one child, what was compared, who is held and what is asked, after batches and restarts."""
    restarts = iter([False, True] * 100)
    _, rows = run_resident(fold_model(), cut(fold_events(), [40, 7, 25]), lambda: next(restarts))
    yield from (sorted(each.items()) for each in (rows.memberships, rows.edges, rows.conflicts))
    yield sorted(rows.held)


def _form() -> Iterator[object]:
    """Yield rows, decisions and conflicts as they are stored, of two pairs of records."""
    _, rows = run_resident(
        fold_model(), [fold_events()[:2], fold_events()[8:10], fold_events()[100:107]], lambda: False
    )
    yield sorted(rows.rows.items())
    yield [msgspec.msgpack.encode(each).hex() for each in (*rows.decisions, *sorted(rows.conflicts.items()))]


ASPECTS: Mapping[str, Callable[[], Iterator[object]]] = {
    "values": _values,
    "keys": _keys,
    "levels": _levels,
    "outcome": _outcome,
    "form": _form,
}
"""What is told of a fold, by name."""


def fold_digest(aspect: str) -> str:
    """Return the digest of what the present fold makes of the world."""
    return sha256("\n".join(map(repr, ASPECTS[aspect]())).encode()).hexdigest()[:32]
