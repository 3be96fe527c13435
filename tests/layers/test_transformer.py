from typing import Any

import pytest
import torch

from crossgraph.layers.transformer import PartTransformer


def drawn(*, layers: int = 2) -> tuple[PartTransformer, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.tensor([[True, True, True, False], [True, True, True, True], [False, False, False, False]])
    return PartTransformer(8, layers=layers, heads=2, dropout=0.3).eval(), torch.randn(3, 4, 8), mask


def test_padding_is_looked_at_by_nobody() -> None:
    transformer, parts, mask = drawn()
    other = torch.where(mask[..., None], parts, torch.full_like(parts, 7.0))
    assert torch.allclose(transformer(parts, mask)[mask], transformer(other, mask)[mask], atol=1e-6)
    assert torch.allclose(transformer(parts[:1, :3], mask[:1, :3]), transformer(parts, mask)[:1, :3], atol=1e-6)


def test_every_real_part_reaches_every_other_of_its_item_and_no_other_item() -> None:
    transformer, parts, mask = drawn(layers=1)
    changed = parts.clone()
    changed[0, 1] = torch.randn(8)
    moved = (transformer(changed, mask) - transformer(parts, mask)).abs().amax(dim=2) > 1e-6
    assert moved[0, :3].all()
    assert not moved[1:].any()


def test_the_order_of_parts_does_not_matter() -> None:
    transformer, parts, mask = drawn()
    turned = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(transformer(parts[1:2, turned], mask[1:2]), transformer(parts, mask)[1:2, turned], atol=1e-6)


def test_an_item_without_parts_stays_finite() -> None:
    transformer, parts, mask = drawn()
    assert transformer(parts, mask).isfinite().all()


@pytest.mark.parametrize("layers", [1, 3])
def test_shares_sum_to_one_over_real_parts(layers: int) -> None:
    transformer, parts, mask = drawn(layers=layers)
    shares = transformer.shares(parts, mask)
    assert torch.allclose(shares[mask].sum(dim=1), torch.ones(7), atol=1e-5)
    assert not shares[0, :3, 3].any()
    assert (shares >= 0).all()


def test_the_attention_of_shares_is_what_the_layer_gathers_with() -> None:
    transformer, parts, mask = drawn(layers=1)
    layer: Any = transformer.layers[0]
    _, _, values = layer._split(parts)
    gathered = layer.attention_out((layer.attention(parts, mask) @ values).transpose(1, 2).flatten(2))
    seen = parts + gathered
    assert torch.allclose(layer(parts, mask)[mask], (seen + layer.mlp(layer.mlp_norm(seen)))[mask], atol=1e-5)


def test_a_transformer_of_one_part_gives_all_to_itself() -> None:
    transformer, parts, mask = drawn()
    assert torch.allclose(transformer.shares(parts[:, :1], mask[:, :1])[:2], torch.ones(2, 1, 1))
