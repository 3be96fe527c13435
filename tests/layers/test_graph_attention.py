"""Messages reach neighbours and nobody else, and equal a loop over nodes."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.layers.graph_attention import GatedGraphAttention, adjacency
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION
from tests.layers.graph_items import nodes_from, random_rows

ROW = [(OBJECT, 0, 0), (OBJECT, 1, 1), (OBJECT, 2, 2), (RELATION, 0, 1), (ATTRIBUTE, 2, 2)]
"""Object 0 is related to object 1 by node 3; object 2 has attribute 4."""


def loosened(width: int) -> GatedGraphAttention:
    torch.manual_seed(0)
    module = GatedGraphAttention(width)
    with torch.no_grad():
        module.gate.fill_(0.7)
        module.normalise.bias.normal_()
    return module


def test_neighbours_by_hand() -> None:
    near = adjacency(nodes_from([ROW], padding=1))[0]
    assert {tuple(pair) for pair in near.nonzero().tolist()} == {(0, 3), (3, 0), (1, 3), (3, 1), (2, 4), (4, 2)}


def test_padding_is_nobodys_neighbour() -> None:
    nodes = nodes_from([ROW])
    mask = nodes.mask.clone()
    mask[0, 1] = mask[0, 4] = False
    near = adjacency(type(nodes)(nodes.kinds, nodes.ends, mask))[0]
    assert {tuple(pair) for pair in near.nonzero().tolist()} == {(0, 3), (3, 0)}


@torch.no_grad()
def slow_attention(module: GatedGraphAttention, vectors: Tensor, row: list[tuple[int, int, int]]) -> list[Tensor]:
    moved = []
    for i, (kind, *ends) in enumerate(row):
        if kind == OBJECT:
            near = [j for j, (other, *joined) in enumerate(row) if other != OBJECT and i in joined]
        else:
            near = sorted(set(ends))
        told = torch.zeros_like(vectors[i])
        logits = [math.exp(float(module.query(vectors[i]) @ module.key(vectors[j])) / 6**0.5) for j in near]
        for j, logit in zip(near, logits, strict=True):
            linear = module.from_objects if row[j][0] == OBJECT else module.to_objects
            told = told + logit / sum(logits) * linear(vectors[j])
        moved.append(module.normalise(vectors[i] + module.gate * told))
    return moved


@pytest.mark.parametrize("seed", [0, 1])
def test_attention_equals_a_loop_over_nodes_and_their_neighbours(seed: int) -> None:
    module, rows = loosened(6), random_rows(4, seed=seed, attributes=True)
    nodes = nodes_from(rows, padding=2)
    vectors = torch.randn(*nodes.mask.shape, 6) * nodes.mask[..., None]
    moved = module(vectors, nodes)
    for row, graph in enumerate(rows):
        for place, expected in enumerate(slow_attention(module, vectors[row], graph)):
            assert torch.allclose(moved[row, place], expected, atol=1e-5)
        assert not moved[row, len(graph) :].any()


@pytest.mark.parametrize("changed", range(5))
def test_a_change_of_a_node_moves_its_neighbours_and_no_other(changed: int) -> None:
    module, nodes = loosened(6), nodes_from([ROW])
    vectors = torch.randn(1, 5, 6)
    other = vectors.clone()
    other[0, changed] = torch.randn(6)
    moved = (module(other, nodes) - module(vectors, nodes)).abs().amax(dim=-1)[0]
    expected = {0: {0, 3}, 1: {1, 3}, 2: {2, 4}, 3: {0, 1, 3}, 4: {2, 4}}[changed]
    assert {place for place in range(5) if moved[place] > 1e-4} == expected
    assert {place for place in range(5) if moved[place] != 0} == expected


def test_what_is_in_padding_moves_nothing() -> None:
    module, nodes = loosened(6), nodes_from([ROW], padding=2)
    vectors = torch.randn(1, 7, 6)
    other = vectors.clone()
    other[0, 5:] = 100.0
    assert torch.equal(module(vectors, nodes), module(other, nodes))
    assert torch.allclose(module(vectors, nodes)[:, :5], module(vectors[:, :5], nodes_from([ROW])), atol=1e-6)


def test_a_node_without_neighbours_is_only_normalised() -> None:
    module, nodes = loosened(6), nodes_from([[(OBJECT, 0, 0), (OBJECT, 1, 1)]])
    vectors = torch.randn(1, 2, 6)
    assert torch.allclose(module(vectors, nodes), module.normalise(vectors), atol=1e-6)
    assert GatedGraphAttention(6).gate.item() == pytest.approx(0.1)


def test_a_graph_without_nodes_has_finite_gradients() -> None:
    module, nodes = loosened(6), nodes_from([[]], padding=2)
    vectors = torch.zeros(1, 2, 6, requires_grad=True)
    F.normalize(module(vectors, nodes), dim=-1).sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in module.parameters())
    assert vectors.grad.isfinite().all()


def test_vectors_of_another_number_of_nodes_are_refused() -> None:
    with pytest.raises(RuntimeError, match="size"):
        loosened(6)(torch.randn(1, 4, 6), nodes_from([ROW]))


@torch.no_grad()
def test_graphs_of_as_many_objects_each_equal_the_same_graphs_among_others() -> None:
    rows = [ROW, [(OBJECT, 0, 0), (OBJECT, 1, 1), (OBJECT, 2, 2), (RELATION, 2, 0)], [(OBJECT, 0, 0)]]
    module, nodes = loosened(6), nodes_from(rows, padding=1)
    vectors = torch.randn(*nodes.mask.shape, 6) * nodes.mask[..., None]
    among = module(vectors, nodes)
    alike = module(vectors[:2], nodes[:2])
    torch.testing.assert_close(alike, among[:2])
