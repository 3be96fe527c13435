"""Graph convolutions reach neighbours and nobody else, and are perceptrons where there is no graph."""

import pytest
import torch

from crossgraph.graphs.neighbours import propagation
from crossgraph.layers.graph_convolution import ItemNorm, LabelGraphConvolution, TransferableGraphConvolution

CHAIN = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1]])


@pytest.fixture
def layer() -> TransferableGraphConvolution:
    return TransferableGraphConvolution(4, 3, hidden=6).eval()


def test_without_a_graph_an_item_is_on_its_own_as_with_the_graph_of_loops(layer: TransferableGraphConvolution) -> None:
    items = torch.randn(5, 4)
    alone = torch.cat([layer(items[i : i + 1]) for i in range(5)])
    assert torch.allclose(layer(items), alone, atol=1e-6)
    assert torch.allclose(layer(items, torch.eye(5)), alone, atol=1e-6)


def test_a_change_reaches_two_steps_along_the_graph_and_no_further(layer: TransferableGraphConvolution) -> None:
    items, graph = torch.randn(5, 4), propagation(CHAIN)
    changed = items.clone()
    changed[0] += 1.0
    moved = (layer(changed, graph) - layer(items, graph)).abs().amax(dim=1)
    assert (moved[:3] > 1e-4).all()
    assert (moved[3:] < 1e-6).all()


def test_alone_and_together_are_what_each_is_by_itself(layer: TransferableGraphConvolution) -> None:
    items, graph = torch.randn(5, 4), propagation(CHAIN)
    alone, together = layer.alone_and_together(items, graph)
    assert torch.equal(alone, layer(items))
    assert torch.equal(together, layer(items, graph))


@pytest.mark.parametrize("shortcut", [True, False])
def test_the_convolution_equals_its_formula(shortcut: bool) -> None:
    layer = TransferableGraphConvolution(4, 3, hidden=6, shortcut=shortcut).eval()
    items, graph = torch.randn(5, 4), propagation(CHAIN)
    normed = items / (1 + 1e-5) ** 0.5
    hidden = graph @ (normed @ layer.first.weight.T + layer.first.bias)
    expected = torch.where(hidden > 0, hidden, 0.2 * hidden) @ layer.second.weight.T + layer.second.bias
    if shortcut:
        expected = expected + normed @ layer.straight.weight.T
    assert torch.allclose(layer(items, graph), graph @ expected, atol=1e-5)


def test_one_item_is_normalised_by_what_was_seen_before_even_in_training() -> None:
    norm, item = ItemNorm(3).train(), torch.tensor([[1.0, -2.0, 3.0]])
    assert torch.allclose(norm(item), item, atol=1e-4)
    spread = norm(torch.randn(50, 3) * 4 + 7)
    assert torch.allclose(spread.mean(dim=0), torch.zeros(3), atol=1e-5)
    assert (norm.running_mean > 0).all()


def test_label_embeddings_hear_of_labels_in_two_steps_only() -> None:
    layer, vectors = LabelGraphConvolution(4, 3, hidden=6), torch.randn(5, 4)
    changed = vectors.clone()
    changed[0] += 1.0
    moved = (layer(changed, propagation(CHAIN)) - layer(vectors, propagation(CHAIN))).abs().amax(dim=1)
    assert (moved[:3] > 1e-5).all()
    assert (moved[3:] < 1e-6).all()
