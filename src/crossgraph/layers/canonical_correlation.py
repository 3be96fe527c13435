"""Canonical correlation analysis: the two linear maps under which pairs agree best, from covariances alone."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.errors import ConfigError, DataError


class CanonicalCorrelation(nn.Module):
    """Maps both sides to `components` directions, the most correlated first *(Hotelling 1936)*.

    Each covariance gets `regularisation` times its mean variance on the diagonal, without which a side with more
    dimensions than pairs is correlated perfectly with anything. Directions are scaled by correlation ** `power`
    *(Gong 2014)*: 0 counts all alike, larger values trust the strong ones. Vectors are centred, mapped, and scaled to
    length 1.
    """

    def __init__(self, left: int, right: int, *, components: int, regularisation: float, power: float) -> None:
        super().__init__()
        self.regularisation, self.power = regularisation, power
        self.components = min(components, left, right)
        for name, width in (("left", left), ("right", right)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_map", torch.zeros(width, self.components))
        self.register_buffer("correlations", torch.zeros(self.components))
        self.left_mean: Tensor
        self.left_map: Tensor
        self.right_mean: Tensor
        self.right_map: Tensor
        self.correlations: Tensor

    def fit(self, pairs: Iterable[tuple[Float[Tensor, "_ left"], Float[Tensor, "_ right"]]]) -> None:
        """Solve from blocks of paired rows. Sums are kept in double precision, whatever the blocks are in."""
        widths = [len(self.left_mean), len(self.right_mean)]
        total = 0
        sums = torch.zeros(sum(widths), dtype=torch.float64, device=self.left_mean.device)
        products = torch.zeros(len(sums), len(sums), dtype=torch.float64, device=self.left_mean.device)
        for left, right in pairs:
            rows = torch.cat([left, right], dim=1).double()
            total += len(rows)
            sums += rows.sum(dim=0)
            products.addmm_(rows.T, rows)
        if total < 2:
            raise DataError(f"a correlation needs at least two pairs to learn from, got {total}.")
        mean = sums / total
        covariance = products / total - torch.outer(mean, mean)
        side, other = slice(None, widths[0]), slice(widths[0], None)
        left_factor, right_factor = self._factor(covariance[side, side]), self._factor(covariance[other, other])
        # L C R^T, with L and R the inverses of the factors: correlations of whitened directions
        halfway = torch.linalg.solve_triangular(left_factor, covariance[side, other], upper=False)
        whitened = torch.linalg.solve_triangular(right_factor, halfway.T, upper=False).T
        u, correlations, v = torch.linalg.svd(whitened, full_matrices=False)
        keep = slice(None, self.components)
        self.left_mean.copy_(mean[side])
        self.right_mean.copy_(mean[other])
        self.left_map.copy_(torch.linalg.solve_triangular(left_factor.T, u[:, keep], upper=True))
        self.right_map.copy_(torch.linalg.solve_triangular(right_factor.T, v[keep].T, upper=True))
        self.correlations.copy_(correlations[keep].clamp(0, 1))

    def map_left(self, rows: Float[Tensor, "n left"]) -> Float[Tensor, "n k"]:
        """The rows in the common space, length 1."""
        return F.normalize((rows - self.left_mean) @ self.left_map * self.correlations**self.power, dim=1)

    def map_right(self, rows: Float[Tensor, "n right"]) -> Float[Tensor, "n k"]:
        """The rows in the common space, length 1."""
        return F.normalize((rows - self.right_mean) @ self.right_map * self.correlations**self.power, dim=1)

    def _factor(self, covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
        """The Cholesky factor of the regularised covariance."""
        ridge = self.regularisation * covariance.diagonal().mean() + torch.finfo(covariance.dtype).eps
        try:
            factor: Tensor = torch.linalg.cholesky(
                covariance + ridge * torch.eye(len(covariance), device=covariance.device)
            )
        except RuntimeError as error:  # what torch raises where it is not positive definite
            raise ConfigError(
                f"a regularisation of {self.regularisation} leaves a covariance that cannot be inverted; choose one "
                "near 0.1 (model.regularisation)."
            ) from error
        return factor
