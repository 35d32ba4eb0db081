"""Training of linkage models: m and u by EM without labels, from identifiers or from labelled records; thresholds.

Read in this order: `specification` (the untrained model of a table), `rules` (blocking for any table), `sampling` (the
pairs that training looks at), `em`, `ecm` (recordlinkage), `transitivity`,
`unsupervised`, `labelled`, `calibration`, `thresholds`, `training`, `store`.
"""
