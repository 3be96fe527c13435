"""From matched nodes to words, regions and boxes: by hand and by loops."""

import pytest
import torch
import torch.nn.functional as F

from crossgraph.errors import ModelError
from crossgraph.layers.node_explanation import best_matches, explain_nodes, region_shares, words_over_regions
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, Alignment, Encoded, ImageBatch, TextBatch, TextGraphs
from tests.layers.graph_items import Row, encoded_graphs, nodes_from, random_rows, real_rows

IMAGE: Row = [(OBJECT, 0, 0), (OBJECT, 1, 1), (OBJECT, 2, 2), (RELATION, 2, 1)]
CAPTION: Row = [(OBJECT, 0, 0), (OBJECT, 1, 1), (RELATION, 0, 1), (ATTRIBUTE, 1, 1)]
WORDS = ("a", "dog", "on", "red", "grass")
SAID = [(1,), (3, 4), (2,), (3,)]
"""The words of each node of the caption: nobody says "a"."""


def caption_graph(*, padding: int = 0, said: list[tuple[int, ...]] = SAID) -> TextGraphs:
    words = torch.zeros(1, len(CAPTION) + padding, len(WORDS), dtype=torch.bool)
    for node, places in enumerate(said):
        words[0, node, list(places)] = True
    return TextGraphs(nodes_from([CAPTION], padding=padding), words)


def explained(looks: torch.Tensor, graph: TextGraphs, *, weights: torch.Tensor | None = None) -> Alignment:
    boxes = torch.tensor([[[0.0, 0, 0.1, 0.1], [0.2, 0.2, 0.3, 0.3], [0.4, 0.4, 0.5, 0.5]]])
    pictures = ImageBatch(torch.rand(1, 3, 2), torch.ones(1, 3, dtype=torch.bool), boxes, torch.rand(1, 2))
    mask = torch.ones(1, len(WORDS), dtype=torch.bool)
    captions = TextBatch(mask, (WORDS,), ids=torch.ones(1, len(WORDS), dtype=torch.long), graphs=graph)
    padding = graph.nodes.mask.shape[1] - len(CAPTION)
    texts = encoded_graphs([CAPTION], seed=1, padding=padding)
    if weights is None:
        weights = torch.tensor([[0.1, 0.2, 0.3, 0.4] + [0.0] * padding])
    images = encoded_graphs([IMAGE])
    return explain_nodes(
        pictures,
        captions,
        images.nodes,
        graph,
        looks,
        likeness=images.parts @ texts.parts.mT,
        weights=weights,
        score=torch.tensor([0.25]),
    )


def looks_at(*places: int, padding: int = 0) -> torch.Tensor:
    """Each node of the caption looks at one node of the picture; -1: nowhere."""
    looks = torch.zeros(1, len(IMAGE), len(CAPTION) + padding)
    for node, place in enumerate(places):
        if place >= 0:
            looks[0, place, node] = 1.0
    return looks


def test_an_object_is_at_its_region_and_a_relation_half_at_either_end() -> None:
    shares = region_shares(nodes_from([IMAGE], padding=1), 4)
    assert shares.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 0]]


def test_words_look_where_their_nodes_look_by_hand() -> None:
    alignment = explained(looks_at(0, 1, 3, 2), caption_graph())
    # "a" nowhere; "dog" at region 0; "on" between 1 and 2; "red" is said by the object at 1 and the attribute at 2
    expected = torch.tensor([[0, 1, 0, 0, 0], [0, 0, 0.5, 0.5, 1], [0, 0, 0.5, 0.5, 0]])
    assert torch.allclose(alignment.weights, expected)
    found = [match.score for match in alignment.matches]
    told = [0.0, found[0], found[2], (found[1] + found[3]) / 2, found[1]]
    assert alignment.word_scores.tolist() == pytest.approx(told, abs=1e-6)
    assert alignment.words == WORDS
    assert alignment.score == 0.25


