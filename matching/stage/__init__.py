"""The matching stage: input and output around the pure resident owner.

`app` hosts it in Faust; `owner` holds the lease and runs `engine` on micro-batches from `source`; `committer` and
`relay` are processes beside it that write to PostgreSQL and publish what was written.
"""

from __future__ import annotations
