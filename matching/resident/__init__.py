"""The resident owner: linkage of all records in one process's memory, as pure functions over flat arrays.

Read in this order: `owner` (one batch in, one delta out), `records` (the newest version of each), `index` (who may be
compared), `edges` (what was compared), `regroup` and `identities` (clusters, and what became of each child), `asking`
and `questions` (conflicts), `statements` and `shields` (what people and sources said), `rows` (the durable form).
"""
