"""Groups of texts: the same words together, others apart, never more groups than asked for."""

import torch

from crossgraph.graphs.descriptors import state_descriptors, tfidf_descriptors
from crossgraph.graphs.text_groups import text_groups

CAPTIONS = ["a red ship", "a dog runs", "a red ship", "a dog runs", "two planes wait", "two planes wait"]


def test_pictures_of_the_same_words_are_one_group_and_others_are_none() -> None:
    groups = text_groups(tfidf_descriptors(CAPTIONS, torch.arange(6), images=6), count=3)
    assert torch.equal(groups[:, None] == groups, torch.tensor([[a == b for b in CAPTIONS] for a in CAPTIONS]))
    assert sorted(set(groups.tolist())) == [0, 1, 2]


def test_with_more_groups_than_different_texts_some_stay_empty() -> None:
    groups = text_groups(tfidf_descriptors(CAPTIONS, torch.arange(6), images=6), count=100)
    assert len(set(groups.tolist())) == 3
    assert groups.max() < 6


def test_two_readings_give_the_same_groups() -> None:
    rows = state_descriptors(
        torch.randn(40, 5, generator=torch.Generator().manual_seed(1)), torch.arange(40), images=40
    )
    assert torch.equal(text_groups(rows, count=7), text_groups(rows, count=7))
