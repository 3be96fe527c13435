"""How boxes lie to each other, as numbers for a network and as words for a reader.

    boxes ── neighbour_pairs ──> pairs ── pair_geometry ──> five numbers a pair
    boxes ── spatial_relations ──> (i, "left of", j), ...
    names, boxes ── spatial_graph ──> a scene graph of neighbours

Boxes are x1, y1, x2, y2 in [0, 1] with y downwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from crossgraph.graphs.scene_graph import Box, GraphObject, Relation, SceneGraph

INVERSE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "inside": "around",
    "around": "inside",
    "overlaps": "overlaps",
}
"""Every spatial predicate -> what then holds from the second box to the first."""

INSIDE = 0.9
"""The share of a box that must lie in a larger one for it to be inside."""

NEIGHBOURS = 4
"""How many neighbours a box has in a graph where nobody says otherwise."""

_SMALLEST_SIDE = 1e-3  # thinner boxes, less than a pixel of most pictures, would make the ratios explode
_DECIMALS = 5  # closer distances and gaps are the same, so that rounding does not decide between cells of a grid


def neighbour_pairs(
    boxes: Float[Tensor, "n p 4"], mask: Bool[Tensor, "n p"], *, k: int
) -> tuple[Int[Tensor, "n e 2"], Bool[Tensor, "n e"]]:
    """From every box to its `k` nearest others by the distance of centres, and which of these `e = p * k` pairs exist.

    Pair `i * k + r` goes from box i to its neighbour of rank r; of equally near ones the lower index comes first.
    Where a box is padding or has fewer than k others, the pair goes from the box to itself and is False in the second
    answer. Padding changes nothing but the number of such pairs. Raises `ValueError` for a negative k.
    """
    if k < 0:
        raise ValueError(f"a box cannot have {k} neighbours; k must be at least 0")
    rows, count = mask.shape
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    distance = (centres[:, :, None] - centres[:, None]).square().sum(-1).sqrt().round(decimals=_DECIMALS)
    itself = torch.eye(count, dtype=torch.bool, device=mask.device)
    allowed = mask[:, :, None] & mask[:, None] & ~itself
    nearest = distance.masked_fill(~allowed, torch.inf).sort(dim=-1, stable=True).indices[..., :k]
    missing = k - nearest.shape[-1]
    real = F.pad(allowed.gather(-1, nearest), (0, missing))
    own = torch.arange(count, device=mask.device)[None, :, None].expand(rows, count, k)
    pairs = torch.stack((own, torch.where(real, F.pad(nearest, (0, missing)), own)), dim=-1)
    return pairs.reshape(rows, count * k, 2), real.reshape(rows, count * k)


def pair_geometry(boxes: Float[Tensor, "n p 4"], pairs: Int[Tensor, "n e 2"]) -> Float[Tensor, "n e 5"]:
    """Per pair (i, j): Δx / w_i, Δy / h_i, log w_j / w_i, log h_j / h_i and the intersection over union.

    Δ leads from the centre of i to that of j. Sides below 0.001 count as 0.001, so the answer is finite for every
    finite box; boxes without area have an intersection over union of 0.
    """
    first, second = (
        boxes.gather(1, pairs[..., end, None].expand(*pairs.shape[:2], 4)) for end in (0, 1)
    )  # each "n e 4"
    sides1, sides2 = (
        (ends[..., 2:] - ends[..., :2]).clamp(min=_SMALLEST_SIDE) for ends in (first, second)
    )  # width and height
    shift = (second[..., :2] + second[..., 2:] - first[..., :2] - first[..., 2:]) / 2
    common = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    shared = common.clamp(min=0).prod(-1, keepdim=True)
    area1, area2 = ((ends[..., 2:] - ends[..., :2]).clamp(min=0).prod(-1, keepdim=True) for ends in (first, second))
    overlap = shared / (area1 + area2 - shared).clamp(min=_SMALLEST_SIDE**3)
    return torch.cat((shift / sides1, (sides2 / sides1).log(), overlap), dim=-1)


def frame_geometry(boxes: Float[Tensor, "n p 4"]) -> Float[Tensor, "n p 5"]:
    """`pair_geometry` from every box to the frame of its picture: where in the picture it is, and how large."""
    frame = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=boxes.dtype, device=boxes.device).expand(len(boxes), 1, 4)
    own = torch.arange(boxes.shape[1], device=boxes.device)
    pairs = torch.stack([own, torch.full_like(own, boxes.shape[1])], dim=-1).expand(len(boxes), -1, 2)
    return pair_geometry(torch.cat([boxes, frame], dim=1), pairs)


def spatial_relations(boxes: Sequence[Box]) -> list[tuple[int, str, int]]:
    """Every ordered pair of boxes with how the first lies to the second, by first and then by second index."""
    return [
        (i, spatial_relation(first, second), j)
        for i, first in enumerate(boxes)
        for j, second in enumerate(boxes)
        if i != j
    ]


def spatial_relation(first: Box, second: Box) -> str:
    """The one predicate of `INVERSE` that says best how `first` lies to `second`.

    Boxes apart, or touching, lie "left of", "right of", "above" or "below" each other along the axis of the wider gap
    (the horizontal one if both are equal). Boxes that share an area are "inside" and "around" each other when at least
    `INSIDE` of the smaller lies in the larger, else each "overlaps" the other, as equal boxes do. The answer for
    exchanged boxes is always the inverse.
    """
    across, down = _gap(first, second, 0), _gap(first, second, 1)
    axis = 0 if across >= down else 1
    middle1, middle2 = first[axis] + first[axis + 2], second[axis] + second[axis + 2]
    if max(across, down) >= 0 and middle1 != middle2:
        before, after = (("left of", "right of"), ("above", "below"))[axis]
        return before if middle1 < middle2 else after
    shared = max(0.0, -across) * max(0.0, -down)
    area1, area2 = ((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    if area1 == area2 or shared < INSIDE * min(area1, area2):
        return "overlaps"
    return "inside" if area1 < area2 else "around"


def spatial_graph(names: Sequence[str], boxes: Sequence[Box], *, k: int = NEIGHBOURS) -> SceneGraph:
    """One object per name and box, and a spatial relation from each to its `k` nearest others, nearest first."""
    places = torch.tensor(boxes, dtype=torch.float64).reshape(1, len(boxes), 4)
    pairs, real = neighbour_pairs(places, torch.ones(1, len(boxes), dtype=torch.bool), k=k)
    relations = tuple(Relation(i, spatial_relation(boxes[i], boxes[j]), j) for i, j in pairs[real].tolist())
    return SceneGraph(tuple(GraphObject(name, box=box) for name, box in zip(names, boxes, strict=True)), relations)


def _gap(first: Box, second: Box, axis: int) -> float:
    """How far apart the boxes are along an axis; less than 0 by as much as they overlap."""
    apart = max(first[axis], second[axis]) - min(first[axis + 2], second[axis + 2])
    return round(apart, _DECIMALS)
