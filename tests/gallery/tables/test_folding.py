import numpy as np
import pyarrow as pa
import pytest

from crossgraph.gallery.tables import folding
from crossgraph.gallery.tables.folding import count_alike, folded, heads
from crossgraph.gallery.tables.likeness import BYTES, UNKNOWN, look_alike, perceptual_hash
from tests.gallery.looks import frame, photo


def rows(looks: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(looks), np.uint8).reshape(-1, BYTES)


def test_pictures_are_folded_under_the_first_that_they_look_like() -> None:
    a, b = perceptual_hash(photo(0)), perceptual_hash(photo(1))
    groups = [group.tolist() for group in folded(rows([a, b, a, UNKNOWN, UNKNOWN, b]), k=9)]
    assert groups == [[0, 2], [1, 5], [3], [4]]
    assert [group.tolist() for group in folded(rows([a, b, a, UNKNOWN, b]), k=2)] == [[0, 2], [1, 4]]
    assert folded(rows([]), k=3) == []


def test_no_head_looks_like_another_even_where_likeness_is_a_chain() -> None:
    first = np.frombuffer(perceptual_hash(photo(0)), np.uint8)
    chain = np.repeat(first[None], 12, 0)
    chain[:, 0] = 8 * np.arange(12)  # each looks like the next four, by the lightness of one place
    groups = [group.tolist() for group in folded(chain, k=12)]
    assert groups == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


def test_the_heads_of_all_groups_are_found_at_once() -> None:
    hashes = np.frombuffer(
        b"".join(perceptual_hash(frame(photo(seed), number)) for seed in range(3) for number in range(0, 40, 2)),
        np.uint8,
    ).reshape(-1, BYTES)
    mixed = np.random.default_rng(0).permutation(np.concatenate([hashes, np.zeros((3, BYTES), np.uint8)]))
    expected = sorted(int(group[0]) for group in folded(mixed, k=len(mixed)))
    assert 3 < len(expected) < len(mixed)
    assert np.flatnonzero(heads(mixed)).tolist() == expected
    assert heads(mixed[:0]).tolist() == []


def test_counts_equal_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    looks = [perceptual_hash(frame(photo(seed), seed)) for seed in random.integers(0, 12, 30).tolist()]
    looks += [UNKNOWN, UNKNOWN]
    digests = "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), len(looks)))
    table = pa.table({"digest": list(digests), "perceptual_hash": pa.array(looks, pa.binary(BYTES))})
    firsts = sorted(digests.index(digest) for digest in set(digests))
    kept = rows(looks)[firsts]
    slow = sum(any(look_alike(other[None], one)[0] for other in kept[:row]) for row, one in enumerate(kept))
    assert slow > 0
    assert count_alike(table) == (len(digests) - len(firsts), slow)
    monkeypatch.setattr(folding, "COMPARED", 3)
    assert count_alike(table) == (len(digests) - len(firsts), None)
    assert count_alike(table.slice(0, 0)) == (0, 0)
