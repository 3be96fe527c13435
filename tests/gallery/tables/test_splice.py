import numpy as np
import pyarrow as pa
import pytest

from crossgraph.gallery.tables import memory_table
from crossgraph.gallery.tables.memory_table import spliced_table
from crossgraph.gallery.tables.splice import Splice


def slow(old: list[int], new: list[int], gone: list[int], before: list[int]) -> list[int]:
    """Row by row."""
    found = []
    for row in range(len(old) + 1):
        found += [value for value, place in zip(new, before, strict=True) if place == row]
        if row < len(old) and row not in gone:
            found.append(old[row])
    return found


@pytest.mark.parametrize("seed", range(30))
def test_rows_come_and_go_as_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    if seed % 3 == 0:
        monkeypatch.setattr(memory_table, "MOST_PIECES", 2)
    count, added = int(random.integers(0, 12)), int(random.integers(0, 6))
    gone = sorted(random.choice(count, int(random.integers(0, count + 1)), replace=False).tolist()) if count else []
    before = sorted(random.integers(0, count + 1, added).tolist())
    old, new = np.arange(count), 100 + np.arange(added)
    spliced = Splice.of(count, gone, before)
    expected = slow(old.tolist(), new.tolist(), gone, before)
    assert spliced.array(old, new).tolist() == expected
    table = spliced_table(spliced, pa.table({"x": pa.array(old)}), pa.table({"x": pa.array(new)}))
    assert table["x"].to_pylist() == expected
    assert len(spliced) == len(expected)
    assert spliced.new_rows().tolist() == [row for row, value in enumerate(expected) if value in new]
    assert spliced.now().tolist() == [expected.index(value) if value in expected else -1 for value in old.tolist()]
    assert spliced.changed == bool(gone or before)


def test_everything_anew_keeps_nothing() -> None:
    spliced = Splice.anew(3, 2)
    assert spliced.array(np.array([1, 2, 3]), np.array([8, 9])).tolist() == [8, 9]
    assert spliced.now().tolist() == [-1, -1, -1]