def test_matches_name_kind_words_boxes_and_contribution() -> None:
    alignment = explained(looks_at(0, 1, 3, -1), caption_graph())
    kinds = [match.kind for match in alignment.matches]
    assert kinds == ["object", "object", "relation", "attribute"]
    assert [match.text for match in alignment.matches] == ["dog", "red grass", "dog · on · red grass", "red"]
    boxes = [[[round(side, 3) for side in box] for box in match.boxes] for match in alignment.matches]
    assert boxes[0] == [[0.0, 0.0, 0.1, 0.1]]
    assert boxes[2] == [[0.4, 0.4, 0.5, 0.5], [0.2, 0.2, 0.3, 0.3]]  # subject first
    assert boxes[3] == []
    cosines = encoded_graphs([IMAGE]).parts[0] @ encoded_graphs([CAPTION], seed=1).parts[0].T
    expected = [cosines[0, 0].item(), cosines[1, 1].item(), cosines[3, 2].item(), 0.0]
    assert [match.score for match in alignment.matches] == pytest.approx(expected, abs=1e-6)
    weighed = [weight * cosine for weight, cosine in zip((0.1, 0.2, 0.3, 0.4), expected, strict=True)]
    assert [match.contribution for match in alignment.matches] == pytest.approx(weighed, abs=1e-6)


def test_a_relation_without_words_of_its_own_leaves_no_gap() -> None:
    alignment = explained(looks_at(0, 1, 3, 2), caption_graph(said=[(1,), (4,), (), (3,)]))
    assert alignment.matches[2].text == "dog · grass"


def test_padded_nodes_of_the_caption_change_nothing() -> None:
    plain = explained(looks_at(0, 1, 3, 2), caption_graph())
    padded = explained(looks_at(0, 1, 3, 2, padding=2), caption_graph(padding=2))
    assert torch.equal(plain.weights, padded.weights)
    assert torch.equal(plain.word_scores, padded.word_scores)
    assert plain.matches == padded.matches


def test_spread_attention_equals_a_loop_over_nodes() -> None:
    torch.manual_seed(0)
    graph, images = caption_graph(padding=1), nodes_from([IMAGE], padding=1)
    looks, found = torch.rand(5, 5) * images.mask[0][:, None] * graph.nodes.mask[0], torch.randn(5)
    weights, scores = words_over_regions(looks, found, graph, images, regions=3)
    for word in range(len(WORDS)):
        sayers = [node for node, places in enumerate(SAID) if word in places]
        heat = [0.0, 0.0, 0.0]
        for node in sayers:
            for place, (_, first, second) in enumerate(IMAGE):
                heat[first] += float(looks[place, node]) / 2
                heat[second] += float(looks[place, node]) / 2
        total = sum(heat) or 1.0
        assert weights[:, word].tolist() == pytest.approx([value / total for value in heat], abs=1e-5)
        mean = sum(float(found[node]) for node in sayers) / max(len(sayers), 1)
        assert scores[word].item() == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_best_matches_equal_a_loop_over_comparable_nodes(seed: int) -> None:
    images = encoded_graphs(random_rows(4, seed=seed, attributes=False), seed=seed, padding=1)
    texts = encoded_graphs(random_rows(4, seed=seed + 7, attributes=True), seed=seed + 7, padding=2)
    looks = best_matches(images, texts, images.parts @ texts.parts.mT)
    for row in range(4):
        regions, expected = real_rows(images, row), torch.zeros_like(looks[row])
        for node, (vector, kind, _) in enumerate(real_rows(texts, row)):
            like = [i for i, (_, other, _) in enumerate(regions) if (other == RELATION) == (kind == RELATION)]
            if like:
                expected[max(like, key=lambda i: float(regions[i][0] @ vector)), node] = 1.0
        assert torch.equal(looks[row], expected)


def test_encodings_without_nodes_are_refused() -> None:
    bare = Encoded(F.normalize(torch.randn(1, 6), dim=-1))
    with pytest.raises(ModelError, match="without nodes"):
        best_matches(bare, bare, torch.zeros(1, 2, 2))
