import numpy as np
import pytest

from crossgraph.errors import ScoreError
from crossgraph.gallery.stages.shortlist import Candidates
from crossgraph.gallery.stages.shortlist import nearest as nearest_rows
from crossgraph.gallery.tables.matrix import Matrix


def floats(*values: float | list[float]) -> np.ndarray:
    return np.array(values, np.float32)


def nearest(
    vectors: np.ndarray,
    query: np.ndarray,
    *,
    k: int,
    without: tuple[int, ...] = (),
    allowed: np.ndarray | None = None,
    among: np.ndarray | None = None,
) -> Candidates:
    return nearest_rows(Matrix.of(vectors), query, k=k, without=without, allowed=allowed, among=among)


def test_nearest_finds_the_rows_of_a_hand_worked_case() -> None:
    vectors = floats([1, 0], [0, 1], [0.6, 0.8])
    found = nearest(vectors, floats(0, 1), k=2)
    assert found.rows.tolist() == [1, 2]
    np.testing.assert_allclose(found.scores, [1.0, 0.8], rtol=1.3e-6)


@pytest.mark.parametrize("k", [1, 7, 40, 100])
def test_nearest_equals_a_full_sort(k: int) -> None:
    random = np.random.default_rng(k)
    vectors, query = random.standard_normal((40, 5), np.float32), random.standard_normal(5, np.float32)
    full = sorted(range(40), key=lambda row: -float(vectors[row] @ query))
    assert nearest(vectors, query, k=k).rows.tolist() == full[:k]


def test_equal_scores_keep_the_order_of_the_rows_at_every_k() -> None:
    vectors = floats([1], [2], [1], [2], [1], [2])
    for k in range(1, 7):
        assert nearest(vectors, floats(1), k=k).rows.tolist() == [1, 3, 5, 0, 2, 4][:k]


def test_the_row_left_out_is_never_found() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert nearest(vectors, floats(3, 2, 1), k=5, without=(0,)).rows.tolist() == [1, 2]
    assert len(nearest(vectors[:1], floats(1, 1, 1), k=5, without=(0,)).rows) == 0


def test_a_query_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ScoreError, match="not finite"):
        nearest(np.ones((2, 2), np.float32), floats(1, np.nan), k=1)


def test_only_the_rows_among_which_to_look_are_found_and_ties_keep_their_order() -> None:
    vectors = floats([1], [2], [1], [2], [1], [2])
    found = nearest(vectors, floats(1), k=3, among=np.array([5, 4, 0, 1]))
    assert found.rows.tolist() == [1, 5, 0]
    assert found.scores.tolist() == [2.0, 2.0, 1.0]


def test_what_is_not_allowed_is_never_found_with_or_without_a_choice_of_rows() -> None:
    vectors, query = np.eye(4, dtype=np.float32), floats(4, 3, 2, 1)
    allowed = np.array([False, True, True, True])
    assert nearest(vectors, query, k=9, allowed=allowed).rows.tolist() == [1, 2, 3]
    assert nearest(vectors, query, k=9, allowed=allowed, without=(1,)).rows.tolist() == [2, 3]
    among = np.array([3, 1, 0])
    assert nearest(vectors, query, k=9, allowed=allowed, among=among).rows.tolist() == [1, 3]
