"""One convention of packing bits, on tensors and on arrays."""

import numpy as np
import pytest
import torch

from crossgraph.bits import pack_bits, pack_words, unpack_array, unpack_bits, words_of


def random_bits(items: int, bits: int) -> torch.Tensor:
    return torch.rand(items, bits, generator=torch.Generator().manual_seed(bits)) < 0.5


def test_eight_bits_make_a_byte_the_first_bit_counting_most() -> None:
    bits = torch.tensor([[1, 0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]], dtype=torch.bool)
    assert pack_bits(bits).tolist() == [[129, 192], [2, 0]]


@pytest.mark.parametrize("bits", [3, 8, 16, 64, 100, 128])
def test_bits_are_packed_as_numpy_packs_them_and_come_back(bits: int) -> None:
    drawn = random_bits(7, bits)
    packed = pack_bits(drawn)
    assert packed.dtype == torch.uint8
    assert np.array_equal(packed.numpy(), np.packbits(drawn.numpy(), axis=1))
    assert torch.equal(unpack_bits(packed, bits=bits), drawn)


def test_no_items_pack_to_no_items() -> None:
    assert pack_bits(random_bits(0, 16)).shape == (0, 2)
    assert unpack_bits(pack_bits(random_bits(0, 16)), bits=16).shape == (0, 16)


@pytest.mark.parametrize("bits", [3, 16, 64, 100, 128])
def test_arrays_and_words_hold_the_same_bits_in_the_same_order(bits: int) -> None:
    drawn = random_bits(7, bits)
    code = pack_bits(drawn).numpy()
    assert np.array_equal(unpack_array(code, bits=bits), drawn.numpy())
    words = pack_words(drawn.numpy())
    assert np.array_equal(words_of(code), words)
    assert words.shape == (7, -(-bits // 64))
    assert np.bitwise_count(words).sum(1).tolist() == drawn.sum(dim=1).tolist()
