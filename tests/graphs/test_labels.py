"""Graphs between labels, by hand, and against loops."""

import numpy as np
import pytest
import torch

from crossgraph.graphs.descriptors import tfidf_descriptors
from crossgraph.graphs.labels import cooccurrence_edges, label_similarity, text_guided_edges

TRUTH = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.bool)


def test_labels_of_pictures_with_like_texts_are_alike() -> None:
    descriptors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    found = label_similarity(descriptors, TRUTH)
    # prototypes: (2, 1) / sqrt 5, (1, 1) / sqrt 2, (0.6, 0.8)
    assert found[0, 1].item() == pytest.approx(3 / 10**0.5)
    assert found[0, 2].item() == pytest.approx(2 / 5**0.5)
    assert found[1, 2].item() == pytest.approx(1.4 / 2**0.5)
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), torch.ones(3))


def test_sparse_and_dense_descriptors_say_the_same_of_labels() -> None:
    rows = tfidf_descriptors(["a dog", "a cat", "a dog and a cat", "a ship"], torch.arange(4), images=4, min_count=1)
    assert torch.allclose(label_similarity(rows, TRUTH), label_similarity(rows.toarray(), TRUTH))


def test_a_label_of_no_picture_is_like_no_other() -> None:
    unused = torch.cat([TRUTH, torch.zeros(4, 1, dtype=torch.bool)], dim=1)
    found = label_similarity(np.ones((4, 2), np.float32) / 2**0.5, unused)
    assert found[3].tolist() == [0, 0, 0, 1]


def test_weak_similarities_are_no_edges() -> None:
    similarity = torch.tensor([[1.0, 0.3, 0.29], [0.3, 1.0, 0.5], [0.29, 0.5, 1.0]])
    expected = torch.tensor([[1.0, 0.3, 0.0], [0.3, 1.0, 0.5], [0.0, 0.5, 1.0]])
    assert torch.equal(text_guided_edges(similarity, least=0.3), expected)


def test_cooccurrence_asks_how_often_the_one_comes_with_the_other() -> None:
    # label 0 occurs 3 times, label 1 twice, both times with label 0
    joined = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert torch.equal(cooccurrence_edges(TRUTH, least=0.9), joined)
    assert torch.equal(cooccurrence_edges(TRUTH[2:], least=0.4), torch.eye(3))
