"""One convention of packing bits, on tensors and on arrays."""

import numpy as np
import pytest
import torch

from crossgraph.bits import pack_array, pack_words, unpack_array, words_of
from crossgraph.layers.packed_bits import pack_bits, unpack_bits


def random_bits(items: int, bits: int) -> torch.Tensor:
    return torch.rand(items, bits, generator=torch.Generator().manual_seed(bits)) < 0.5


def test_eight_bits_make_a_byte_the_first_bit_counting_most() -> None:
    bits = torch.tensor([[1, 0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]], dtype=torch.bool)
    assert pack_bits(bits).tolist() == pack_array(bits.numpy()).tolist() == [[129, 192], [2, 0]]


@pytest.mark.parametrize("bits", [3, 8, 16, 64, 100, 128])
def test_bits_are_packed_as_numpy_packs_them_and_come_back(bits: int) -> None:
    drawn = random_bits(7, bits)
    packed = pack_bits(drawn)
    assert packed.dtype == torch.uint8
    assert np.array_equal(packed.numpy(), np.packbits(drawn.numpy(), axis=1))
    assert torch.equal(unpack_bits(packed, bits=bits), drawn)


def test_no_items_pack_to_no_items() -> None:
    none = random_bits(0, 16)
    assert pack_bits(none).shape == pack_array(none.numpy()).shape == (0, 2)
    assert unpack_bits(pack_bits(none), bits=16).shape == (0, 16)
    assert unpack_array(pack_array(none.numpy()), bits=16).shape == (0, 16)


@pytest.mark.parametrize("bits", [3, 16, 64, 100, 128])
def test_arrays_and_words_hold_the_same_bits_in_the_same_order(bits: int) -> None:
    drawn = random_bits(7, bits).numpy()
    code = pack_bits(random_bits(7, bits)).numpy()
    packed = pack_array(drawn)
    assert packed.dtype == np.uint8
    assert np.array_equal(packed, code)
    unpacked = unpack_array(code, bits=bits)
    assert unpacked.dtype == np.bool_
    assert np.array_equal(unpacked, drawn)
    words = pack_words(drawn)
    assert np.array_equal(words_of(code), words)
    assert words.shape == (7, -(-bits // 64))
    assert np.bitwise_count(words).sum(1).tolist() == drawn.sum(axis=1).tolist()
