import pytest
import torch

from crossgraph.layers.code_encoder import CodeEncoder
from crossgraph.layers.transformer import PartTransformer

MASK = torch.tensor([[True, True, True], [True, False, False], [True, True, False]])


def drawn(*, companions: bool = False) -> tuple[CodeEncoder, torch.Tensor]:
    torch.manual_seed(0)
    transformer = PartTransformer(8, layers=2, heads=2)
    return CodeEncoder(transformer, width=8, bits=16, scale=3.0, companions=companions).eval(), torch.randn(3, 3, 8)


def test_features_have_the_learned_length() -> None:
    encoder, parts = drawn()
    assert torch.allclose(encoder(parts, MASK).norm(dim=1), torch.full((3,), 3.0))


def test_normalised_over_companions_every_channel_has_unit_length_over_the_batch() -> None:
    encoder, parts = drawn(companions=True)
    features = encoder(parts, MASK)
    assert torch.allclose(features.norm(dim=0), torch.ones(8))
    assert not torch.allclose(encoder(parts[:2], MASK[:2]), features[:2], atol=1e-3)


def test_pads_change_the_mean_only_where_they_are_asked_for() -> None:
    encoder, parts = drawn()
    assert torch.allclose(encoder(parts, MASK)[0], encoder(parts, MASK, pads=True)[0], atol=1e-6)
    assert not torch.allclose(encoder(parts, MASK)[1], encoder(parts, MASK, pads=True)[1], atol=1e-2)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_votes_of_parts_sum_to_the_code_before_its_tanh_but_for_the_bias(row: int) -> None:
    encoder, parts = drawn()
    votes = encoder.votes(parts[row : row + 1], MASK[row : row + 1])
    assert votes.shape == (3, 16)
    assert not votes[~MASK[row]].any()
    code = encoder.hash.map(encoder(parts, MASK)[row])
    assert torch.allclose(votes.sum(dim=0) + encoder.hash.map.bias, code, atol=1e-5)
