"""Training without labels.

1. u starts from random pairs, of which hardly any match; m from the comparison kinds, adjusted to the table by
   `recordlinkage`'s ECM.
2. All blocking rules together learn one m: each rule's pairs have their own share of matches and their own u (the
   siblings, namesakes or neighbours that this rule brings together), found by EM with m fixed, beside the comparisons
   that the rule makes agree; m is then counted anew under what they say, and so on. Holding m fixed inside each EM
   keeps the class called match "one person"; with m free it drifts to "one household" (measured: F1 .58 on a census).
   Matches who moved house between their records are allowed for (`em.Moves`), and relatives, whose many agreements
   look like one person's, are a class of non-matches of their own wherever forenames can tell them (`em.Kin`). A rule
   whose matches are unlike people in some comparison is hardly listened to.
3. Where people are recorded often, their tidy records tell the untidy (`transitivity`), and step 2 goes on from there.
4. A pair's label is the mean of what its rules say; m, u and the prior of the model are those of all blocked pairs
   under these labels. So u is that of *blocked* non-matches: on households and children this is most of the accuracy.

Shares of matches of single rules come out within two points of the truth (50,000 dirty records; children).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.ecm import Blocked, starting_m
from matching.estimation.em import Fit, Free, Kin, Moves, Posteriors, Vectors, fit, judge, posteriors
from matching.estimation.probabilities import Probabilities, Table, estimate, level_table, starting_probabilities
from matching.estimation.rules import rule_fields, whole_fields
from matching.estimation.sampling import Groups, RandomPairs, TrainingPairs
from matching.estimation.transitivity import people_recorded_often, told_by_people
from matching.linkage.model import LinkageModel

_ROUNDS: Final = 4
_CORRECTIONS: Final = 2  # after which labels stand still
_RELIABLE: Final = 2.0  # power of a rule's share of matches in the mean of m: a rule of mostly namesakes hardly counts
_FEWEST_USED: Final = 2  # comparisons that a rule must leave open to be judged, if the table has three
_DOUBT: Final = 0.1  # the say that the starting m keeps beside rules that have at most 1 each
_STRANGE: Final = 1.0
_LESS_SAY: Final = 2.0  # how fast a rule loses its say with the strangeness of its matches
_TELLING: Final = 0.35  # 1 less the Bhattacharyya coefficient of m and u: about .2 for sex, .5 a name, .7 a date
_PLACES: Final = frozenset({"postcode", "address"})
_WELL_KNOWN: Final = frozenset({"given_name", "surname", "date", "years", "sex"})
_PERSONAL: Final = frozenset({"given_name", "sex", "identifier"})
_MOVED: Final = 0.1
_AKIN: Final = 0.5
_ENOUGH: Final = 100.0  # matches from which a rule has its full say


@dataclass(frozen=True, slots=True)
class Labelling:
    """What training found: m and u, the share of matches, and the match probability of each blocked pair."""

    probabilities: Probabilities
    prior: float
    labels: Posteriors


@dataclass(frozen=True, slots=True)
class _Rule:
    """A blocking rule and its pairs.

    `free` are the comparisons that read none of its fields; `used` those and the ones that the rule settles in part
    only (it asks for the same year, and the rest of the date may differ). `at_one_place`: its pairs agree on where they
    live, so nobody has moved.
    """

    number: int
    vectors: Vectors
    free: npt.NDArray[np.bool_]
    used: npt.NDArray[np.bool_]
    at_one_place: bool
    personal: npt.NDArray[np.bool_]
    identifier: npt.NDArray[np.bool_]
    forename: npt.NDArray[np.bool_]
    date: npt.NDArray[np.bool_]
    well_known: npt.NDArray[np.bool_]

    def given_rule(self, m: Table) -> Table:
        """Return m (or u) of the pairs that a rule finds: comparisons it settles in part keep the levels it allows."""
        conditional = m.copy()
        for column in np.flatnonzero(self.used & ~self.free):
            seen = np.bincount(self.vectors.levels[:, column], minlength=m.shape[1])[: m.shape[1]] > 0
            seen[0] = False
            if seen.any():
                conditional[column, seen] = m[column, seen] / m[column, seen].sum()
        return conditional

    def open_u(self, start: Probabilities) -> npt.NDArray[np.bool_]:
        """Tell of which comparisons the rule's pairs may say what non-matches show.

        If one free comparison alone can tell matches from others, how many match follows only if what strangers show
        in it is known; with its u open any share of matches would fit as well. If none can, the same goes for dates
        that the rule settles in part: what strangers of one year show is known too.
        """
        seen = np.array([self.vectors.counts[column > 0].sum() for column in self.vectors.levels.T])
        present = seen / max(1.0, self.vectors.counts.sum())
        overlap = np.sqrt(start.m[:, 1:] * start.u[:, 1:] * (start.m[:, 1:] < 1.0)).sum(axis=1)
        telling = np.where(self.free, present * (1.0 - overlap), 0.0)
        most = telling.max(initial=0.0)
        if most < _TELLING:
            open_u: npt.NDArray[np.bool_] = self.used & ~self.free & ~self.date
        elif telling.sum() - most < _TELLING:
            open_u = self.used & ~self.free
        else:
            open_u = self.used.copy()
        return open_u

    def starting_u(self, u: Table, open_u: npt.NDArray[np.bool_]) -> Table:
        """Return u half way between strangers and all of the rule's pairs, where it is open."""
        own = estimate(level_table(self.vectors.levels, self.vectors.counts + self.vectors.non_matches), u)
        return np.where(open_u[:, None], (own + u) / 2.0, u)

    def kin(self, u: Table, open_u: npt.NDArray[np.bool_]) -> Kin | None:
        """Return what to start the class of relatives from, None where no forename tells them from one person."""
        if not (self.free & self.forename).any() or not (open_u & ~self.personal).any():
            return None
        return Kin(~self.personal, self.starting_u(u, open_u), _AKIN)

    def moves(self, moves: Moves) -> Moves | None:
        """Return what may be assumed of moves among its pairs."""
        return None if self.at_one_place else moves


