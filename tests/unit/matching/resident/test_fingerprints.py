from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matching.resident.fingerprints import Fingerprints

hexadecimal = st.binary(min_size=16, max_size=16).map(bytes.hex)
fingerprints = hexadecimal | hexadecimal.map(str.upper) | st.sampled_from(["", "f", "~", "f" * 31, "ab " * 11])


@given(st.lists(st.lists(fingerprints, max_size=4), max_size=4), st.dictionaries(st.integers(0, 9), fingerprints))
def test_fingerprints_read_back_as_they_were_written(batches: list[list[str]], changes: dict[int, str]) -> None:
    kept, expected = Fingerprints(), list[str]()
    for batch in batches:
        kept.extend(batch)
        expected += batch
    for rid, text in changes.items():
        if rid < len(expected):
            kept[rid] = expected[rid] = text
    assert len(kept) == len(expected)
    assert kept.of(range(len(expected))) == expected == [kept[rid] for rid in range(len(expected))]


def test_many_fingerprints_are_kept() -> None:
    expected = [f"{number:032x}" for number in range(5_000)]
    kept = Fingerprints()
    for start in range(0, 5_000, 700):
        kept.extend(expected[start : start + 700])
    assert kept.of(range(5_000)) == expected
