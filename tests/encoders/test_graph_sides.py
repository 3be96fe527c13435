"""Both sides as graphs: what a whole is made of, that items do not mix, and which layers a switch leaves out."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from crossgraph.encoders.graph_sides import GraphSides
from crossgraph.errors import ModelError
from crossgraph.methods.contract import InputSizes
from crossgraph.methods.settings import GraphMethodConfig
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, Encoded, ImageBatch, NodeBatch, TextBatch, TextGraphs

ALL_ON = {"relations": True, "attributes": True, "linked": True}


def graph_sides(**switches: bool) -> GraphSides:
    torch.manual_seed(0)
    asked = {**ALL_ON, **switches}
    settings = GraphMethodConfig(
        width=8, heads=2, word_width=6, gru_width=6, neighbours=2, relations=asked.pop("relations")
    )
    return GraphSides(settings, InputSizes(part_width=5, whole_width=4, vocabulary=9), **asked).eval()


def images() -> ImageBatch:
    rng = torch.Generator().manual_seed(1)
    corners = torch.rand(3, 4, 2, generator=rng) / 2
    boxes = torch.cat([corners, corners + 0.1 + torch.rand(3, 4, 2, generator=rng) / 3], dim=-1)
    mask = torch.arange(4) < torch.tensor([4, 2, 1])[:, None]
    return ImageBatch(torch.randn(3, 4, 5, generator=rng), mask, boxes, torch.randn(3, 4, generator=rng))


def captions() -> TextBatch:
    """Two objects with a relation and an attribute; one object; nothing."""
    kinds = torch.tensor([[OBJECT, OBJECT, RELATION, ATTRIBUTE], [OBJECT, 0, 0, 0], [0, 0, 0, 0]])
    ends = torch.zeros(3, 4, 2, dtype=torch.long)
    ends[0] = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 1]])
    mask = torch.arange(4) < torch.tensor([4, 1, 0])[:, None]
    said = torch.zeros(3, 4, 5, dtype=torch.bool)
    for row, node, word in ((0, 0, 1), (0, 1, 4), (0, 2, 2), (0, 3, 3), (1, 0, 0), (1, 0, 1)):
        said[row, node, word] = True
    word_mask = torch.arange(5) < torch.tensor([5, 2, 3])[:, None]
    ids = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 0, 0, 0], [2, 4, 8, 0, 0]])
    words = tuple(tuple("abcde"[:count]) for count in (5, 2, 3))
    return TextBatch(word_mask, words, ids=ids, graphs=TextGraphs(NodeBatch(kinds, ends, mask), said))


def both(sides: GraphSides) -> tuple[Encoded, Encoded]:
    with torch.no_grad():
        return sides.images(images()), sides.texts(captions())[0]


@pytest.mark.parametrize("linked", [True, False])
def test_a_whole_is_what_is_pooled_what_is_known_and_the_mean_node(linked: bool) -> None:
    sides = graph_sides(linked=linked)
    image, text = both(sides)
    with torch.no_grad():
        for row, count in enumerate((4, 2, 1)):
            regions = sides.image_proj(images().parts[row, :count])[None]
            real = torch.ones(1, count, dtype=torch.bool)
            vectors, nodes = sides.region_nodes(regions, images().boxes[row : row + 1, :count], real)
            if sides.link_image is not None:
                vectors = sides.link_image(vectors, nodes)
            mean = torch.stack([vectors[0, i] for i in range(vectors.shape[1]) if nodes.mask[0, i]]).mean(dim=0)
            known = sides.pool_image(regions, real)[0] + sides.whole_proj(images().whole[row])
            assert torch.allclose(image.embedding[row], F.normalize(known + mean, dim=-1), atol=1e-5)
        words = sides.word_encoder(captions())
        vectors, graphs = sides.word_nodes(words, captions().graphs)
        if sides.link_text is not None:
            vectors = sides.link_text(vectors, graphs.nodes)
        pooled = sides.pool_text(words, captions().mask)
        for row, (count, nodes) in enumerate(((5, 4), (2, 1), (3, 0))):
            mean = vectors[row, :nodes].sum(dim=0) / max(nodes, 1)
            whole = F.normalize(pooled[row] + words[row, :count].mean(dim=0) + mean, dim=-1)
            assert torch.allclose(text.embedding[row], whole, atol=1e-5)
            assert torch.allclose(text.parts[row, :nodes], F.normalize(vectors[row, :nodes], dim=-1), atol=1e-6)


def test_nodes_are_unit_vectors_and_padding_is_zero() -> None:
    for encoded in both(graph_sides()):
        lengths = encoded.parts.norm(dim=-1)
        assert torch.allclose(lengths, encoded.mask.float(), atol=1e-5)
        assert torch.equal(encoded.mask, encoded.nodes.mask)
        assert torch.allclose(encoded.embedding.norm(dim=-1), torch.ones(3), atol=1e-5)


def test_a_caption_does_not_depend_on_its_company_or_the_order() -> None:
    sides, order = graph_sides(), torch.tensor([2, 0, 1])
    texts = captions()
    graphs = TextGraphs(texts.graphs.nodes[order], texts.graphs.words[order])
    words = tuple(texts.words[i] for i in order.tolist())
    moved = TextBatch(texts.mask[order], words, ids=texts.ids[order], graphs=graphs)
    with torch.no_grad():
        expected, found = sides.texts(texts)[0][order], sides.texts(moved)[0]
    assert torch.allclose(expected.embedding, found.embedding, atol=1e-6)
    assert torch.allclose(expected.parts, found.parts, atol=1e-6)


@pytest.mark.parametrize("relations", [True, False])
@pytest.mark.parametrize("attributes", [True, False])
def test_switches_say_which_nodes_there_are_and_which_sides_are_linked(relations: bool, attributes: bool) -> None:
    sides = graph_sides(relations=relations, attributes=attributes)
    image, text = both(sides)
    assert image.nodes.of_kind(RELATION).any() == relations
    assert text.nodes.of_kind(RELATION).any() == relations
    assert text.nodes.of_kind(ATTRIBUTE).any() == attributes
    assert not image.nodes.of_kind(ATTRIBUTE).any()
    assert (sides.link_image is not None) == relations
    assert (sides.link_text is not None) == (relations or attributes)
    assert graph_sides(relations=relations, attributes=attributes, linked=False).link_text is None


def test_linked_objects_hear_of_a_word_that_only_their_relation_says() -> None:
    # a change of word 2, which says the relation alone: without a GRU no other word hears of it
    for linked in (True, False):
        sides = graph_sides(linked=linked)
        sides.word_encoder.gru = None
        texts = captions()
        ids = texts.ids.clone()
        ids[0, 2] = 8
        with torch.no_grad():
            before, after = sides.texts(texts)[0], sides.texts(replace(texts, ids=ids))[0]
        moved = (before.parts[0] - after.parts[0]).abs().amax(dim=-1) > 1e-5
        assert moved.tolist() == [linked, linked, True, False]


def test_captions_without_graphs_are_refused() -> None:
    with pytest.raises(ModelError, match="captions came without; parse them first"):
        graph_sides().texts(replace(captions(), graphs=None))