@dataclass(frozen=True, slots=True)
class _State:
    """What all rules share: m (of places, that of people who stayed) and the share of matches that moved."""

    m: Table
    moves: Moves


def label_without_truth(
    model: LinkageModel, pairs: TrainingPairs, groups: Groups, randoms: RandomPairs, seed: int
) -> Labelling:
    """Estimate m, u, prior and labels from blocked pairs (`groups` are theirs) and random pairs."""
    belief = starting_probabilities(model)
    places = np.array([comparison.kind in _PLACES for comparison in model.comparisons], dtype=bool)
    rules = _judgeable(model, groups, places)
    u = estimate(level_table(randoms.levels, np.ones(len(randoms.levels))), belief.u)
    m = starting_m([Blocked(rule.vectors, rule.free) for rule in rules], belief, seed)
    state = _State(m, Moves(places, u, _MOVED))
    for _ in range(_ROUNDS):
        state = _learn(rules, _fit_rules(rules, Probabilities(state.m, u), belief, state.moves), belief, state.moves)
    fits = _fit_rules(rules, Probabilities(state.m, u), belief, state.moves)
    labels, often = _said_of_pairs(groups, pairs, rules, fits, state.moves)
    for _ in range(_CORRECTIONS if often else 0):
        state = _learn(rules, _corrected(groups, rules, fits, groups.mean(labels)), belief, state.moves)
        fits = _fit_rules(rules, Probabilities(state.m, u), belief, state.moves)
        labels, _ = _said_of_pairs(groups, pairs, rules, fits, state.moves)
    return _labelled(groups, rules, labels, Probabilities(state.m, belief.u))


