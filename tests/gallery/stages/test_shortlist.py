import pytest
import torch

from crossgraph.errors import ScoreError
from crossgraph.gallery.stages.shortlist import Candidates
from crossgraph.gallery.stages.shortlist import nearest as nearest_rows
from crossgraph.gallery.tables.matrix import Matrix


def nearest(
    vectors: torch.Tensor,
    query: torch.Tensor,
    *,
    k: int,
    without: tuple[int, ...] = (),
    allowed: torch.Tensor | None = None,
    among: torch.Tensor | None = None,
) -> Candidates:
    rows = Matrix.of(vectors.numpy())
    return nearest_rows(rows, query, k=k, without=without, allowed=allowed, among=among)


def test_nearest_finds_the_rows_of_a_hand_worked_case() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    found = nearest(vectors, torch.tensor([0.0, 1.0]), k=2)
    assert found.rows.tolist() == [1, 2]
    torch.testing.assert_close(found.scores, torch.tensor([1.0, 0.8]))


@pytest.mark.parametrize("k", [1, 7, 40, 100])
def test_nearest_equals_a_full_sort(k: int) -> None:
    random = torch.Generator().manual_seed(k)
    vectors, query = torch.randn(40, 5, generator=random), torch.randn(5, generator=random)
    full = sorted(range(40), key=lambda row: -float(vectors[row] @ query))
    assert nearest(vectors, query, k=k).rows.tolist() == full[:k]


def test_equal_scores_keep_the_order_of_the_rows_at_every_k() -> None:
    vectors = torch.tensor([[1.0], [2.0], [1.0], [2.0], [1.0], [2.0]])
    for k in range(1, 7):
        assert nearest(vectors, torch.tensor([1.0]), k=k).rows.tolist() == [1, 3, 5, 0, 2, 4][:k]


def test_the_row_left_out_is_never_found() -> None:
    vectors = torch.eye(3)
    assert nearest(vectors, torch.tensor([3.0, 2.0, 1.0]), k=5, without=(0,)).rows.tolist() == [1, 2]
    assert len(nearest(vectors[:1], torch.ones(3), k=5, without=(0,)).rows) == 0


def test_a_query_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ScoreError, match="not finite"):
        nearest(torch.ones(2, 2), torch.tensor([1.0, torch.nan]), k=1)


def test_only_the_rows_among_which_to_look_are_found_and_ties_keep_their_order() -> None:
    vectors = torch.tensor([[1.0], [2.0], [1.0], [2.0], [1.0], [2.0]])
    found = nearest(vectors, torch.tensor([1.0]), k=3, among=torch.tensor([5, 4, 0, 1]))
    assert found.rows.tolist() == [1, 5, 0]
    assert found.scores.tolist() == [2.0, 2.0, 1.0]


def test_what_is_not_allowed_is_never_found_with_or_without_a_choice_of_rows() -> None:
    vectors, query = torch.eye(4), torch.tensor([4.0, 3.0, 2.0, 1.0])
    allowed = torch.tensor([False, True, True, True])
    assert nearest(vectors, query, k=9, allowed=allowed).rows.tolist() == [1, 2, 3]
    assert nearest(vectors, query, k=9, allowed=allowed, without=(1,)).rows.tolist() == [2, 3]
    among = torch.tensor([3, 1, 0])
    assert nearest(vectors, query, k=9, allowed=allowed, among=among).rows.tolist() == [1, 3]
