"""Which training pictures are alike by their texts: nearest neighbours of all of them, and the part inside a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.graphs.descriptors import Rows, dense

BLOCK_NUMBERS = 16_000_000
"""Similarities held at once while neighbours are looked for: 64 MB."""


def nearest_neighbours(descriptors: Rows, *, count: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The `count` most similar other rows of each row, nearest first, and their cosines, none below 0.

    Rows have unit length. Blockwise: no more than a block of all n x n cosines exists at any time. With fewer than
    `count` other rows, there are as many columns as there are others.
    """
    n = descriptors.shape[0]
    count = min(count, n - 1)
    places, cosines = np.zeros((n, count), np.int64), np.zeros((n, count), np.float32)
    if count < 1:
        return torch.from_numpy(places), torch.from_numpy(cosines)
    height = max(1, BLOCK_NUMBERS // n)
    for start in range(0, n, height):
        block = dense(descriptors[start : start + height] @ descriptors.T)
        block[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        near = np.argpartition(-block, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(block, near, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        places[start : start + height] = np.take_along_axis(near, order, axis=1)
        cosines[start : start + height] = np.take_along_axis(found, order, axis=1)
    return torch.from_numpy(places), torch.from_numpy(cosines.clip(min=0.0))


@dataclass(frozen=True)
class TextStructure:
    """The texts' verdict on which training pictures are alike: descriptors, and each picture's nearest others.

    A row of `neighbours` is nearest first, `strengths` are the cosines.
    """

    descriptors: Rows
    neighbours: Int[Tensor, "n k"]
    strengths: Float[Tensor, "n k"]

    @staticmethod
    def of(descriptors: Rows, *, count: int) -> TextStructure:
        """The structure with `count` neighbours a picture."""
        return TextStructure(descriptors, *nearest_neighbours(descriptors, count=count))

    def similarity(self, rows: Int[Tensor, " b"]) -> Float[Tensor, "b b"]:
        """Cosines, none below 0, of the pictures at `rows`; 1 along the diagonal."""
        chosen = self.descriptors[rows.cpu().numpy()]
        cosines = torch.from_numpy(dense(chosen @ chosen.T)).clamp(0.0, 1.0)
        return cosines.fill_diagonal_(1.0).to(rows.device)

    def edges(self, rows: Int[Tensor, " b"]) -> Float[Tensor, "b b"]:
        """The graph of all training pictures as far as it joins those at `rows`: who is whose neighbour, how strongly.

        Symmetric: an edge is there if either is a neighbour of the other. 1 along the diagonal.
        """
        chosen = rows.cpu()
        is_it: Bool[Tensor, "b k b"] = self.neighbours[chosen][:, :, None] == chosen
        one_way = (is_it * self.strengths[chosen][:, :, None]).sum(dim=1)
        return torch.maximum(one_way, one_way.T).fill_diagonal_(1.0).to(rows.device)


def keep_nearest(similarity: Float[Tensor, "b b"], *, count: int) -> Float[Tensor, "b b"]:
    """The graph inside a batch: of each row its `count` largest similarities to others, symmetric, diagonal 1."""
    b = similarity.shape[0]
    count = min(count, b - 1)
    others = similarity.clone().fill_diagonal_(-1.0)
    near = others.topk(count, dim=1).indices
    kept = torch.zeros_like(similarity).scatter(1, near, similarity.gather(1, near).clamp(min=0.0))
    return torch.maximum(kept, kept.T).fill_diagonal_(1.0)


def propagation(edges: Float[Tensor, "v v"]) -> Float[Tensor, "v v"]:
    """What a graph convolution multiplies by: D^-1/2 M D^-1/2 of a symmetric graph with loops (Kipf 2017)."""
    scale = edges.sum(dim=1).clamp(min=1e-12).rsqrt()
    return scale[:, None] * edges * scale