def _judgeable(model: LinkageModel, groups: Groups, places: npt.NDArray[np.bool_]) -> list[_Rule]:
    """Return the rules that have pairs and leave enough comparisons free."""
    rules = []
    date = np.array([comparison.kind == "date" for comparison in model.comparisons], dtype=bool)
    personal = np.array([comparison.kind in _PERSONAL for comparison in model.comparisons], dtype=bool)
    identifier = np.array([comparison.kind == "identifier" for comparison in model.comparisons], dtype=bool)
    forename = np.array([comparison.kind == "given_name" for comparison in model.comparisons], dtype=bool)
    well_known = np.array([comparison.kind in _WELL_KNOWN for comparison in model.comparisons], dtype=bool)
    for i in range(len(model.blocking_rules)):
        rule, vectors = model.blocking_rules[i], groups.counted(i)
        free, used = _comparisons_beside(model, rule_fields(rule)), _comparisons_beside(model, whole_fields(rule))
        if used.sum() >= min(_FEWEST_USED, max(1, len(used) - 1)) and vectors.counts.sum() > 0.0:
            rules.append(
                _Rule(i, vectors, free, used, not free[places].all(), personal, identifier, forename, date, well_known)
            )
    return rules


def _fit_rules(rules: list[_Rule], start: Probabilities, belief: Probabilities, moves: Moves) -> list[Fit]:
    """Fit each rule's share of matches and its u, m fixed."""
    return [_fit_rule(rule, start, belief, moves) for rule in rules]


def _fit_rule(rule: _Rule, start: Probabilities, belief: Probabilities, moves: Moves) -> Fit:
    """Fit one rule from the u of strangers; if its matches are then not like people, from a u nearer its own pairs.

    From strangers, for whom a shared home is one in thousands, EM may take households for people where nobody is
    recorded twice. Started from the rule's own pairs it would not, but it would miss matches where nearly all match.
    """
    m, u, open_u = rule.given_rule(start.m), rule.given_rule(start.u), rule.open_u(start)
    kin = rule.kin(u, open_u)
    # In what is personal relatives are as strangers, except where the rule chose who agrees. Where nearly every pair of
    # a rule matches, a free identifier tells the few others: what strangers show in it stays what it is.
    open_u = open_u & ~(rule.free & ~kin.shared if kin is not None else rule.free & rule.identifier)
    free = Free(m=False, u=open_u, comparisons=rule.used)
    found = fit(rule.vectors, Probabilities(m, u), belief, free, rule.moves(moves), kin=kin)
    if kin is not None or _strangeness(rule, found, belief) <= _STRANGE:
        return found
    return fit(rule.vectors, Probabilities(m, rule.starting_u(u, open_u)), belief, free, rule.moves(moves))


def _strangeness(rule: _Rule, found: Fit, belief: Probabilities) -> float:
    """Return how unlike people the matches of a fit are, in the comparison that differs most from the starting m.

    The divergence of Kullback and Leibler, in nats: about 0.2 for dirty data, 2 for siblings' forenames. Only kinds
    of which it is known what people show count: a code or a text may be anything, the number of a batch too.
    """
    m = belief.m
    seen = estimate(level_table(rule.vectors.levels, found.posteriors * rule.vectors.counts), belief.m)
    divergence = (seen * np.log(seen / m)).sum(axis=1)
    return float(divergence[rule.free & rule.well_known].max(initial=0.0))


def _say(rule: _Rule, found: Fit, belief: Probabilities) -> float:
    """Return how much a fit is listened to: about .7 for dirty data, hardly at all if it took siblings for people."""
    return float(np.exp(-_LESS_SAY * _strangeness(rule, found, belief)))


