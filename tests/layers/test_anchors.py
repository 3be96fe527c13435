"""The convolution from anchors: by hand, without any, and what an anchor remembers."""

import torch
import torch.nn.functional as F

from crossgraph.layers.anchors import AnchorConvolution


def layer(count: int = 3, width: int = 4) -> AnchorConvolution:
    return AnchorConvolution(count, width, temperature=0.1, keep=0.5)


def test_before_any_item_was_seen_items_pass_as_they_are() -> None:
    items = F.normalize(torch.randn(5, 4), dim=1)
    assert torch.allclose(layer()(items), items, atol=1e-6)


def test_the_convolution_equals_its_formula_item_by_item() -> None:
    told, items = layer(), torch.randn(5, 4)
    told.take_in(torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2]))
    anchors = [anchor / anchor.norm() for anchor in told.sums]
    for item, found in zip(items, told(items), strict=True):
        own = item / item.norm()
        weights = torch.tensor([torch.exp(own @ anchor / 0.1) for anchor in anchors])
        taken = sum(weight / weights.sum() * anchor for weight, anchor in zip(weights, anchors, strict=True))
        expected = own + taken / taken.norm()
        assert torch.allclose(found, expected / expected.norm(), atol=1e-5)


def test_an_item_moves_towards_the_anchor_it_is_like() -> None:
    told = layer(count=2, width=2)
    told.take_in(torch.tensor([[2.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1]))
    moved = told(F.normalize(torch.tensor([[1.0, 0.5]]), dim=1))[0]
    assert moved[0] > 2 / 5**0.5
    assert moved.norm().isclose(torch.tensor(1.0))


def test_an_anchor_hears_of_its_group_alone_and_forgets_by_items_not_by_steps() -> None:
    told = layer(count=2, width=2)
    told.take_in(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    told.take_in(torch.tensor([[0.0, 2.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    assert torch.allclose(told.sums, torch.tensor([[0.25, 2.0], [0.0, 0.0]]))
    told.take_in(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert torch.allclose(told.sums, torch.tensor([[0.25, 2.0], [1.0, 0.0]]))


def test_what_anchors_hear_is_saved_and_never_trained() -> None:
    told, fresh = layer(), layer()
    told.take_in(torch.randn(6, 4, requires_grad=True), torch.tensor([0, 0, 1, 1, 2, 2]))
    assert not told.sums.requires_grad
    assert not list(told.parameters())
    fresh.load_state_dict(told.state_dict())
    assert torch.equal(fresh.sums, told.sums)
