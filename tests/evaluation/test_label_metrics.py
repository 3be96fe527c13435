"""Every metric of labels equals the mean over all orders of tied items."""

from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from crossgraph.errors import ConfigError
from crossgraph.evaluation.label_metrics import (
    NORMALISERS,
    Normaliser,
    average_precision,
    average_precision_at,
    hits_at,
    mean_over,
    ndcg_at,
    precision_at,
)
from crossgraph.evaluation.tie_groups import TieGroups, groups_of_scores, joined
from tests.evaluation.label_oracles import mean_over_orders, orders_of_ties, slow_average_precision, slow_ndcg


def ranked(scores: list[float], shared: list[int]) -> TieGroups:
    return groups_of_scores(np.array([scores], dtype=np.float64), np.array([shared]))


RANKINGS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6)


@given(RANKINGS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_average_precision_is_the_mean_over_all_orders_of_tied_items(items: list[tuple[int, int]]) -> None:
    scores, shared = [float(score) for score, _ in items], [labels for _, labels in items]
    groups, relevant = ranked(scores, shared), [int(labels > 0) for labels in shared]
    assert average_precision(groups)[0] == pytest.approx(mean_over_orders(scores, relevant, slow_average_precision))
    every = [slow_average_precision(order) for order in orders_of_ties(scores, relevant)]
    assert average_precision(groups.optimistic())[0] == pytest.approx(max(every))
    assert average_precision(groups.pessimistic())[0] == pytest.approx(min(every))


@pytest.mark.parametrize("normaliser", NORMALISERS)
@given(items=RANKINGS, k=st.integers(1, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_average_precision_at_k_is_the_mean_over_all_orders(
    normaliser: Normaliser, items: list[tuple[int, int]], k: int
) -> None:
    scores, relevant = [float(score) for score, _ in items], [int(labels > 0) for _, labels in items]
    slow = partial(slow_average_precision, k=k, normaliser=normaliser)
    found = average_precision_at(ranked(scores, relevant), k, normaliser=normaliser)[0]
    assert found == pytest.approx(mean_over_orders(scores, relevant, slow))


@given(items=RANKINGS, k=st.integers(1, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_ndcg_and_precision_at_k_are_means_over_all_orders(items: list[tuple[int, int]], k: int) -> None:
    scores, shared = [float(score) for score, _ in items], [labels for _, labels in items]
    groups = ranked(scores, shared)
    assert ndcg_at(groups, k)[0] == pytest.approx(mean_over_orders(scores, shared, partial(slow_ndcg, k=k)))
    precision = mean_over_orders(scores, shared, lambda order: sum(s > 0 for s in order[:k]) / k)
    assert precision_at(groups, k)[0] == pytest.approx(precision)


def test_the_normalisers_by_hand() -> None:
    """Relevant at ranks 1, 3 and 5 of 5; the first three hold two of them: precisions 1 and 2/3 (and 3/5 at rank 5)."""
    groups = ranked([5, 4, 3, 2, 1], [1, 0, 1, 0, 1])
    found = {name: average_precision_at(groups, 2, normaliser=name)[0] for name in NORMALISERS}
    assert found == pytest.approx(
        {"hits": 1.0, "min_k_r": 1 / 2, "r": 1 / 3, "k": 1 / 2, "first_relevant": (1 + 2 / 3) / 2}
    )
    assert average_precision(groups)[0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_dividing_by_hits_rewards_finding_less() -> None:
    lone, both = ranked([3, 2, 1], [1, 0, 0]), ranked([3, 2, 1], [1, 0, 1])
    assert average_precision_at(lone, 3, normaliser="hits") > average_precision_at(both, 3, normaliser="hits")


def test_all_items_tied_give_about_the_prevalence_and_wide_bounds() -> None:
    shared = np.arange(1000)[None] % 10 < 3
    groups = groups_of_scores(np.zeros((1, 1000)), shared.astype(np.int64))
    assert average_precision(groups)[0] == pytest.approx(0.3, abs=0.01)
    assert average_precision(groups.optimistic())[0] == pytest.approx(1.0)
    assert average_precision(groups.pessimistic())[0] < 0.2


def test_expected_precision_equals_random_tie_breaking() -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(0, 5, 200).astype(np.float64), rng.random(200) < 0.3
    shuffled = []
    for _ in range(1500):
        order = np.lexsort((rng.random(200), -scores))
        shuffled.append([slow_average_precision(relevant[order].tolist(), k, name) for k, name in CUTS])
    groups = groups_of_scores(scores[None], relevant[None].astype(np.int64))
    found = [average_precision_at(groups, k, normaliser=name)[0] for k, name in CUTS]
    assert found == pytest.approx(np.mean(shuffled, axis=0), abs=0.004)


CUTS: list[tuple[int, Normaliser]] = [(200, "r"), (50, "hits"), (50, "first_relevant"), (50, "min_k_r")]


def test_without_ties_average_precision_and_ndcg_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    scores, shared = rng.random((6, 80)), rng.integers(0, 4, (6, 80))
    groups = groups_of_scores(scores, shared)
    expected = [average_precision_score(row > 0, score) for row, score in zip(shared, scores, strict=True)]
    assert average_precision(groups) == pytest.approx(expected)


def test_tied_ndcg_equals_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    scores, shared = rng.integers(0, 4, (6, 80)).astype(np.float64), rng.integers(0, 4, (6, 80))
    for k in (5, 30, 80):
        mean = ndcg_at(groups_of_scores(scores, shared), k).mean()
        assert mean == pytest.approx(ndcg_score(2**shared - 1, scores, k=k))


def test_a_query_without_relevant_items_counts_as_zero_or_is_dropped() -> None:
    groups = groups_of_scores(np.array([[2.0, 1.0], [2.0, 1.0]]), np.array([[1, 0], [0, 0]]))
    values = average_precision(groups)
    assert values.tolist() == [1.0, 0.0]
    assert [average_precision_at(groups, 1, normaliser=name)[1] for name in NORMALISERS] == [0.0] * len(NORMALISERS)
    assert ndcg_at(groups).tolist() == [1.0, 0.0]
    assert mean_over(values, groups.found > 0, empty="zero") == 0.5
    assert mean_over(values, groups.found > 0, empty="drop") == 1.0


def test_hits_grow_evenly_inside_a_tied_group() -> None:
    groups = ranked([2, 1, 1, 1, 1], [1, 1, 1, 0, 0])
    assert hits_at(groups, [1, 2, 3, 5, 9])[0] == pytest.approx([1, 1.5, 2, 3, 3])


def test_a_query_never_finds_what_it_skips() -> None:
    scores, shared = np.array([[3.0, 2.0, 1.0]]), np.array([[1, 0, 1]])
    groups = groups_of_scores(scores, shared, [np.array([0])])
    assert (groups.items.sum(), groups.found.tolist()) == (2, [1])
    assert average_precision(groups)[0] == 0.5


def test_joined_blocks_are_all_queries() -> None:
    rng = np.random.default_rng(3)
    scores, shared = rng.integers(0, 9, (7, 20)).astype(np.float64), rng.integers(0, 3, (7, 20))
    whole = groups_of_scores(scores, shared)
    parts = joined([groups_of_scores(scores[:3], shared[:3]), groups_of_scores(scores[3:], shared[3:])])
    assert len(parts) == 7
    assert average_precision(parts) == pytest.approx(average_precision(whole))
    assert ndcg_at(parts, 5) == pytest.approx(ndcg_at(whole, 5))


def test_an_unknown_normaliser_and_rank_zero_are_refused() -> None:
    groups = ranked([1.0], [1])
    with pytest.raises(ConfigError, match="ranks begin at 1"):
        precision_at(groups, 0)
    with pytest.raises(ConfigError, match="at least one rank"):
        average_precision_at(groups, 0)
