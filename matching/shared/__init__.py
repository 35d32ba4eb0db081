"""Linkage by several workers over tables that they share: the resident owner's results without its memory.

`linker` is the heart; `survey`, `part` and `neighbours` are pure, `tables` holds the statements, `worker` reads the
topics in one consumer group. `docs/decisions/0012-shared-linkage.md` says why it is right.
"""
