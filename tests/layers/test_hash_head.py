import numpy as np
import pytest
import torch

from crossgraph.layers.hash_head import (
    HashHead,
    code_cosines,
    encoded_code,
    paired_code_cosines,
)
from crossgraph.layers.packed_bits import unpack_bits


def test_a_relaxed_value_of_exactly_zero_is_a_one() -> None:
    encoded = encoded_code(torch.tensor([[0.0, -0.0, 1e-9, -1e-9, 0.3, -0.3, 0.9, -0.9]]))
    assert unpack_bits(encoded.code, bits=8).tolist() == [[True, True, True, False, True, False, True, False]]
    assert encoded.embedding.sign().tolist() == [[1, 1, 1, -1, 1, -1, 1, -1]]


@pytest.mark.parametrize("bits", [16, 64])
def test_the_cosine_of_two_embeddings_is_their_hamming_distance_turned_round(bits: int) -> None:
    relaxed = torch.randn(6, bits, generator=torch.Generator().manual_seed(1))
    encoded = encoded_code(relaxed)
    unpacked = np.unpackbits(encoded.code.numpy(), axis=1)
    distances = torch.tensor((unpacked[:, None] != unpacked[None]).sum(axis=2))
    assert torch.allclose(encoded.embedding @ encoded.embedding.T, 1 - 2 * distances / bits, atol=1e-6)


def test_relaxed_codes_lie_between_minus_one_and_one_and_their_signs_are_those_of_the_map() -> None:
    torch.manual_seed(0)
    head, features = HashHead(5, 16), 10 * torch.randn(4, 5)
    relaxed = head(features)
    assert relaxed.shape == (4, 16)
    assert (relaxed.abs() <= 1).all()
    assert torch.equal(relaxed >= 0, head.map(features) >= 0)


@pytest.mark.parametrize("bits", [16, 32, 64, 128])
def test_equal_distances_are_exactly_equal_scores(bits: int) -> None:
    encoded = encoded_code(torch.randn(40, bits, generator=torch.Generator().manual_seed(2)))
    scores = code_cosines(encoded.embedding, encoded.embedding)
    assert len(scores.unique()) <= bits + 1
    agreed = ((encoded.embedding.sign()[:, None] == encoded.embedding.sign()[None]).sum(dim=2) * 2 - bits) / bits
    assert torch.equal(scores, agreed)
    assert torch.equal(paired_code_cosines(encoded.embedding, encoded.embedding.flip(0)), scores.flip(1).diagonal())
