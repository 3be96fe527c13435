"""Nodes of graphs as vectors: by hand, by loops over nodes, and whatever the padding."""

from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.graphs.spatial import pair_geometry
from crossgraph.layers.graph_nodes import RegionNodes, Relate, WordNodes, gather_nodes, real_first, reordered
from crossgraph.types import ATTRIBUTE, OBJECT, PLACE, RELATION, TextGraphs
from tests.layers.graph_items import nodes_from

CHASE = [(OBJECT, 0, 0), (OBJECT, 1, 1), (RELATION, 1, 0), (ATTRIBUTE, 0, 0), (ATTRIBUTE, 0, 0)]
"""Two objects, a relation from the second to the first, two attributes of the first."""


def spoken(rows: list[list[tuple[int, ...]]], *, nodes: int, words: int) -> Tensor:
    said = torch.zeros(len(rows), nodes, words, dtype=torch.bool)
    for row, graph in enumerate(rows):
        for node, places in enumerate(graph):
            for place in places:
                said[row, node, place] = True
    return said


def chase(*, padding: int = 0) -> TextGraphs:
    said = spoken([[(0, 1), (3,), (2,), (4,), (1, 4)]], nodes=5 + padding, words=5)
    return TextGraphs(nodes_from([CHASE], padding=padding), said)


Loose = TypeVar("Loose", bound=torch.nn.Module)


