import math

import pytest
import torch
from torch.nn.functional import normalize

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.mixing import DISLIKED, moved, moved_code, sum_of_codes, weighted_sum
from crossgraph.layers.packed_bits import pack_bits, unpack_bits


def drawn(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_a_weighted_sum_of_a_hand_worked_case() -> None:
    found = weighted_sum(torch.tensor([[1.0, 0.0], [0.0, 5.0]]), torch.tensor([3.0, 4.0]))
    torch.testing.assert_close(found, torch.tensor([0.6, 0.8]))


def test_the_length_of_a_term_does_not_weigh() -> None:
    vectors, weights = drawn(3, 8, 0), torch.tensor([1.0, 2.0, -0.5])
    scaled = vectors * torch.tensor([[9.0], [0.1], [3.0]])
    torch.testing.assert_close(weighted_sum(vectors, weights), weighted_sum(scaled, weights))


def test_terms_that_cancel_out_are_refused() -> None:
    with pytest.raises(GalleryError, match="cancel each other out"):
        weighted_sum(torch.ones(2, 4), torch.tensor([1.0, -1.0]))


def test_the_code_of_a_sum_is_the_sign_of_each_bit_and_the_first_plus_term_decides_ties() -> None:
    bits = torch.tensor([[1, 1, 0, 0, 1, 1, 0, 0], [1, 0, 1, 0, 1, 0, 1, 0]]).bool()
    for weights, expected in (([2.0, 1.0], bits[0]), ([1.0, 1.0], bits[0]), ([-1.0, 1.0], bits[1])):
        code = sum_of_codes(pack_bits(bits), torch.tensor(weights), bits=8)
        assert torch.equal(unpack_bits(code[None], bits=8)[0], expected)


@pytest.mark.parametrize("count", [1, 5, 500])
def test_dislikes_turn_a_query_by_a_bounded_angle_however_many_there_are(count: int) -> None:
    query = drawn(1, 6, 3)[0]
    against = query.expand(count, -1) + 0.01 * drawn(count, 6, count)  # all but the query itself
    beside = normalize(drawn(1, 6, 9))[0].expand(count, -1)
    for disliked in (against, beside):
        found = moved(query, torch.empty(0, 6), disliked)
        assert float(found @ normalize(query, dim=0)) >= math.cos(math.asin(DISLIKED)) - 1e-6


def test_likes_draw_a_query_near_and_dislikes_push_it_away() -> None:
    query, liked, disliked = drawn(3, 16, 4)
    none = torch.empty(0, 16)
    unit = normalize(torch.stack([query, liked, disliked]), dim=1)
    assert moved(query, liked[None], none) @ unit[1] > unit[0] @ unit[1]
    assert moved(query, none, disliked[None]) @ unit[2] < unit[0] @ unit[2]
    torch.testing.assert_close(moved(query, none, none), unit[0])


def test_a_code_is_moved_by_what_was_liked_where_the_likes_outweigh_it() -> None:
    own, other = torch.zeros(1, 8).bool(), torch.ones(1, 8).bool()
    none = torch.empty(0, 1, dtype=torch.uint8)
    assert moved_code(pack_bits(own)[0], pack_bits(other), none, bits=8).tolist() == [0], "one like weighs 0.75"
    assert moved_code(pack_bits(own)[0], none, pack_bits(own), bits=8).tolist() == [0], (
        "a dislike of itself turns nothing"
    )
