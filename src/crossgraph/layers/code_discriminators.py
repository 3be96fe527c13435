"""Discriminators of codes: one a medium, each telling the codes of its own medium from those of the other."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.losses.adversarial import discriminator_loss, generator_loss


class CodeDiscriminators(nn.Module):
    """Two perceptrons over relaxed codes, for a dual-way adversary of pictures and captions."""

    def __init__(self, bits: int, *, hidden: int = 512) -> None:
        super().__init__()
        self.image, self.text = (
            nn.Sequential(nn.Linear(bits, hidden), nn.ReLU(), nn.Linear(hidden, 1)) for _ in range(2)
        )

    def generator_loss(self, images: Float[Tensor, "n bits"], texts: Float[Tensor, "m bits"]) -> Float[Tensor, ""]:
        """Low where the codes of captions pass for pictures' and those of pictures for captions'."""
        return generator_loss(self.image(texts)[:, 0]) + generator_loss(self.text(images)[:, 0])

    def forward(self, images: Float[Tensor, "n bits"], texts: Float[Tensor, "m bits"]) -> Float[Tensor, ""]:
        """Low where each discriminator knows its own medium. Codes should be detached."""
        of_images = discriminator_loss(self.image(images)[:, 0], self.image(texts)[:, 0])
        return of_images + discriminator_loss(self.text(texts)[:, 0], self.text(images)[:, 0])