def loosened(module: Loose) -> Loose:
    """The module away from its tame beginnings."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def drawn_boxes(*shape: int) -> Tensor:
    corners = torch.rand(*shape, 2) / 2
    return torch.cat([corners, corners + 0.05 + 0.4 * torch.rand(*shape, 2)], dim=-1)


def test_nodes_are_gathered_graph_by_graph() -> None:
    nodes = torch.arange(12.0).view(2, 3, 2)
    gathered = gather_nodes(nodes, torch.tensor([[2, 2], [0, 1]]))
    assert gathered.tolist() == [[[4, 5], [4, 5]], [[6, 7], [8, 9]]]


def test_real_nodes_move_to_the_front_and_keep_their_order() -> None:
    nodes = nodes_from([CHASE, CHASE])
    mask = torch.tensor([[True, True, False, True, False], [True, True, True, False, True]])
    masked = type(nodes)(nodes.kinds, nodes.ends, mask)
    order = real_first(masked)
    ordered = reordered(masked, order)
    assert order.tolist() == [[0, 1, 3, 2, 4], [0, 1, 2, 4, 3]]
    assert ordered.kinds.tolist() == [[OBJECT, OBJECT, ATTRIBUTE, 0, 0], [OBJECT, OBJECT, RELATION, ATTRIBUTE, 0]]
    assert ordered.ends[1].tolist() == [[0, 0], [1, 1], [1, 0], [0, 0], [0, 0]]
    assert ordered.ends[0, 3:].tolist() == [[0, 0], [0, 0]]
    assert ordered.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 4 + [False]]


PLACED = [(OBJECT, 0, 0), (PLACE, 0, 0)]
"""An object and where in the picture it is."""


def test_a_place_is_a_relation_to_the_frame_or_without_relations_an_attribute() -> None:
    torch.manual_seed(3)
    graphs = TextGraphs(nodes_from([PLACED]), spoken([[(0,), (1, 2)]], nodes=2, words=3))
    told = [(OBJECT, [0, 0]), (RELATION, [0, 0])]
    for relations, attributes, expected in ((True, True, told), (False, True, [told[0], (ATTRIBUTE, [0, 0])])):
        nodes = WordNodes(4, relations=relations, attributes=attributes)(torch.randn(1, 3, 4), graphs)[1].nodes
        assert list(zip(nodes.kinds[0].tolist(), nodes.ends[0].tolist(), strict=True)) == expected
    said = WordNodes(4, relations=False, attributes=False)(torch.randn(1, 3, 4), graphs)[1]
    assert said.nodes.mask.tolist() == [[True, False]]
    assert said.words[0, 0].tolist() == [True, True, True]


def test_a_relation_is_what_lies_between_and_a_gated_perceptron_of_the_three_things_side_by_side() -> None:
    torch.manual_seed(0)
    relate = Relate(4, 3)
    assert relate.gate.item() == pytest.approx(0.1)
    torch.nn.init.constant_(relate.gate, 0.7)
    objects, between = torch.randn(2, 5, 4), torch.randn(2, 3, 3)
    ends = torch.randint(0, 5, (2, 3, 2))
    weight = torch.cat([relate.subject.weight, relate.object.weight, relate.between.weight], dim=1)
    related = relate(objects, ends, between)
    for row in range(2):
        for edge in range(3):
            subject, other = ends[row, edge].tolist()
            joined = torch.cat([objects[row, subject], objects[row, other], between[row, edge]])
            alone = relate.alone(between[row, edge])
            expected = alone + 0.7 * relate.out(F.gelu(weight @ joined + relate.subject.bias))
            assert torch.allclose(related[row, edge], expected, atol=1e-6)


def test_ends_and_geometry_of_different_numbers_of_relations_are_refused() -> None:
    with pytest.raises(Exception, match="between"):
        Relate(4, 3)(torch.randn(2, 5, 4), torch.zeros(2, 3, 2, dtype=torch.long), torch.randn(2, 4, 3))


def test_three_regions_in_a_row_relate_to_the_nearest_by_hand() -> None:
    boxes = torch.tensor([[[0.0, 0, 0.1, 0.1], [0.2, 0, 0.3, 0.1], [0.8, 0, 0.9, 0.1]]])
    vectors, nodes = RegionNodes(4, neighbours=1)(torch.randn(1, 3, 4), boxes, torch.ones(1, 3, dtype=torch.bool))
    assert vectors.shape == (1, 9, 4)
    assert nodes.kinds.tolist() == [[OBJECT] * 3 + [RELATION] * 6]
    to_the_frame = [[0, 0], [1, 1], [2, 2]]
    assert nodes.ends.tolist() == [[[0, 0], [1, 1], [2, 2], [0, 1], [1, 0], [2, 1], *to_the_frame]]
    assert nodes.mask.all()


def test_region_nodes_equal_a_loop_over_regions_and_pairs() -> None:
    torch.manual_seed(1)
    module = loosened(RegionNodes(4, neighbours=2))
    regions, boxes = torch.randn(3, 5, 4), drawn_boxes(3, 5)
    real = [5, 3, 1]
    mask = torch.arange(5) < torch.tensor(real)[:, None]
    vectors, nodes = module(regions, boxes, mask)
    for row, count in enumerate(real):
        objects = [module.normalise(regions[row, i] + module.place(boxes[row, i])) for i in range(count)]
        centres = [(box[:2] + box[2:]) / 2 for box in boxes[row]]
        pairs = [
            (i, j)
            for i in range(count)
            for j in sorted((j for j in range(count) if j != i), key=lambda j: float((centres[i] - centres[j]).norm()))[
                :2
            ]
        ]
        expected = list(objects)
        for i, j in pairs:
            geometry = pair_geometry(boxes[row : row + 1], torch.tensor([[[i, j]]]))
            expected.append(module.relate(torch.stack(objects)[None], torch.tensor([[[i, j]]]), geometry)[0, 0])
        framed = torch.cat([boxes[row], torch.tensor([[0.0, 0, 1, 1]])])[None]
        for i in range(count):
            geometry = pair_geometry(framed, torch.tensor([[[i, len(boxes[row])]]]))
            expected.append(module.relate(torch.stack(objects)[None], torch.tensor([[[i, i]]]), geometry)[0, 0])
        found = int(nodes.mask[row].sum())
        assert found == count + len(pairs) + count
        assert torch.allclose(vectors[row, :found], torch.stack(expected), atol=1e-5)
        assert nodes.ends[row, :found].tolist() == [
            *([i, i] for i in range(count)),
            *(list(pair) for pair in pairs),
            *([i, i] for i in range(count)),
        ]
        assert nodes.kinds[row, :found].tolist() == [OBJECT] * count + [RELATION] * (len(pairs) + count)
        assert not vectors[row, found:].any()


@pytest.mark.parametrize("neighbours", [0, 2])
def test_padded_regions_change_no_node_whatever_is_in_them(neighbours: int) -> None:
    torch.manual_seed(2)
    module = loosened(RegionNodes(4, neighbours=neighbours))
    regions, boxes = torch.randn(2, 3, 4), drawn_boxes(2, 3)
    vectors, nodes = module(regions, boxes, torch.ones(2, 3, dtype=torch.bool))
    wide = torch.cat([regions, torch.full((2, 2, 4), 7.0)], 1), torch.cat([boxes, torch.full((2, 2, 4), 7.0)], 1)
    padded, described = module(*wide, F.pad(torch.ones(2, 3, dtype=torch.bool), (0, 2)))
    count = nodes.mask.shape[1]
    assert torch.allclose(padded[:, :count], vectors, atol=1e-6)
    assert not padded[:, count:].any()
    assert torch.equal(described.resized(count).ends, nodes.ends)
    assert torch.equal(described.resized(count).kinds, nodes.kinds)
    assert not described.mask[:, count:].any()


def test_without_neighbours_there_are_objects_only_and_nothing_to_learn_about_relations() -> None:
    module = RegionNodes(4, neighbours=0)
    vectors, nodes = module(torch.randn(1, 3, 4), drawn_boxes(1, 3), torch.tensor([[True, True, False]]))
    assert vectors.shape == (1, 3, 4)
    assert nodes.kinds.tolist() == [[OBJECT] * 3]
    assert nodes.ends.tolist() == [[[0, 0], [1, 1], [0, 0]]]
    assert module.relate is None


@pytest.mark.parametrize("relations", [True, False])
@pytest.mark.parametrize("attributes", [True, False])
def test_word_nodes_equal_a_loop_over_nodes(relations: bool, attributes: bool) -> None:
    torch.manual_seed(3)
    module = loosened(WordNodes(4, relations=relations, attributes=attributes))
    words = torch.randn(1, 5, 4)
    vectors, graphs = module(words, chase(padding=1))
    w = words[0]
    dog, cat, verb, old, small = (w[0] + w[1]) / 2, w[3], w[2], w[4], (w[1] + w[4]) / 2
    first, second = module.normalise(dog + module.adorn * (old + small) / 2), module.normalise(cat)
    expected, kinds, ends = [first, second], [OBJECT, OBJECT], [[0, 0], [1, 1]]
    said: list[tuple[int, ...]] = [(0, 1) if attributes else (0, 1, 4), (3,)]
    if relations:
        pair = module.relate(torch.stack([first, second])[None], torch.tensor([[[1, 0]]]), verb[None, None])
        expected.append(pair[0, 0])
        kinds, ends, said = [*kinds, RELATION], [*ends, [1, 0]], [*said, (2,)]
    if attributes:
        expected += [module.normalise(old), module.normalise(small)]
        kinds, ends, said = [*kinds, ATTRIBUTE, ATTRIBUTE], [*ends, [0, 0], [0, 0]], [*said, (4,), (1, 4)]
    count = len(expected)
    assert graphs.nodes.mask[0].tolist() == [True] * count + [False] * (6 - count)
    assert graphs.nodes.kinds[0, :count].tolist() == kinds
    assert graphs.nodes.ends[0, :count].tolist() == ends
    assert torch.allclose(vectors[0, :count], torch.stack(expected), atol=1e-5)
    assert not vectors[0, count:].any()
    assert torch.equal(graphs.words, spoken([said], nodes=6, words=5))


def test_an_attribute_starts_to_adorn_its_object_by_half() -> None:
    assert WordNodes(4, relations=False, attributes=False).adorn.item() == 0.5


def test_padding_and_company_change_no_word_node() -> None:
    torch.manual_seed(4)
    module = loosened(WordNodes(4, relations=True, attributes=True))
    words = torch.randn(2, 5, 4)
    alone, _ = module(words[:1], chase())
    company = TextGraphs(nodes_from([CHASE, []], padding=3), F.pad(chase().words, (0, 0, 0, 3)).repeat(2, 1, 1))
    together, graphs = module(words, company)
    assert torch.allclose(together[0, :5], alone[0], atol=1e-6)
    assert not together[0, 5:].any()
    assert not together[1].any()
    assert not graphs.words[1].any()


def test_captions_without_any_node_get_one_that_is_padding() -> None:
    empty = TextGraphs(nodes_from([[], []]), torch.zeros(2, 0, 5, dtype=torch.bool))
    vectors, graphs = WordNodes(4, relations=True, attributes=True)(torch.randn(2, 5, 4), empty)
    assert vectors.tolist() == [[[0.0] * 4]] * 2
    assert graphs.nodes.mask.tolist() == [[False], [False]]
    assert graphs.words.shape == (2, 1, 5)


def test_graphs_said_by_more_words_than_there_are_are_refused() -> None:
    with pytest.raises(Exception, match="size"):
        WordNodes(4, relations=True, attributes=True)(torch.randn(1, 3, 4), chase())
