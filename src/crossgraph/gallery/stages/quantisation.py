"""Iterative quantisation: the rotation of vectors whose signs lose least of them *(Gong and Lazebnik 2011)*.

    vectors -> less their mean -> first principal directions -> rotated until signs and vectors agree best

Signs and rotation are found in turn, each the best for the other, so that the error never rises. More bits than
directions are several rotations of different random starts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from crossgraph.errors import ModelError
from crossgraph.gallery.stages.codes import Quantisation

ITERATIONS = 50
MOST_ROWS = 20_000
"""Vectors of a side that are learned from; of more, so many are drawn."""


def fit_quantisation(
    sides: Sequence[Float[Tensor, "_ d"]], *, bits: int, seed: int = 0, iterations: int = ITERATIONS
) -> Quantisation:
    """Learn `bits` planes of the unit vectors of all `sides`, pictures and sentences, each side with equal weight.

    The centre lies half-way between the sides, so that a sum of pictures and sentences has a code like any vector.
    The same vectors and `seed` give the same planes. Raises `ModelError` for vectors that are not finite or all alike.
    """
    generator = torch.Generator().manual_seed(seed)
    units = [normalize(_drawn(side, generator).float().cpu(), dim=1) for side in sides if len(side)]
    if not units or not all(bool(side.isfinite().all()) for side in units):
        raise ModelError("codes cannot be learned: there are no vectors, or some are not finite numbers. Train again.")
    centre = torch.stack([side.double().mean(0) for side in units]).mean(0)
    planes = learn_planes([(side - centre).float() for side in units], bits, generator, iterations=iterations)
    return Quantisation(centre.float().numpy(), planes.numpy())


def learn_planes(
    sides: Sequence[Float[Tensor, "_ d"]], bits: int, generator: torch.Generator, *, iterations: int = ITERATIONS
) -> Float[Tensor, "d bits"]:
    """Planes through 0 that divide vectors about 0, each side with equal weight; raises as `fit_quantisation` does."""
    # A row by the root of its weight: sums of products over rows are then means over sides.
    roots = torch.cat([torch.full((len(side), 1), (len(side) * len(sides)) ** -0.5) for side in sides])
    rows = roots * torch.cat(list(sides))
    directions = principal_directions(rows)
    width = directions.shape[1]
    blocks = -(-bits // width)
    sizes = [bits // blocks + (block < bits % blocks) for block in range(blocks)]
    planes = []
    for size in sizes:
        start = random_rotation(size, generator)
        rotation = sign_rotation(rows @ directions[:, :size].float(), start, weights=roots, iterations=iterations)
        planes.append(directions[:, :size] @ rotation)
    return torch.cat(planes, dim=1).float()


def principal_directions(rows: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """Unit columns of falling variance. Raises `ModelError` where there is none: all rows are alike."""
    covariance = rows.double().T @ rows.double()
    if float(covariance.trace()) < 1e-12:
        raise ModelError("codes cannot be learned of vectors that are all alike. Give more pictures and captions.")
    directions: Tensor = torch.linalg.eigh(covariance).eigenvectors
    return directions.flip(1)


def random_rotation(size: int, generator: torch.Generator) -> Float[Tensor, "k k"]:
    """An orthogonal matrix, all equally likely."""
    orthogonal, triangle = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    rotation: Tensor = orthogonal * triangle.diagonal().sign()
    return rotation


def sign_rotation(
    rows: Float[Tensor, "n k"],
    start: Float[Tensor, "k k"],
    *,
    weights: Float[Tensor, "n 1"] | None = None,
    iterations: int = ITERATIONS,
) -> Float[Tensor, "k k"]:
    """The rotation R after so many turns: signs B of rows @ R, then the R closest to B *(orthogonal Procrustes)*.

    `weights` are what B has instead of ones, for rows that were multiplied by them.
    """
    one = torch.ones(len(rows), 1, dtype=rows.dtype) if weights is None else weights
    rotation = start
    for _ in range(iterations):
        signs = torch.where(rows @ rotation.to(rows.dtype) > 0, one, -one)
        left, _, right = torch.linalg.svd((rows.T @ signs).double())
        rotation = left @ right
    return rotation


def quantisation_error(rows: Float[Tensor, "n k"], rotation: Float[Tensor, "k k"]) -> float:
    """The mean square of the distance from rotated rows to their signs."""
    rotated = rows.double() @ rotation.double()
    signs = torch.where(rotated > 0, 1.0, -1.0)
    return float((rotated - signs).square().sum(1).mean())


def _drawn(side: Float[Tensor, "n d"], generator: torch.Generator) -> Float[Tensor, "m d"]:
    """At most `MOST_ROWS` rows."""
    if len(side) <= MOST_ROWS:
        return side
    return side[torch.randperm(len(side), generator=generator)[:MOST_ROWS].sort().values]
