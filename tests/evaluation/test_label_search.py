"""Queries against galleries judged by labels: codes, cosines, own pairs and blocks."""

import numpy as np
import pytest
import torch

from crossgraph.errors import DataError, ScoreError
from crossgraph.evaluation import label_search
from crossgraph.evaluation.label_metrics import average_precision
from crossgraph.evaluation.label_scores import code_facts, score_direction
from crossgraph.evaluation.label_search import LabelledItems, mean_average_precision, rankings
from crossgraph.evaluation.protocols import PROTOCOLS
from crossgraph.types import Encoded
from tests.evaluation.label_oracles import slow_average_precision

UNSEEN = PROTOCOLS["unseen-database"]


def coded(bits: torch.Tensor) -> Encoded:
    """Bits as a method that hashes gives them."""
    code = torch.from_numpy(np.packbits(bits.numpy(), axis=1))
    return Encoded((2.0 * bits - 1) / bits.shape[1] ** 0.5, code=code)


def items(n: int, *, seed: int, bits: int | None = None, images: int | None = None) -> LabelledItems:
    """Items of random labels, ranked by real numbers or, with `bits`, by codes."""
    rng = torch.Generator().manual_seed(seed)
    if bits is None:
        encoded = Encoded(torch.nn.functional.normalize(torch.randn(n, 8, generator=rng)))
    else:
        encoded = coded(torch.rand(n, bits, generator=rng) < 0.5)
    labels = np.random.default_rng(seed).random((n, 5)) < 0.3
    return LabelledItems(encoded, labels, np.arange(n) % (images or n))


def slow_map(queries: LabelledItems, gallery: LabelledItems, *, own_pair: bool) -> float:
    scores = (queries.encoded.embedding @ gallery.encoded.embedding.T).numpy()
    found = []
    for i in range(len(queries)):
        order = [j for j in np.argsort(-scores[i]) if own_pair or gallery.image[j] != queries.image[i]]
        relevant = [int((queries.labels[i] & gallery.labels[j]).any()) for j in order]
        if any(relevant):
            found.append(slow_average_precision(relevant))
    return float(np.mean(found))


@pytest.mark.parametrize("own_pair", [True, False])
def test_map_by_cosine_equals_a_slow_loop(own_pair: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_search, "PAIRS", 100)  # three queries to a block
    queries, gallery = items(10, seed=0), items(30, seed=1, images=10)
    found = mean_average_precision(queries, gallery, own_pair=own_pair)
    assert found == pytest.approx(slow_map(queries, gallery, own_pair=own_pair))


def test_codes_and_their_embeddings_rank_alike() -> None:
    queries, gallery = items(20, seed=2, bits=16), items(60, seed=3, bits=16, images=20)
    plain = [LabelledItems(Encoded(side.encoded.embedding), side.labels, side.image) for side in (queries, gallery)]
    for own_pair in (True, False):
        by_code = mean_average_precision(queries, gallery, own_pair=own_pair)
        assert by_code == pytest.approx(mean_average_precision(*plain, own_pair=own_pair))


def test_the_order_of_the_gallery_is_of_no_consequence() -> None:
    queries, gallery = items(20, seed=2, bits=8), items(60, seed=3, bits=8)
    order = np.random.default_rng(0).permutation(60)
    by_label = np.argsort(~gallery.labels[:, 0])
    found = [mean_average_precision(queries, gallery.where(np.ones(60, np.bool_)))]
    for rows in (order, by_label):
        shuffled = LabelledItems(gallery.encoded[torch.from_numpy(rows)], gallery.labels[rows], gallery.image[rows])
        found.append(mean_average_precision(queries, shuffled))
    assert found == pytest.approx([found[0]] * 3)


def test_scores_of_a_direction_count_queries_without_answer_and_chance() -> None:
    queries, gallery = items(12, seed=4, bits=16), items(40, seed=5, bits=16)
    queries.labels[:2] = False
    found = score_direction(queries, gallery, UNSEEN)
    (groups,) = rankings(queries, gallery, own_pair=False)
    empty = int((groups.found == 0).sum())
    assert empty >= 2
    assert (found.queries, found.queries_without_answer, found.items) == (12, empty, 40)
    assert found.values["main"] == pytest.approx(average_precision(groups).mean())
    assert found.values["ties_lost"] < found.values["main"] < found.values["ties_won"]
    assert found.values["chance"] == pytest.approx((groups.found / groups.items.sum(1)).mean())
    dropped = score_direction(queries, gallery, UNSEEN.varied(["empty=drop"]))
    assert dropped.values["main"] == pytest.approx(found.values["main"] * 12 / (12 - empty))
    assert found.radius is not None
    assert len(found.radius.recall) == 17
    assert found.radius.recall[-1] == 1.0
    assert found.curve.recall[-1] == pytest.approx(1.0)
    assert found.curve.precision[-1] == pytest.approx((groups.found / 40).sum() / (12 - empty))


def test_a_protocol_chooses_the_measure() -> None:
    queries, gallery = items(12, seed=4), items(40, seed=5)
    every = score_direction(queries, gallery, UNSEEN)
    assert every.radius is None
    for changes, name in (
        (["metric=ndcg", "k=100"], "ndcg_at_100"),
        (["metric=precision", "k=100"], "precision_at_100"),
    ):
        assert score_direction(queries, gallery, UNSEEN.varied(changes)).values["main"] == every.values[name]
    assert (
        score_direction(queries, gallery, UNSEEN.varied(["ties=pessimistic"])).values["main"]
        == every.values["ties_lost"]
    )
    first = score_direction(queries, gallery, UNSEEN.varied(["k=3", "normaliser=r"])).values["main"]
    assert first < every.values["main"]


def test_facts_about_codes_by_hand() -> None:
    facts = code_facts(coded(torch.tensor([[1, 0, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0]], dtype=torch.bool)))
    assert facts is not None
    assert (facts.bits, facts.unique, facts.bit_mean) == pytest.approx((3, 3 / 4, (1 + 0.5 + 0) / 3))
    assert code_facts(Encoded(torch.eye(2))) is None


def test_sides_of_different_length_and_empty_sides_are_refused() -> None:
    with pytest.raises(ScoreError, match="one of each an item"):
        LabelledItems(Encoded(torch.eye(2)), np.ones((3, 1), np.bool_), np.arange(2))
    with pytest.raises(DataError, match="nothing to search"):
        next(rankings(items(3, seed=0), items(3, seed=0).where(np.zeros(3, np.bool_))))
