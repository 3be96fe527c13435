"""Shortlists and their re-ranking."""

import io
import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossgraph.errors import ConfigError, ScoreError
from crossgraph.evaluation.metrics import relevance, retrieval_metrics
from crossgraph.evaluation.ranking import score_corpus
from crossgraph.evaluation.two_stage import require_shortlist, two_stage, two_stage_blends
from crossgraph.methods.contract import Method
from crossgraph.progress import JsonLines
from crossgraph.types import Encoded
from crossgraph.verbs import evaluate

MakeEncoded = Callable[..., Encoded]


def slow_order(coarse: list[float], fine: list[float], k: int) -> list[int]:
    """Items from best to worst, ties in any order: k by the fine score, then the rest by the coarse one."""
    ranked = sorted(range(len(coarse)), key=lambda i: -coarse[i])
    return sorted(ranked[:k], key=lambda i: -fine[i]) + ranked[k:]


@pytest.mark.parametrize(("k", "blend"), [(1, 0.0), (3, 0.0), (3, 0.5), (100, 2.0)])
def test_every_query_is_ordered_as_a_slow_loop_orders_it(
    method: Method, make_encoded: MakeEncoded, k: int, blend: float
) -> None:
    images, texts = make_encoded(6, 3, seed=0, channels=9), make_encoded(14, 4, seed=1, channels=9)
    coarse = torch.randperm(84, generator=torch.Generator().manual_seed(2)).view(6, 14).float()
    fine = score_corpus(method, images, texts) + blend * coarse
    result = two_stage(method, images, texts, shortlist_scores=coarse, k=k, blend=blend, pairs_per_block=7)
    for i in range(6):
        order = slow_order(coarse[i].tolist(), fine[i].tolist(), k)
        assert set(order[:k]) == set(result.captions_of_images[i].tolist())
        _assert_falls_along(result.image_to_text[i], order, fine[i], coarse[i], k)
    for j in range(14):
        order = slow_order(coarse[:, j].tolist(), fine[:, j].tolist(), k)
        _assert_falls_along(result.text_to_image[:, j], order, fine[:, j], coarse[:, j], k)


def _assert_falls_along(
    ranked: torch.Tensor, order: list[int], fine: torch.Tensor, coarse: torch.Tensor, k: int
) -> None:
    """Numbers fall along `order` exactly where the deciding score falls, and stay where it stays."""
    for place, (better, worse) in enumerate(itertools.pairwise(order), 1):
        decides = fine if place < k else coarse
        equal = place != k and bool(decides[better] == decides[worse])
        assert bool(ranked[better] == ranked[worse]) == equal
        assert ranked[better] >= ranked[worse]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
