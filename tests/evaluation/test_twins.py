"""Twin accuracy on corpora small enough to count by hand."""

from collections.abc import Callable

import pytest
import torch

from crossgraph.data.corpus import Corpus
from crossgraph.evaluation.twins import twin_accuracy

MakeCorpus = Callable[..., Corpus]


def test_wins_ties_and_losses_count_one_a_share_and_nothing(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([0, 1, 2, 0], 5, twin_group=[7, 7, 7, -1, 7], telling=[True, True, True, False])
    scores = torch.zeros(5, 4)
    scores[:, 0] = torch.tensor([0.9, 0.1, 0.2, 5.0, 0.3])  # won: picture 3 is no twin
    scores[:, 1] = torch.tensor([0.5, 0.5, 0.5, 0.0, 0.1])  # tied with two twins
    scores[:, 2] = torch.tensor([0.5, 0.0, 0.4, 0.0, 0.0])  # lost
    result = twin_accuracy(scores, corpus)
    assert result is not None
    assert result.captions == 3
    assert result.accuracy == pytest.approx(100 * (1 + 1 / 3 + 0) / 3)


def test_groups_are_judged_apart_and_order_does_not_matter(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([3, 0, 2, 1], 4, twin_group=[0, 1, 1, 0], telling=[True] * 4)
    scores = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    twin_of = {0: 3, 3: 0, 1: 2, 2: 1}
    slow = sum(bool(scores[i, j] > scores[twin_of[i], j]) for j, i in enumerate([3, 0, 2, 1]))
    result = twin_accuracy(scores, corpus)
    assert result is not None
    assert result.accuracy == 25 * slow
    captions_by_turned_images = [0, 2, 3, 1]
    turned = twin_accuracy(scores.flip(0)[:, captions_by_turned_images], corpus.take([3, 2, 1, 0]))
    assert turned == result


def test_there_is_nothing_to_tell_without_twins(make_corpus: MakeCorpus) -> None:
    scores = torch.zeros(2, 2)
    assert twin_accuracy(scores, make_corpus([0, 1], 2)) is None
    assert twin_accuracy(scores, make_corpus([0, 1], 2, twin_group=[0, 0], telling=[False, False])) is None
    assert twin_accuracy(scores, make_corpus([0, 1], 2, twin_group=[0, 1], telling=[True, True])) is None
    assert twin_accuracy(scores, make_corpus([0, 1], 2, twin_group=[-1, -1], telling=[True, True])) is None