def _learn(rules: list[_Rule], fits: list[Fit], belief: Probabilities, moves: Moves) -> _State:
    """Return m as the mean over the rules that leave a comparison free, and the share of matches that moved."""
    weighted, total = np.zeros_like(belief.m), np.zeros(len(belief.m))
    moved, seen = 0.0, 0.0
    for rule, found in zip(rules, fits, strict=True):
        said = judge(rule.vectors.levels, found.probabilities, found.prior, rule.used, rule.moves(moves), found.kin)
        matched = found.posteriors * rule.vectors.counts
        stayed = matched * said.stayed
        weight = found.prior**_RELIABLE * min(1.0, matched.sum() / _ENOUGH) * _say(rule, found, belief)
        m = estimate(level_table(rule.vectors.levels, matched), belief.m)
        at_home = estimate(level_table(rule.vectors.levels, stayed), belief.m)
        m[moves.places] = at_home[moves.places]
        weighted[rule.free] += weight * m[rule.free]
        total[rule.free] += weight
        if not rule.at_one_place:
            moved += weight * float((matched - stayed).sum() / max(matched.sum(), 1.0))
            seen += weight
    # Where no rule finds many matches there is nothing to learn m from, and what there is may be households.
    m = (weighted + _DOUBT * belief.m) / (total + _DOUBT)[:, None]
    return _State(m, replace(moves, share=moved / seen if seen > 0.0 else moves.share))


def _said_of_pairs(
    groups: Groups, pairs: TrainingPairs, rules: list[_Rule], fits: list[Fit], moves: Moves
) -> tuple[Posteriors, bool]:
    """Return the mean of what its rules say about each pair, corrected where people are recorded often, and if so."""
    said, voices, levels = np.zeros(len(groups)), np.zeros(len(groups)), groups.levels
    for rule, found in zip(rules, fits, strict=True):
        given = groups.of_rule(rule.number)
        said[given] += posteriors(
            levels[given], found.probabilities, found.prior, rule.used, rule.moves(moves), found.kin
        )
        voices[given] += 1.0
    labels = np.divide(said, voices, out=np.zeros_like(said), where=voices > 0.0)
    labels[groups.known_non_match] = 0.0
    of_pairs = labels[groups.inverse]
    people = people_recorded_often(pairs.left, pairs.right, of_pairs)
    if people is None:
        return of_pairs, False
    barred = groups.known_non_match[groups.inverse]
    return told_by_people(pairs.left, pairs.right, of_pairs, barred, people), True


def _corrected(groups: Groups, rules: list[_Rule], fits: list[Fit], labels: Posteriors) -> list[Fit]:
    """Return the fits with the share of matches, and of those of each vector, that the labels of groups give."""
    corrected = []
    for rule, found in zip(rules, fits, strict=True):
        matched, counts = groups.share(rule.number, labels), rule.vectors.counts
        share = float((matched * counts).sum() / max(1.0, counts.sum()))
        corrected.append(replace(found, posteriors=matched, prior=share))
    return corrected


def _labelled(groups: Groups, rules: list[_Rule], labels: Posteriors, belief: Probabilities) -> Labelling:
    """Return m and u of all pairs under these labels."""
    # A pair whose rules could not be judged says nothing either way.
    judged = np.any([groups.known_non_match, *(groups.of_rule(rule.number) for rule in rules)], axis=0)
    heard, of_groups = groups.counts * judged, groups.mean(labels)
    probabilities = Probabilities(
        estimate(level_table(groups.levels, of_groups * heard), belief.m),
        estimate(level_table(groups.levels, (1.0 - of_groups) * heard), belief.u),
    )
    # Pairs that are barred anyway make no match less likely.
    open_pairs = heard[~groups.known_non_match].sum()
    prior = float(np.clip((of_groups * heard).sum() / max(1.0, open_pairs), 1e-6, 1.0 - 1e-6))
    return Labelling(probabilities, prior, labels)


def _comparisons_beside(model: LinkageModel, fields: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Tell which comparisons read none of these fields."""
    return np.array([fields.isdisjoint(comparison.fields[:1]) for comparison in model.comparisons], dtype=bool)
