"""What is near to everything is not near to anything: hubs taken back by a bank of known queries, within a cosine.

In a joint space some pictures are among the nearest of far too many sentences, and the other way round (hubs). Against
them each item is charged with how near it comes to a bank of items of the other side, drawn from training data
*(QB-Norm, Bogolin 2022; inverted softmax, Smith 2017)*:

    score = cos(v, t) - share (near(v; sentences of the bank) + near(t; pictures of the bank)),
    near(x; B) = log(sum_b exp(sharpness cos(x, b))) / sharpness, less its mean over the bank of x's own side

All of it stands in four channels more of the two vectors, which keep unit length, so that whatever handles cosines
handles this: the cosine of the longer vectors is the score divided by 1.5.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.layers.charges import LENGTH, REACH, STEP


class QueryBank(nn.Module):
    """Unit vectors of known `images` and `texts`, by which the vectors of others are charged. Empty until `fill`."""

    images: Tensor
    texts: Tensor
    usual: Tensor

    def __init__(self, images: int, texts: int, *, width: int, share: float, sharpness: float) -> None:
        super().__init__()
        self.share, self.sharpness = share, sharpness
        self.register_buffer("images", torch.zeros(images, width))
        self.register_buffer("texts", torch.zeros(texts, width))
        self.register_buffer("usual", torch.zeros(2))

    @torch.no_grad()
    def fill(self, images: Float[Tensor, "i d"], texts: Float[Tensor, "c d"]) -> None:
        """Take in the unit vectors of the bank, and how near pictures and sentences usually come to the other side."""
        self.images.copy_(images)
        self.texts.copy_(texts)
        means = [self._near(self.images, self.texts).mean(), self._near(self.texts, self.images).mean()]
        self.usual.copy_(torch.stack(means))

    def of_images(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The vectors of pictures with what they are charged."""
        charge = self._charge(vectors, self.texts, 0)
        step = torch.full_like(charge, STEP)
        return _joined(vectors, -charge / STEP, step, _rest(charge), torch.zeros_like(charge))

    def of_texts(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The vectors of sentences with what they are charged."""
        charge = self._charge(vectors, self.images, 1)
        step = torch.full_like(charge, STEP)
        return _joined(vectors, step, -charge / STEP, torch.zeros_like(charge), _rest(charge))

    def _charge(self, vectors: Float[Tensor, "n d"], bank: Float[Tensor, "b d"], side: int) -> Float[Tensor, "n 1"]:
        near = self._near(vectors, bank) - self.usual[side]
        return (self.share * near).clamp(-REACH, REACH)[:, None]

    def _near(self, vectors: Float[Tensor, "n d"], bank: Float[Tensor, "b d"]) -> Float[Tensor, " n"]:
        found: Tensor = (self.sharpness * (vectors @ bank.T)).logsumexp(dim=1) / self.sharpness
        return found


def _rest(charge: Float[Tensor, "n 1"]) -> Float[Tensor, "n 1"]:
    """What is missing to the common length, in a channel where the other side has nothing."""
    found: Tensor = (REACH - (charge / STEP).square()).clamp(min=0).sqrt()
    return found


def _joined(vectors: Float[Tensor, "n d"], *channels: Float[Tensor, "n 1"]) -> Float[Tensor, "n e"]:
    """The vectors with more channels, of unit length."""
    found: Tensor = torch.cat([vectors, *channels], dim=1) / LENGTH
    return found
