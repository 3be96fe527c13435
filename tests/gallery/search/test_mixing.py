import math

import numpy as np
import pytest

from crossgraph.bits import pack_array, unpack_array
from crossgraph.errors import GalleryError
from crossgraph.gallery.search.mixing import DISLIKED, moved, moved_code, sum_of_codes, weighted_sum
from crossgraph.gallery.stages.unit_length import unit, unit_rows


def drawn(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width), np.float32)


def test_a_weighted_sum_of_a_hand_worked_case() -> None:
    found = weighted_sum(np.array([[1, 0], [0, 5]], np.float32), np.array([3, 4], np.float32))
    np.testing.assert_allclose(found, [0.6, 0.8], rtol=1.3e-6)


def test_the_length_of_a_term_does_not_weigh() -> None:
    vectors, weights = drawn(3, 8, 0), np.array([1.0, 2.0, -0.5], np.float32)
    scaled = vectors * np.array([[9.0], [0.1], [3.0]], np.float32)
    found = weighted_sum(scaled, weights)
    np.testing.assert_allclose(found, weighted_sum(vectors, weights), rtol=1.3e-6, atol=1e-5)


def test_terms_that_cancel_out_are_refused() -> None:
    with pytest.raises(GalleryError, match="cancel each other out"):
        weighted_sum(np.ones((2, 4), np.float32), np.array([1, -1], np.float32))


def test_the_code_of_a_sum_is_the_sign_of_each_bit_and_the_first_plus_term_decides_ties() -> None:
    bits = np.array([[1, 1, 0, 0, 1, 1, 0, 0], [1, 0, 1, 0, 1, 0, 1, 0]], np.bool_)
    for weights, expected in (([2.0, 1.0], bits[0]), ([1.0, 1.0], bits[0]), ([-1.0, 1.0], bits[1])):
        code = sum_of_codes(pack_array(bits), np.array(weights, np.float32), bits=8)
        assert np.array_equal(unpack_array(code[None], bits=8)[0], expected)


@pytest.mark.parametrize("count", [1, 5, 500])
def test_dislikes_turn_a_query_by_a_bounded_angle_however_many_there_are(count: int) -> None:
    query = drawn(1, 6, 3)[0]
    against = np.tile(query, (count, 1)) + 0.01 * drawn(count, 6, count)  # all but the query itself
    beside = np.tile(unit_rows(drawn(1, 6, 9)), (count, 1))
    for disliked in (against, beside):
        found = moved(query, np.empty((0, 6), np.float32), disliked)
        assert float(found @ unit(query)) >= math.cos(math.asin(DISLIKED)) - 1e-6


def test_likes_draw_a_query_near_and_dislikes_push_it_away() -> None:
    query, liked, disliked = drawn(3, 16, 4)
    none = np.empty((0, 16), np.float32)
    own, near, far = unit_rows(np.stack([query, liked, disliked]))
    assert moved(query, liked[None], none) @ near > own @ near
    assert moved(query, none, disliked[None]) @ far < own @ far
    np.testing.assert_allclose(moved(query, none, none), own, rtol=1.3e-6, atol=1e-5)


def test_a_code_is_moved_by_what_was_liked_where_the_likes_outweigh_it() -> None:
    own, other = np.zeros((1, 8), np.bool_), np.ones((1, 8), np.bool_)
    none = np.empty((0, 1), np.uint8)
    assert moved_code(pack_array(own)[0], pack_array(other), none, bits=8).tolist() == [0], "one like weighs 0.75"
    assert moved_code(pack_array(own)[0], none, pack_array(own), bits=8).tolist() == [0], (
        "a dislike of itself turns nothing"
    )
