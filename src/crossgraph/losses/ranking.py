"""The two ranking losses behind one switch: what every method's `loss` setting chooses between."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossgraph.losses.contrastive import info_nce
from crossgraph.losses.triplet import triplet_loss


class RankingLoss(nn.Module):
    """`info_nce` with a learned inverse temperature, which starts at `scale` and stays below 100; or `triplet_loss`."""

    def __init__(self, kind: Literal["info_nce", "triplet"], *, margin: float = 0.2, scale: float = 20.0) -> None:
        super().__init__()
        self.margin, self.start = margin, scale
        self.scale = nn.Parameter(torch.tensor(scale).log()) if kind == "info_nce" else None

    @property
    def inverse_temperature(self) -> Tensor | float:
        """What a softmax over scores multiplies them by: learned, below 100; where `triplet` learns none, the start."""
        return self.start if self.scale is None else self.scale.exp().clamp(max=100.0)

    def forward(
        self,
        scores: Float[Tensor, "n m"],
        caption_image: Int[Tensor, " m"],
        *,
        hardness: float,
        neither: Bool[Tensor, "n m"] | None = None,
        back: Float[Tensor, "n m"] | None = None,
        more_images: Float[Tensor, "q m"] | None = None,
        more_texts: Float[Tensor, "n r"] | None = None,
    ) -> Float[Tensor, ""]:
        """The loss of a batch's scores; `hardness` matters to the hinge only, what follows it to InfoNCE."""
        if self.scale is None:
            return triplet_loss(scores, caption_image, margin=self.margin, hardness=hardness)
        return info_nce(
            scores,
            caption_image,
            scale=self.inverse_temperature,
            neither=neither,
            back=back,
            more_images=more_images,
            more_texts=more_texts,
        )
