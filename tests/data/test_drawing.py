"""Rows are shared out among sources by weight, at random, and as many as were asked for where there are so many."""

import numpy as np
import pytest

from crossgraph.data.drawing import shared_out

SOURCES = np.repeat([0, 1, 2], [5, 40, 100])


def drawn(weights: tuple[float, ...], count: int, seed: int = 0) -> list[int]:
    rows = shared_out(SOURCES, weights, count, np.random.default_rng(seed))
    assert rows == sorted(set(rows))
    return rows


def test_each_source_has_its_share_and_what_a_small_one_lacks_the_others_have() -> None:
    assert np.bincount(SOURCES[drawn((1.0, 1.0, 1.0), 60)]).tolist() == [5, 28, 27]
    assert np.bincount(SOURCES[drawn((0.0, 1.0, 3.0), 40)]).tolist() == [0, 10, 30]


@pytest.mark.parametrize("count", [1, 7, 99, 144, 145, 1000])
def test_there_are_as_many_as_asked_for_or_all(count: int) -> None:
    assert len(drawn((1.0, 1.0, 1.0), count)) == min(count, len(SOURCES))


def test_other_seeds_draw_others() -> None:
    assert drawn((1.0, 1.0, 1.0), 30) == drawn((1.0, 1.0, 1.0), 30)
    assert drawn((1.0, 1.0, 1.0), 30) != drawn((1.0, 1.0, 1.0), 30, seed=1)
