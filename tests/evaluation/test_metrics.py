"""Caption retrieval metrics against hand-worked cases, slow loops, fico-itr, and what must not change them."""

import itertools
import math
import random
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest
import torch
from fico_itr import instance_retrieval
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ScoreError
from crossgraph.evaluation import ranking
from crossgraph.evaluation.metrics import (
    FirstAnswers,
    find_answers,
    first_answers,
    relevance,
    relevance_with_duplicates,
    retrieval_metrics,
)


def first_rank(order: list[int], relevant: list[bool]) -> int:
    """The rank, from 1, of the first relevant item of an order."""
    return next(rank for rank, item in enumerate(order, 1) if relevant[item])


def orders_of_ties(scores: list[float]) -> list[list[int]]:
    """Every order of items by falling score that tie-breaking could produce, each as often as any other."""
    groups = [[i for i, s in enumerate(scores) if s == value] for value in sorted(set(scores), reverse=True)]
    choices = itertools.product(*(itertools.permutations(group) for group in groups))
    return [list(itertools.chain.from_iterable(choice)) for choice in choices]


def slow_direction(scores: list[list[float]], relevant: list[list[bool]]) -> dict[str, float]:
    """One direction for tie-free scores: a loop over queries and their sorted items."""
    ranks = []
    for row, right in zip(scores, relevant, strict=True):
        if any(right):
            ranks.append(first_rank(sorted(range(len(row)), key=lambda i: -row[i]), right))
    recalls = {f"r{k}": 100 * sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 10)}
    return {**recalls, "median_rank": float(np.median(ranks)), "mean_rank": float(np.mean(ranks))}


