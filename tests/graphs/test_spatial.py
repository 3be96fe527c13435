"""Spatial relations by hand, by slow loops, and whatever the padding."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossgraph.graphs.scene_graph import Box
from crossgraph.graphs.spatial import (
    INVERSE,
    frame_geometry,
    neighbour_pairs,
    pair_geometry,
    spatial_graph,
    spatial_relation,
    spatial_relations,
)

CENTRE = (0.4, 0.4, 0.6, 0.6)


def random_boxes(rows: int, count: int, *, seed: int) -> Tensor:
    """Boxes with positive sides."""
    corners = torch.rand(rows, count, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    low, high = corners.amin(2), corners.amax(2)
    return torch.cat((low, torch.maximum(high, low + 0.01)), dim=-1)


def slow_neighbours(boxes: list[list[float]], k: int) -> list[tuple[int, int]]:
    """The same by looking at every pair."""

    def distance(i: int, j: int) -> float:
        (a, b, c, d), (e, f, g, h) = boxes[i], boxes[j]
        return round(math.hypot((a + c - e - g) / 2, (b + d - f - h) / 2), 5)

    found = []
    for i in range(len(boxes)):
        others = sorted((j for j in range(len(boxes)) if j != i), key=lambda j: (distance(i, j), j))
        found += [(i, j) for j in others[:k]]
    return found


def slow_geometry(first: list[float], second: list[float]) -> list[float]:
    """The same for one pair."""
    (a, b, c, d), (e, f, g, h) = first, second
    shared = max(0.0, min(c, g) - max(a, e)) * max(0.0, min(d, h) - max(b, f))
    union = (c - a) * (d - b) + (g - e) * (h - f) - shared
    return [
        ((e + g) / 2 - (a + c) / 2) / (c - a),
        ((f + h) / 2 - (b + d) / 2) / (d - b),
        math.log((g - e) / (c - a)),
        math.log((h - f) / (d - b)),
        shared / union,
    ]


def test_neighbours_by_hand() -> None:
    boxes = torch.tensor([[[0.0, 0, 0.2, 0.2], [0.8, 0, 1, 0.2], [0.3, 0, 0.5, 0.2]]])
    pairs, real = neighbour_pairs(boxes, torch.ones(1, 3, dtype=torch.bool), k=1)
    assert pairs.tolist() == [[[0, 2], [1, 2], [2, 0]]]
    assert real.all()


@pytest.mark.parametrize("k", [0, 1, 3, 4, 9])
def test_neighbours_equal_those_of_a_loop_over_all_pairs(k: int) -> None:
    boxes = random_boxes(4, 5, seed=k)
    pairs, real = neighbour_pairs(boxes, torch.ones(4, 5, dtype=torch.bool), k=k)
    assert pairs.shape == (4, 5 * k, 2)
    for row in range(4):
        assert [tuple(pair) for pair in pairs[row][real[row]].tolist()] == slow_neighbours(boxes[row].tolist(), k)


def test_of_equally_near_boxes_the_lower_index_comes_first() -> None:
    side = 5
    cells = [
        (x / side, y / side, (x + 1) / side, (y + 1) / side) for y in range(side) for x in range(side)
    ]  # thirds and fifths are not exact, so distances differ in the last bit
    pairs, _ = neighbour_pairs(torch.tensor([cells]), torch.ones(1, side**2, dtype=torch.bool), k=4)
    assert pairs[0, 12 * 4 : 13 * 4, 1].tolist() == [7, 11, 13, 17]


def test_padding_of_any_content_changes_no_neighbour() -> None:
    boxes = random_boxes(2, 6, seed=1)
    padded = torch.cat((boxes, torch.full((2, 3, 4), torch.nan, dtype=torch.float64)), dim=1)
    mask = torch.tensor([[True] * 6 + [False] * 3] * 2)
    pairs, real = neighbour_pairs(boxes, mask[:, :6], k=4)
    more, also_real = neighbour_pairs(padded, mask, k=4)
    assert torch.equal(more[:, : 6 * 4], pairs)
    assert torch.equal(also_real[:, : 6 * 4], real)
    assert not also_real[:, 6 * 4 :].any()


def test_a_hole_in_the_mask_is_nobodys_neighbour() -> None:
    mask = torch.tensor([[True, False, True, False]])
    pairs, real = neighbour_pairs(random_boxes(1, 4, seed=2), mask, k=2)
    assert pairs[real].tolist() == [[0, 2], [2, 0]]
    assert (pairs[~real][:, 0] == pairs[~real][:, 1]).all()


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_box_has_no_neighbours(count: int) -> None:
    pairs, real = neighbour_pairs(torch.rand(2, count, 4), torch.ones(2, count, dtype=torch.bool), k=3)
    assert pairs.shape == (2, 3 * count, 2)
    assert not real.any()


def test_a_negative_number_of_neighbours_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        neighbour_pairs(torch.rand(1, 2, 4), torch.ones(1, 2, dtype=torch.bool), k=-1)


def test_geometry_by_hand() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.2, 0.4], [0.1, 0.2, 0.5, 0.4]]], dtype=torch.float64)
    found = pair_geometry(boxes, torch.tensor([[[0, 1], [0, 0]]]))
    expected = [0.2 / 0.2, 0.1 / 0.4, math.log(2), math.log(0.5), 0.02 / 0.14]
    assert found[0, 0].tolist() == pytest.approx(expected)
    assert found[0, 1].tolist() == pytest.approx([0, 0, 0, 0, 1])


def test_geometry_equals_that_of_a_loop_over_all_pairs() -> None:
    boxes = random_boxes(3, 6, seed=3)
    pairs, _ = neighbour_pairs(boxes, torch.ones(3, 6, dtype=torch.bool), k=5)
    found = pair_geometry(boxes, pairs)
    for row, e in ((row, e) for row in range(3) for e in range(30)):
        i, j = pairs[row, e].tolist()
        assert found[row, e].tolist() == pytest.approx(slow_geometry(boxes[row, i].tolist(), boxes[row, j].tolist()))


def test_geometry_to_the_frame_by_hand_and_as_a_pair_with_it() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.2, 0.4], [0.25, 0.5, 0.75, 1.0]]], dtype=torch.float64)
    found = frame_geometry(boxes)
    expected = [0.4 / 0.2, 0.3 / 0.4, math.log(5), math.log(2.5), 0.08]
    assert found[0, 0].tolist() == pytest.approx(expected)
    assert found[0, 1].tolist() == pytest.approx(slow_geometry(boxes[0, 1].tolist(), [0.0, 0.0, 1.0, 1.0]))


def test_geometry_of_boxes_without_size_is_finite() -> None:
    boxes = torch.tensor([[[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [0.2, 0.1, 0.2, 0.9]]])
    pairs, _ = neighbour_pairs(boxes, torch.ones(1, 3, dtype=torch.bool), k=2)
    assert pair_geometry(boxes, pairs).isfinite().all()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0.0, 0.4, 0.2, 0.6), "left of"),
        ((0.7, 0.3, 0.9, 0.5), "right of"),
        ((0.4, 0.0, 0.6, 0.2), "above"),
        ((0.2, 0.8, 0.9, 1.0), "below"),
        ((0.0, 0.1, 0.1, 0.3), "left of"),  # 0.3 to the left, 0.1 above
        ((0.2, 0.2, 0.4, 0.4), "left of"),  # touching at a corner
        ((0.45, 0.45, 0.5, 0.5), "inside"),
        ((0.39, 0.45, 0.59, 0.55), "inside"),  # 95 of 100
        ((0.3, 0.3, 0.7, 0.7), "around"),
        ((0.5, 0.5, 0.8, 0.8), "overlaps"),
        (CENTRE, "overlaps"),
    ],
)
def test_words_by_hand(box: Box, expected: str) -> None:
    assert spatial_relation(box, CENTRE) == expected
    assert spatial_relation(CENTRE, box) == INVERSE[expected]


places = st.tuples(*[st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 2 / 3, 0.9, 1.0]) | st.floats(0, 1)] * 4)
boxes = places.map(lambda p: (min(p[0], p[2]), min(p[1], p[3]), max(p[0], p[2]), max(p[1], p[3])))


@given(boxes, boxes)
def test_exchanged_boxes_have_the_inverse_relation(first: Box, second: Box) -> None:
    assert spatial_relation(second, first) == INVERSE[spatial_relation(first, second)]


def test_every_ordered_pair_is_related_once() -> None:
    found = spatial_relations([CENTRE, (0.0, 0.4, 0.2, 0.6), (0.4, 0.0, 0.6, 0.2)])
    assert [(i, j) for i, _, j in found] == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert found[0] == (0, "right of", 1)
    assert spatial_relations([]) == []


def test_a_spatial_graph_relates_each_box_to_its_neighbours() -> None:
    boxes = [(0.0, 0.0, 0.2, 0.2), (0.3, 0.0, 0.5, 0.2), (0.8, 0.0, 1.0, 0.2)]
    found = spatial_graph(["dog", "cat", "cow"], boxes, k=1)
    assert found.triples() == (("dog", "left of", "cat"), ("cat", "right of", "dog"), ("cow", "right of", "cat"))
    assert [thing.box for thing in found.objects] == boxes
    assert spatial_graph([], []).objects == ()
