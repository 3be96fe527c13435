"""The order in which few rows need be compared, beside a look at all of them."""

import numpy as np
import pytest

from crossgraph.gallery.tables.likeness import APART_AT_FIRST, BYTES, LIGHT, UNKNOWN, first_words, look_alike
from crossgraph.gallery.tables.look_index import BLOCK, SEEN, LookIndex
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.splice import Splice


def drawn(count: int, *, seed: int) -> np.ndarray:
    """Hashes, every second of which is like the one before it; some are very light or dark, one is not known."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 256, (count, BYTES)).astype(np.uint8)
    hashes[: count // 4, list(SEEN)] = random.choice([0, 3, 252, 255], (count // 4, len(SEEN)))
    hashes[1::2] = hashes[: count - count % 2 : 2]
    hashes[1::2, :64] = np.clip(hashes[1::2, :64].astype(int) + random.integers(-40, 41, (count // 2, 64)), 0, 255)
    hashes[1::2, 200] ^= 7
    hashes[-1] = np.frombuffer(UNKNOWN, np.uint8)
    return hashes


def by_looking_at_all(hashes: np.ndarray, one: np.ndarray) -> np.ndarray:
    steps = hashes[:, list(SEEN)].astype(int) - one[list(SEEN)].astype(int)
    near = np.bitwise_count(first_words(hashes) ^ first_words(one[None])) <= APART_AT_FIRST
    return np.flatnonzero((np.abs(steps) <= LIGHT).all(1) & near)


@pytest.mark.parametrize("seed", range(3))
def test_all_that_look_alike_are_near(seed: int) -> None:
    hashes = drawn(2000, seed=seed)
    index = LookIndex(Matrix.of(hashes))
    for one in hashes[:200]:
        near = index.near(one)
        assert set(np.flatnonzero(look_alike(hashes, one))) <= set(near)
        np.testing.assert_array_equal(near, by_looking_at_all(hashes, one))


def test_rows_are_those_of_the_moment() -> None:
    before, new = drawn(500, seed=1), drawn(300, seed=2)
    splice = Splice.of(500, range(0, 500, 7), range(300))
    index, now = LookIndex(Matrix.of(before).spliced(splice, new)), splice.array(before, new)
    anew = LookIndex(Matrix.of(now))
    for one in now[::11]:
        np.testing.assert_array_equal(index.near(one), anew.near(one))
        assert set(np.flatnonzero(look_alike(now, one))) <= set(index.near(one))


def test_more_rows_than_a_block_that_are_all_near() -> None:
    hashes = np.repeat(drawn(2, seed=3)[:1], BLOCK + 5, axis=0)
    np.testing.assert_array_equal(LookIndex(Matrix.of(hashes)).near(hashes[0]), np.arange(BLOCK + 5))


def test_no_rows() -> None:
    assert not len(LookIndex(Matrix.of(np.empty((0, BYTES), np.uint8))).near(drawn(2, seed=0)[0]))