def test_a_shortlist_as_long_as_the_gallery_equals_the_exhaustive_ranking(
    method: Method, make_encoded: MakeEncoded, seed: int, n: int, m: int
) -> None:
    images, texts = make_encoded(n, 3, seed=seed, channels=1), make_encoded(m, 4, seed=seed + 1, channels=1)
    links = np.random.default_rng(seed).integers(0, n, m)
    coarse = torch.rand(n, m, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    relevant = relevance(links, n)
    exhaustive = retrieval_metrics(score_corpus(method, images, texts), relevant)
    result = two_stage(method, images, texts, shortlist_scores=coarse, k=max(n, m))
    assert retrieval_metrics(result.image_to_text, relevant, text_to_image=result.text_to_image) == exhaustive
    cap = result.recall_cap(relevant)
    assert (cap.image_to_text, cap.text_to_image) == (100, 100)


def test_the_recall_cap_is_what_the_shortlist_lets_through(method: Method, make_encoded: MakeEncoded) -> None:
    images, texts = make_encoded(3, 2, seed=0), make_encoded(4, 2, seed=1)
    coarse = torch.tensor([[9.0, 1, 2, 3], [1.0, 9, 8, 7], [2.0, 1, 9, 8]])
    links = np.array([0, 0, 1, 2])
    result = two_stage(method, images, texts, shortlist_scores=coarse, k=1)
    cap = result.recall_cap(relevance(links, 3))
    # Captions 0..3 get pictures 0, 1, 2, 2: two of four are right. Pictures get captions 0, 1, 2: one of three.
    assert (cap.image_to_text, cap.text_to_image) == pytest.approx((100 / 3, 50))
    metrics = retrieval_metrics(result.image_to_text, relevance(links, 3), text_to_image=result.text_to_image)
    assert metrics.text_to_image.r1 == cap.text_to_image
    assert result.scored_pairs == 4  # (0,0), (1,1), (2,2) are on both sides' lists, (2,3) on one


def test_a_shortlist_of_one_keeps_the_first_stages_order(method: Method, make_encoded: MakeEncoded) -> None:
    coarse = torch.rand(5, 8, generator=torch.Generator().manual_seed(0))
    relevant = relevance(np.arange(8) % 5, 5)
    result = two_stage(method, make_encoded(5, 2, seed=0), make_encoded(8, 2, seed=1), shortlist_scores=coarse, k=1)
    reranked = retrieval_metrics(result.image_to_text, relevant, text_to_image=result.text_to_image)
    assert reranked == retrieval_metrics(coarse, relevant)


def test_ties_at_the_edge_enter_by_index_and_ties_below_stay_ties(method: Method, make_encoded: MakeEncoded) -> None:
    coarse = torch.tensor([[1.0, 2.0, 1.0, 1.0]])
    result = two_stage(method, make_encoded(1, 2, seed=0), make_encoded(4, 2, seed=1), shortlist_scores=coarse, k=2)
    assert result.captions_of_images.tolist() == [[1, 0]]
    assert result.image_to_text[0, 2] == result.image_to_text[0, 3] < 0 < result.image_to_text[0, :2].min()


def test_progress_counts_every_scored_pair(method: Method, make_encoded: MakeEncoded) -> None:
    stream = io.StringIO()
    result = two_stage(
        method,
        make_encoded(4, 2, seed=0),
        make_encoded(9, 2, seed=1),
        shortlist_scores=torch.rand(4, 9, generator=torch.Generator().manual_seed(3)),
        k=2,
        pairs_per_block=3,
        progress=JsonLines(stream),
    )
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert last["done"] == last["total"] == result.scored_pairs < 4 * 2 + 9 * 2 + 1


def test_empty_shortlists_wrong_shapes_and_scores_that_are_not_finite_are_refused(
    method: Method, make_encoded: MakeEncoded
) -> None:
    images, texts = make_encoded(3, 2, seed=0), make_encoded(4, 2, seed=1)
    with pytest.raises(ConfigError, match="shortlist of 0"):
        two_stage(method, images, texts, shortlist_scores=torch.zeros(3, 4), k=0)
    with pytest.raises(ScoreError, match=r"\(4, 3\), expected \(3, 4\)"):
        two_stage(method, images, texts, shortlist_scores=torch.zeros(4, 3), k=1)
    with pytest.raises(ScoreError, match="nan for image 0 and caption 0"):
        two_stage(method, images, texts, shortlist_scores=torch.full((3, 4), torch.nan), k=1)
    assert images.parts is not None
    images.parts[1] = torch.inf
    with pytest.raises(ScoreError, match=r"of 12 fine scores .* for image 1 and caption"):
        two_stage(method, images, texts, shortlist_scores=torch.zeros(3, 4), k=4)


@pytest.mark.parametrize("blend", [float("nan"), float("inf"), -1.0])
def test_a_blend_that_is_negative_or_not_finite_is_refused(
    method: Method, make_encoded: MakeEncoded, blend: float
) -> None:
    images, texts = make_encoded(3, 2, seed=0), make_encoded(4, 2, seed=1)
    with pytest.raises(ConfigError, match=rf"finite number of 0 or more; got {blend}"):
        two_stage_blends(method, images, texts, shortlist_scores=torch.zeros(3, 4), k=2, blends=[0.5, blend])


def test_blended_scores_that_are_not_finite_are_refused(method: Method, make_encoded: MakeEncoded) -> None:
    images, texts = make_encoded(3, 2, seed=0), make_encoded(4, 2, seed=1)
    first = torch.zeros(3, 4)
    first[1, 2] = 10
    with pytest.raises(ScoreError, match=r"1 of 12 scores blended with 1e\+38 .* image 1 and caption 2"):
        two_stage(method, images, texts, shortlist_scores=first, k=4, blend=1e38)


@pytest.mark.parametrize("k", [2.5, True, "3", 0])
def test_a_shortlist_is_a_whole_number_of_items(k: object) -> None:
    with pytest.raises(ConfigError, match=r"shortlist .*; .*at least 1"):
        require_shortlist(k)
    require_shortlist(np.int64(3))


def test_a_wrong_shortlist_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="shortlist of 0"):
        evaluate("no/such/run", "no/such/data", two_stage_k=0)


def test_several_blends_at_once_equal_each_by_itself(method: Method, make_encoded: MakeEncoded) -> None:
    images, texts = make_encoded(6, 3, seed=0, channels=9), make_encoded(14, 4, seed=1, channels=9)
    first = torch.rand(6, 14, generator=torch.Generator().manual_seed(4))
    together = two_stage_blends(method, images, texts, shortlist_scores=first, k=4, blends=[0.0, 0.5, 300.0])
    assert [result.blend for result in together] == [0.0, 0.5, 300.0]
    for result in together:
        alone = two_stage(method, images, texts, shortlist_scores=first, k=4, blend=result.blend)
        assert torch.equal(result.image_to_text, alone.image_to_text)
        assert torch.equal(result.text_to_image, alone.text_to_image)
    assert not torch.equal(together[0].image_to_text, together[2].image_to_text)
