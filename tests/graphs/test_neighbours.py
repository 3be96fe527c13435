"""Neighbours by text: blockwise equals all at once, and a batch sees the edges of the whole set that it holds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.graphs import neighbours
from crossgraph.graphs.descriptors import tfidf_descriptors
from crossgraph.graphs.neighbours import TextStructure, keep_nearest, nearest_neighbours, propagation


def random_rows(n: int, *, seed: int = 0, width: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 200))
def test_neighbours_equal_a_loop_over_all_pairs_whatever_the_block(n: int, count: int, block: int) -> None:
    rows = random_rows(n, seed=n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK_NUMBERS", block)
        found, cosines = nearest_neighbours(rows, count=count)
    for i in range(n):
        others = sorted(((float(rows[i] @ rows[j]), j) for j in range(n) if j != i), reverse=True)[:count]
        assert found[i].tolist() == [j for _, j in others]
        assert cosines[i].tolist() == pytest.approx([max(0.0, cosine) for cosine, _ in others], abs=1e-6)


def test_sparse_and_dense_descriptors_have_the_same_neighbours() -> None:
    captions = ["dog on grass", "dog on sand", "ship at sea on sand", "ship at sea", "cat on grass", "cat"]
    rows = tfidf_descriptors(captions, torch.arange(6), images=6, min_count=1)
    sparse, full = nearest_neighbours(rows, count=1), nearest_neighbours(rows.toarray(), count=1)
    assert torch.equal(sparse[0], full[0])
    assert torch.allclose(sparse[1], full[1])


def test_edges_of_a_batch_are_those_of_the_whole_graph_between_its_pictures() -> None:
    structure = TextStructure.of(random_rows(9), count=3)
    whole = torch.zeros(9, 9)
    for i in range(9):
        for j, cosine in zip(structure.neighbours[i].tolist(), structure.strengths[i].tolist(), strict=True):
            whole[i, j] = whole[j, i] = max(float(whole[i, j]), cosine)
    whole.fill_diagonal_(1.0)
    rows = torch.tensor([7, 0, 3, 4])
    assert torch.allclose(structure.edges(rows), whole[rows][:, rows])
    assert torch.allclose(structure.edges(torch.arange(9)), whole)


def test_similarity_of_a_batch_is_the_cosine_and_never_negative() -> None:
    rows = random_rows(8)
    found = TextStructure.of(rows, count=2).similarity(torch.tensor([5, 2, 6]))
    expected = (rows[[5, 2, 6]] @ rows[[5, 2, 6]].T).clip(0, 1)
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_a_silent_picture_has_no_edge_but_its_loop() -> None:
    rows = random_rows(4)
    rows[2] = 0
    structure = TextStructure.of(np.abs(rows), count=3)
    assert structure.edges(torch.arange(4))[2].tolist() == [0, 0, 1, 0]
    assert structure.similarity(torch.arange(4))[2].tolist() == [0, 0, 1, 0]


def test_the_nearest_of_a_batch_by_hand() -> None:
    similarity = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
    expected = [[1.0, 0.9, 0.0], [0.9, 1.0, 0.2], [0.0, 0.2, 1.0]]
    assert torch.allclose(keep_nearest(similarity, count=1), torch.tensor(expected))
    assert torch.allclose(keep_nearest(similarity, count=9), similarity)
    assert torch.equal(keep_nearest(torch.ones(1, 1), count=3), torch.ones(1, 1))


def test_propagation_by_hand_and_without_edges() -> None:
    spread = propagation(torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert torch.allclose(spread, torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    assert torch.equal(propagation(torch.eye(4)), torch.eye(4))
