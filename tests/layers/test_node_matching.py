"""Late interaction all at once, row by row and by loops over nodes; relations by what they join."""

import math

import pytest
import torch

from crossgraph.errors import ModelError
from crossgraph.layers.node_matching import LateInteraction, comparable, consistency, nodes_of
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, Encoded
from tests.layers.graph_items import Row, encoded_graphs, nodes_from, random_rows, real_rows

IMAGE: Row = [(OBJECT, 0, 0), (OBJECT, 1, 1), (RELATION, 0, 1), (RELATION, 1, 0)]
CAPTION: Row = [(OBJECT, 0, 0), (OBJECT, 1, 1), (RELATION, 1, 0), (ATTRIBUTE, 1, 1)]


def late_interaction(width: int = 6, *, consistent: bool = True) -> LateInteraction:
    """One whose importances and shares differ."""
    torch.manual_seed(0)
    late = LateInteraction(width, consistent=consistent)
    with torch.no_grad():
        late.importance.weight.mul_(4)
        late.share.copy_(torch.tensor([0.6, 1.7]))
        if late.consistency_weight is not None:
            late.consistency_weight.copy_(torch.tensor(0.8))
    return late


def test_like_matches_like_and_an_attribute_matches_objects() -> None:
    allowed = comparable(nodes_from([IMAGE], padding=1), nodes_from([CAPTION], padding=1))[0]
    assert allowed.int().tolist() == [[1, 1, 0, 1, 0], [1, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0] * 5]


def test_relations_that_join_the_same_things_the_same_way_round_are_consistent_by_hand() -> None:
    dog, cat = torch.tensor([1.0, 0]), torch.tensor([0.0, 1])
    # the picture shows a dog and a cat; of its relations one goes from dog to cat and one from cat to dog
    regions, words = torch.stack([dog, cat, dog, dog]), torch.stack([cat, dog, dog, dog])
    # the caption names the cat first, and its relation goes from node 1, the dog, to node 0, the cat
    joined = consistency((regions @ words.T)[None], nodes_from([IMAGE]), nodes_from([CAPTION]))[0]
    assert joined[2, 2] == 1.0
    assert joined[3, 2] == 0.0
    # the attribute is the dog's, so it is found at the region of the dog
    assert joined[:2, 3].tolist() == [1.0, 0.0]
    assert (joined != 0).sum() == 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_consistency_equals_a_loop_over_pairs_of_nodes(seed: int) -> None:
    images = encoded_graphs(random_rows(5, seed=seed, attributes=False), seed=seed)
    texts = encoded_graphs(random_rows(5, seed=seed + 10, attributes=True), seed=seed + 10, padding=1)
    joined = consistency(images.parts @ texts.parts.mT, images.nodes, texts.nodes)
    for row in range(5):
        regions, words = real_rows(images, row), real_rows(texts, row)
        expected = torch.zeros_like(joined[row])
        for i, (_, kind, (subject, thing)) in enumerate(regions):
            for j, (_, other, (told_subject, told_thing)) in enumerate(words):
                if kind == other == RELATION or (kind, other) == (OBJECT, ATTRIBUTE):
                    subjects = float(regions[subject][0] @ words[told_subject][0])
                    things = float(regions[thing][0] @ words[told_thing][0])
                    expected[i, j] = (subjects + things) / 2
        assert torch.allclose(joined[row], expected, atol=1e-6)