def random_links(generator: np.random.Generator, n: int, m: int) -> np.ndarray:
    """Captions of random pictures, in no order; some pictures may have none."""
    return generator.integers(0, n, m)


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[Tensor, np.ndarray]:
    """Scores with many ties and random links."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    values = draw(st.lists(st.integers(-3, 3), min_size=n * m, max_size=n * m))
    links = draw(st.lists(st.integers(0, n - 1), min_size=m, max_size=m))
    return torch.tensor(values, dtype=torch.float32).view(n, m), np.asarray(links)


def test_relevance_follows_the_links_whatever_the_number_and_order_of_captions() -> None:
    expected = [[False, True, False], [False, False, False], [True, False, True]]
    assert relevance(np.array([2, 0, 2]), 3).tolist() == expected


def test_equal_captions_of_other_pictures_are_relevant_only_when_duplicates_count(
    make_corpus: Callable[..., Corpus],
) -> None:
    corpus = make_corpus([0, 0, 1, 2], 3, captions=["a dog", "a cat", " a dog\n", "A dog"])
    assert relevance_with_duplicates(corpus).tolist() == [
        [True, True, True, False],
        [True, False, True, False],
        [False, False, False, True],
    ]
    assert relevance(corpus.caption_image, 3).sum() == 4


def test_a_case_worked_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.5], [0.8, 0.3, 0.4]])
    metrics = retrieval_metrics(scores, relevance(np.array([0, 1, 1]), 2))
    # Picture 0 finds its caption first; picture 1 finds caption 2 second. Captions 0 and 1 hit, caption 2 comes second.
    assert metrics.image_to_text.r1 == 50
    assert (metrics.image_to_text.median_rank, metrics.image_to_text.mean_rank) == (1.5, 1.5)
    assert metrics.text_to_image.r1 == pytest.approx(200 / 3)
    assert metrics.text_to_image.mean_rank == pytest.approx(4 / 3)
    assert metrics.rsum == pytest.approx(50 + 200 / 3 + 400)
    assert metrics.mr == pytest.approx(metrics.rsum / 6)
    assert metrics.values()["text_to_image_r1"] == metrics.text_to_image.r1


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_a_slow_loop_with_any_number_of_captions_to_a_picture(seed: int) -> None:
    generator = np.random.default_rng(seed)
    links = random_links(generator, 23, 61)
    scores = torch.tensor(generator.permutation(23 * 61).reshape(23, 61) / 7)
    relevant = relevance(links, 23)
    metrics = retrieval_metrics(scores, relevant)
    sides = ((metrics.image_to_text, scores, relevant), (metrics.text_to_image, scores.T, relevant.T))
    for side, matrix, right in sides:
        slow = slow_direction(matrix.tolist(), right.tolist())
        assert {name: getattr(side, name) for name in slow} == pytest.approx(slow)
    assert metrics.image_to_text.queries_without_answer == 23 - len(set(links.tolist()))
    assert metrics.queries_without_answer == metrics.image_to_text.queries_without_answer
    assert (metrics.image_queries, metrics.caption_queries) == (len(set(links.tolist())), 61)


@pytest.mark.parametrize("n", [20, 21])
def test_metrics_equal_fico_itr_on_five_captions_a_picture(n: int) -> None:
    generator = np.random.default_rng(n)
    scores = generator.permutation(n * n * 5).reshape(n, n * 5).astype(np.float64)
    metrics = retrieval_metrics(torch.tensor(scores), relevance(np.repeat(np.arange(n), 5), n))
    for ours, peer in zip((metrics.image_to_text, metrics.text_to_image), instance_retrieval(scores), strict=True):
        assert (ours.r1, ours.r5, ours.r10) == pytest.approx((peer["R@1"], peer["R@5"], peer["R@10"]))
        assert math.floor(ours.median_rank) == peer["MedianR"]
        assert ours.mean_rank == pytest.approx(peer["MeanR"])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_ties_count_by_the_mean_over_every_order_of_tied_items(items: list[tuple[int, bool]]) -> None:
    scores, relevant = [float(s) for s, _ in items], [r for _, r in items]
    if not any(relevant):
        relevant[0] = True
    answers = first_answers(torch.tensor([scores]), torch.tensor([relevant]))
    ranks = [first_rank(order, relevant) for order in orders_of_ties(scores)]
    assert float(answers.ranks()) == pytest.approx(np.mean(ranks))
    assert float(answers.optimistic().ranks()) == min(ranks)
    assert float(answers.pessimistic().ranks()) == max(ranks)
    for k in (1, 2, 5, 10):
        assert float(answers.hits(k)) == pytest.approx(np.mean([rank <= k for rank in ranks]))


def test_expected_hits_equal_many_random_tie_breakings() -> None:
    rng = random.Random(0)
    scores = [float(rng.randrange(3)) for _ in range(40)]
    relevant = [i % 9 == 0 for i in range(40)]
    answers = first_answers(torch.tensor([scores]), torch.tensor([relevant]))
    ranks = []
    for _ in range(4000):
        ranks.append(first_rank(sorted(range(40), key=lambda i: (-scores[i], rng.random())), relevant))
    assert float(answers.ranks()) == pytest.approx(np.mean(ranks), abs=0.1)
    for k in (1, 5, 10):
        assert float(answers.hits(k)) == pytest.approx(np.mean([rank <= k for rank in ranks]), abs=0.03)


def test_constant_scores_earn_what_chance_earns_and_bounds_tell_the_rest() -> None:
    n = 50
    answers = find_answers(torch.zeros(n, n), relevance(np.arange(n), n))
    metrics = answers.metrics()
    assert (metrics.text_to_image.r1, metrics.text_to_image.r10) == pytest.approx((2, 20))
    assert metrics.text_to_image.mean_rank == 25.5
    assert (answers.optimistic().metrics().rsum, answers.pessimistic().metrics().rsum) == (600, 0)


def test_scores_that_differ_in_the_last_bit_are_not_ties() -> None:
    just_above = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    answers = first_answers(torch.stack([just_above, torch.tensor(0.5)])[None], torch.tensor([[False, True]]))
    assert (int(answers.above), int(answers.tied_wrong)) == (1, 0)


@settings(max_examples=40)
@given(small_cases(), st.randoms(use_true_random=False))
def test_metrics_do_not_depend_on_the_order_of_pictures_and_captions(
    case: tuple[Tensor, np.ndarray], rng: random.Random
) -> None:
    scores, links = case
    n, m = scores.shape
    rows, columns = rng.sample(range(n), n), rng.sample(range(m), m)
    moved = np.argsort(rows)[links[columns]]
    before = retrieval_metrics(scores, relevance(links, n)).values()
    assert retrieval_metrics(scores[rows][:, columns], relevance(moved, n)).values() == pytest.approx(before)


@settings(max_examples=40)
@given(small_cases())
def test_metrics_do_not_depend_on_the_scale_of_scores(case: tuple[Tensor, np.ndarray]) -> None:
    scores, links = case
    relevant = relevance(links, scores.shape[0])
    before = retrieval_metrics(scores, relevant)
    for changed in (scores + 10, scores * 0.25, scores.exp(), scores.double() ** 3):
        assert retrieval_metrics(changed, relevant) == before


@settings(max_examples=40)
@given(small_cases())
def test_expectation_lies_between_the_bounds_and_recall_grows_with_k(case: tuple[Tensor, np.ndarray]) -> None:
    scores, links = case
    answers = find_answers(scores, relevance(links, scores.shape[0]))
    low, middle, high = (a.metrics() for a in (answers.pessimistic(), answers, answers.optimistic()))
    assert low.rsum - 1e-9 <= middle.rsum <= high.rsum + 1e-9
    assert middle.text_to_image.r1 <= middle.text_to_image.r5 <= middle.text_to_image.r10
    assert high.text_to_image.mean_rank <= middle.text_to_image.mean_rank <= low.text_to_image.mean_rank


def test_each_direction_can_have_its_own_scores() -> None:
    relevant = relevance(np.array([0, 1]), 2)
    metrics = retrieval_metrics(torch.eye(2), relevant, text_to_image=1 - torch.eye(2))
    assert (metrics.image_to_text.r1, metrics.text_to_image.r1) == (100, 0)


def test_looking_up_in_blocks_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 5, (11, 30), generator=generator).float()
    relevant = torch.rand(11, 30, generator=generator) < 0.1
    whole = first_answers(scores, relevant)
    with patch.object(ranking.row_blocks, "__kwdefaults__", {"elements": 60}):
        blocks = first_answers(scores, relevant)
    for name in ("above", "tied_wrong", "tied_right"):
        assert torch.equal(getattr(whole, name), getattr(blocks, name))


def test_a_query_without_relevant_items_never_hits() -> None:
    answers = FirstAnswers(torch.tensor([0, 3]), torch.tensor([0, 0]), torch.tensor([1, 0]))
    assert answers.hits(10).tolist() == [1.0, 0.0]
    assert answers.answerable.tolist() == [True, False]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_not_finite_are_refused_with_their_place(bad: float) -> None:
    scores = torch.zeros(4, 6)
    scores[2, 5] = scores[3, 0] = bad
    with pytest.raises(ScoreError, match=f"2 of 24 scores .* first is {bad} for image 2 and caption 5"):
        retrieval_metrics(scores, relevance(np.zeros(6, dtype=int), 4))
    with pytest.raises(ScoreError, match="image 2 and caption 5"):
        retrieval_metrics(torch.zeros(4, 6), relevance(np.zeros(6, dtype=int), 4), text_to_image=scores)


def test_a_corpus_with_nothing_to_find_is_refused() -> None:
    with pytest.raises(ScoreError, match="no image has anything to find"):
        retrieval_metrics(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool))
