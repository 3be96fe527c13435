"""What every image network is before it is frozen: pixels in, a grid of tokens and one whole vector out, trainable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.fingerprint import encoder_fingerprint, weights_of
from crossgraph.encoders.grid import grid_boxes, placed, pool_grid
from crossgraph.encoders.image import WHOLE, Window
from crossgraph.encoders.pixels import Preparation
from crossgraph.errors import ConfigError
from crossgraph.types import ImageBatch


class Backbone(nn.Module, ABC):
    """An image network whose every weight can be trained; it chooses no device and draws nothing at random.

    `name` is a short word for people and for names of folders; what the network is, `identity` says together with its
    weights. With `frozen_statistics` batch normalisation keeps the statistics it came with, in training too: those of
    a few dozen pictures are worse than those of ImageNet.

    A network that is a chain of `blocks` can be trained from one of them on (`freeze_below`): `inner` is what the
    frozen ones below make of pictures, which may be kept, and `tokens_from` what the others make of that.
    """

    name: str
    part_width: int
    whole_width: int
    preparation: Preparation
    frozen_statistics: bool = True
    joint: bool = False
    """True where the vector for the whole lies in a space that the same model has for texts."""
    compiles: bool = False
    """True where `tokens` may be traced and compiled, for it does the same with any picture."""
    blocks: int = 0
    """How many blocks the network is a chain of; 0: it can be trained from pixels only."""
    inner_width: int = 0
    """The channels of `inner`, where there are blocks below which the network is frozen."""
    started_from: str = ""
    """What the network was before it was frozen below a block: a fingerprint; empty where it is trained as a whole."""
    frozen_below: int = 0
    beside: bool = False
    """True where grid and whole have twice the channels: those of the trained network, then those of the network as it
    came."""

    @abstractmethod
    def tokens(self, pixels: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        """The grid of `r` x `c` tokens over each picture and the vector for its whole, with gradients."""

    @abstractmethod
    def identity(self) -> Mapping[str, object]:
        """What besides weights and preparation decides the outputs: plain JSON of our own."""

    def fuse(self) -> None:
        """Rewrite the network in place into a faster one with the same outputs, of which statistics are no more."""

    def freeze_below(self, block: int, *, beside: bool = False) -> None:
        """Train only from `block` (counted from 0) on, with the statistics of the whole network folded into weights.

        With `beside` the features of the network as it came stand beside those of the trained one. What is frozen is no
        part of the state of the network any more: `started_from` says what it was. Raises `ConfigError` where the
        network has no such block.
        """
        if not 0 < block < self.blocks:
            has = f"its blocks are 0 to {self.blocks - 1}" if self.blocks else "it has none to begin at"
            raise ConfigError(f"{self.name} cannot be trained from block {block} on: {has}; set images.from_block=0.")
        self.started_from, self.frozen_below = self.network_fingerprint(), block
        self.fuse()
        self.beside = beside
        frozen = self.frozen_names()
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not name.startswith(frozen))
        self.register_state_dict_post_hook(_without_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_missing_nothing_frozen)  # type: ignore[no-untyped-call]

    def network_fingerprint(self) -> str:
        """What the network is, whatever is made of its outputs; to be asked before it is fused."""
        settings = {**self.identity(), "pixels": self.preparation.describe()}
        return encoder_fingerprint("image", settings, weights_of(self))

    def frozen_names(self) -> tuple[str, ...]:
        """How the names of frozen weights begin."""
        return ()

    def inner(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d r c"]:
        """What the frozen blocks make of pictures."""
        raise NotImplementedError

    def tokens_from(self, inner: Float[Tensor, "n d r c"]) -> tuple[Float[Tensor, "n e s t"], Float[Tensor, "n w"]]:
        """The same as `tokens`, of what `inner` gave, or of a part of it."""
        raise NotImplementedError

    def whole_as_it_came(self, inner: Float[Tensor, "n d r c"]) -> Float[Tensor, "n w"]:
        """The vector for the whole that the network gave before it was trained, if nothing was trained since or with
        `beside`."""
        whole = self.tokens_from(inner)[1]
        return whole[:, whole.shape[1] // 2 :] if self.beside else whole

    def layers(self) -> list[list[nn.Parameter]]:
        """The parameters that are trained, by layer, the topmost first; all in one where there are no blocks."""
        return [[parameter for parameter in self.parameters() if parameter.requires_grad]]

    def class_names(self) -> tuple[str, ...]:
        """The classes that the network told apart before it came here. Raises `ConfigError` where it knows none."""
        raise ConfigError(f"{self.name} knows no classes by name; set model.class_weight=0.")

    def classify(self, whole: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        """How probable each class is, by the whole vector that the network gave before it was trained here."""
        raise NotImplementedError

    def forward(self, pixels: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        """The same as `tokens`."""
        return self.tokens(pixels)

    def image_batch(
        self, pixels: Float[Tensor, "n 3 h w"], *, cells: Sequence[int], windows: Sequence[Window]
    ) -> ImageBatch:
        """The pictures as a method reads them, parts being the cells of the grids; gradients reach the network.

        `windows` say what of each picture its pixels show.
        """
        return batch_of_tokens(*self.tokens(pixels), cells=cells, windows=windows)

    def train(self, mode: bool = True) -> Backbone:
        """Training mode on or off; frozen statistics stay in evaluation mode."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def batch_of_tokens(
    grid: Float[Tensor, "n d r c"], whole: Float[Tensor, "n e"], *, cells: Sequence[int], windows: Sequence[Window] = ()
) -> ImageBatch:
    """Grids of tokens as a method reads them: their cells as parts, in single precision.

    `windows` say what of each picture its grid covers; none: all of it.
    """
    parts, own = pool_grid(grid, cells), grid_boxes(cells)
    placed_boxes = [placed(own, window) for window in windows or [WHOLE] * len(parts)]
    boxes = np.array(placed_boxes, np.float32).reshape(-1, *own.shape)
    mask = torch.ones(parts.shape[:2], dtype=torch.bool, device=grid.device)
    return ImageBatch(parts.float(), mask, torch.from_numpy(boxes).to(grid.device), whole.float())


def _without_frozen(module: nn.Module, state: dict[str, Tensor], prefix: str, _: object) -> None:
    """Take from the state of a backbone what is frozen."""
    assert isinstance(module, Backbone), "registered with a backbone"
    frozen = tuple(prefix + name for name in module.frozen_names())
    for name in [name for name in state if name.startswith(frozen)]:
        del state[name]


def _missing_nothing_frozen(module: nn.Module, incompatible: Any) -> None:
    """What is frozen need not be in a state that is loaded."""
    assert isinstance(module, Backbone), "registered with a backbone"
    frozen = [name for name, _ in module.named_parameters() if name.startswith(module.frozen_names())]
    incompatible.missing_keys[:] = [
        name for name in incompatible.missing_keys if not any(name.endswith(own) for own in frozen)
    ]