@torch.no_grad()
def slow_late(late: LateInteraction, images: Encoded, texts: Encoded, i: int, j: int) -> float:
    words, regions = real_rows(texts, j), real_rows(images, i)
    logits = [math.exp(float(late.importance(vector))) for vector, _, _ in words]
    found = 0.0
    for (vector, kind, told), logit in zip(words, logits, strict=True):
        likeness = []
        for region, other, shown in regions:
            if (other == RELATION) == (kind == RELATION):
                likeness.append(float(region @ vector))
                if kind != OBJECT and late.consistency_weight is not None:
                    ends = [float(regions[a][0] @ words[b][0]) for a, b in zip(shown, told, strict=True)]
                    likeness[-1] += float(late.consistency_weight) * sum(ends) / 2
        found += logit / sum(logits) * max(likeness, default=0.0)
    whole = float(images.embedding[i] @ texts.embedding[j])
    return float(late.share[0]) * whole + float(late.share[1]) * found


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_of_all_pairs_equal_those_row_by_row_and_a_loop_over_nodes(seed: int, consistent: bool) -> None:
    late = late_interaction(consistent=consistent)
    images = encoded_graphs(random_rows(4, seed=seed, attributes=False), seed=seed, padding=1)
    texts = encoded_graphs(random_rows(5, seed=seed + 10, attributes=True), seed=seed + 10)
    everywhere = late.everywhere(images, texts)
    assert everywhere.shape == (4, 5)
    for i in range(4):
        by_row = late.pairs(images[[i] * 5], texts)
        assert torch.allclose(everywhere[i], by_row, atol=1e-6)
        for j in range(5):
            assert everywhere[i, j].item() == pytest.approx(slow_late(late, images, texts, i, j), abs=1e-5)


def test_a_relation_that_only_unlike_ones_could_answer_is_scored_below_zero() -> None:
    texts = encoded_graphs([CAPTION])
    opposite = encoded_graphs([IMAGE])
    parts = opposite.parts.clone()
    parts[0, 2:] = -texts.parts[0, 2]
    images = Encoded(opposite.embedding, parts, opposite.mask, opposite.nodes)
    late = late_interaction()
    assert late.pairs(images, texts).item() == pytest.approx(slow_late(late, images, texts, 0, 0), abs=1e-5)


def test_a_node_whose_kind_the_picture_lacks_finds_nothing() -> None:
    late, texts = late_interaction(), encoded_graphs([[*CAPTION[:2], (RELATION, 0, 1)]])
    lonely = encoded_graphs([[(OBJECT, 0, 0)]], seed=5)
    weights = late.weights(texts)[0]
    best = (lonely.parts[0, 0] @ texts.parts[0].T)[:2]
    expected = late.share[0] * (lonely.embedding @ texts.embedding.T) + late.share[1] * (weights[:2] * best).sum()
    assert late.everywhere(lonely, texts).item() == pytest.approx(expected.item(), abs=1e-6)


def test_an_empty_graph_is_scored_by_the_whole_alone() -> None:
    late, images, texts = late_interaction(), encoded_graphs([IMAGE]), encoded_graphs([[]], padding=2, seed=4)
    expected = late.share[0] * (images.embedding @ texts.embedding.T)
    assert torch.allclose(late.everywhere(images, texts), expected)
    assert torch.allclose(late.pairs(images, texts), expected[0])
    assert late.weights(texts).tolist() == [[0.0, 0.0]]


def test_padding_of_either_side_changes_no_score() -> None:
    late = late_interaction()
    rows, told = random_rows(3, seed=1, attributes=False), random_rows(3, seed=2, attributes=True)
    scores = [
        late.everywhere(encoded_graphs(rows, padding=left), encoded_graphs(told, seed=9, padding=right))
        for left, right in ((0, 0), (3, 0), (0, 4))
    ]
    assert torch.allclose(scores[0], scores[1], atol=1e-6)
    assert torch.allclose(scores[0], scores[2], atol=1e-6)


def test_importances_of_a_caption_sum_to_one() -> None:
    weights = late_interaction().weights(encoded_graphs(random_rows(4, seed=3, attributes=True)))
    assert torch.allclose(weights.sum(dim=1), torch.tensor([1.0, 1, 1, 0]), atol=1e-6)
    assert (weights >= 0).all()


def test_an_encoding_without_nodes_is_refused() -> None:
    with pytest.raises(ModelError, match="without nodes"):
        nodes_of(Encoded(torch.eye(2), torch.rand(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)))
