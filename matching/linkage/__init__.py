"""The record-linkage core: pure functions over columns of values, no I/O, no clock, no environment.

Read in this order: `model` (the linkage model as data), `normalise` (how values are folded), `columns` (how records are
held), `blocking` (which pairs are compared), `comparisons` (how well two values agree), `scoring` (what that is worth),
`components` and `clustering` (which records are one child), `explain` (why), `batch` (all of it over one table).
"""
