"""Texts of a picture as one row: all its captions together, unit length, nothing where nothing is said."""

import numpy as np
import pytest
import torch

from crossgraph.graphs.descriptors import dense, state_descriptors, tfidf_descriptors


def test_pictures_that_share_words_are_alike_and_rare_words_weigh_more() -> None:
    captions = ["a dog runs", "a dog sleeps", "a cat sleeps", "a cat runs", "a red ship"]
    rows = dense(tfidf_descriptors(captions, torch.arange(5), images=5, min_count=1))
    cosines = rows @ rows.T
    assert np.diag(cosines) == pytest.approx(np.ones(5), abs=1e-6)
    assert cosines[0, 1] > cosines[0, 4] > 0


def test_all_captions_of_a_picture_make_one_row_however_many_there_are() -> None:
    captions = ["a dog", "it runs", "a dog it runs", "a ship"]
    rows = dense(tfidf_descriptors(captions, torch.tensor([0, 0, 1, 3]), images=4, min_count=1))
    assert rows[0] == pytest.approx(rows[1])
    assert not rows[2].any()
    assert np.linalg.norm(rows[3]) == pytest.approx(1.0, abs=1e-6)


def test_words_of_too_few_pictures_are_left_out_unless_no_word_would_be_left() -> None:
    captions = ["a dog here", "a dog there"]
    assert tfidf_descriptors(captions, torch.arange(2), images=2).shape == (2, 2)
    apart = dense(tfidf_descriptors(["dog", "ship"], torch.arange(2), images=2))
    assert apart @ apart.T == pytest.approx(np.eye(2))


def test_captions_without_any_word_leave_pictures_that_are_like_none() -> None:
    assert not dense(tfidf_descriptors(["...", "!"], torch.arange(2), images=2)).any()


def test_state_descriptors_by_hand() -> None:
    vectors = torch.tensor([[3.0, 5.0], [1.0, 5.0], [0.0, 5.0]])
    # means 2 and 0 in the first channel about 1; the second is common to all; the third picture is silent
    rows = state_descriptors(vectors, torch.tensor([0, 0, 1]), images=3)
    assert rows == pytest.approx(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
