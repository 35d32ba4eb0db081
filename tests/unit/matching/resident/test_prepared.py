from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.blocking import Blocker
from matching.linkage.columns import SEPARATOR, RecordColumns
from matching.resident.prepared import Preparer
from tests.factories.linkage import hand_made_model

MODEL = hand_made_model()
PREPARER = Preparer(MODEL)
values = st.sampled_from(["", "ANN", "ÀÉ", "ANN|ANNA|BEA", "20040101", "20040317", "M11AA", "12 HIGH ST"])
rows = st.lists(st.lists(values, min_size=len(MODEL.fields), max_size=len(MODEL.fields)).map(SEPARATOR.join))


@given(rows, st.data())
def test_prepared_rows_are_what_columns_and_blocking_make_of_them(texts: list[str], data: st.DataObject) -> None:
    words = [data.draw(st.sampled_from([b"", made])) for made in PREPARER.words(texts)]
    found, columns = PREPARER.read(list(zip(texts, words, strict=True))), RecordColumns(MODEL)
    rids, filled = columns.append(texts, ["a"] * len(texts)), RecordColumns(MODEL).fill(texts)
    for name in ("hashes", "flags", "block", "sizes"):
        assert np.array_equal(getattr(found.filled, name), getattr(filled, name))
    owners, keys = Blocker(MODEL).keys(columns, rids)
    pairs = zip(found.owners.tolist(), found.keys.tolist(), strict=True)
    assert sorted(pairs) == sorted(zip(owners.tolist(), keys.tolist(), strict=True))
