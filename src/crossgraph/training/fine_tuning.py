"""Training the image network with the method that reads it, from pixels in the place of cached features.

The network runs where features enter (`PixelTable`), so that no method knows of it. Its weights are the method's
(`Method.backbone`), so that they are stepped, averaged, saved and resumed with them, and a run stays one file of
weights that is whole or absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from crossgraph.config import RunConfig
from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.backbone_encoder import BackboneEncoder
from crossgraph.encoders.catalogue import build_backbone
from crossgraph.encoders.tuned import NETWORK
from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.catalogue import method_type
from crossgraph.methods.contract import ClosedForm, Method, ParameterGroup
from crossgraph.training.checkpoint import load_weights


def trainable_backbone(config: RunConfig, *, download: bool) -> Backbone | None:
    """The image network that a run of these settings trains, as it starts; None where it is frozen.

    Raises `ConfigError` for what cannot go with it.
    """
    if not config.images.trainable:
        return None
    if issubclass(method_type(config.method), ClosedForm):
        raise ConfigError(f"{config.method} is solved, not trained, so no network can be trained with it.")
    if config.images.regions is not None:
        raise ConfigError("images.regions are parts of cached features; leave them out, or set images.trainable=false.")
    backbone = build_backbone(config.images.encoder, size=config.images.size, download=download)
    if config.images.from_block:
        backbone.freeze_below(config.images.from_block, beside=config.images.beside)
    elif config.images.crops or config.images.beside:
        named = "images.crops are" if config.images.crops else "images.beside is"
        raise ConfigError(f"{named} of what comes into a block; name the block in images.from_block.")
    return backbone


def without_network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a run less those of an image network that it trained."""
    return {name: value for name, value in tensors.items() if not name.startswith(NETWORK)}


def own_encoder(config: RunConfig, tensors: Mapping[str, Tensor], *, run: Path, device: str) -> BackboneEncoder:
    """The encoder that the `run` of these settings trained for itself, with its weights among `tensors`.

    Raises `ModelError` where they do not fit, or the run trained none.
    """
    backbone = trainable_backbone(config, download=False)
    if backbone is None:
        raise ModelError(f"{run} trained no image network of its own.")
    own = {name.removeprefix(NETWORK): value for name, value in tensors.items() if name.startswith(NETWORK)}
    load_weights(backbone, own, run=run)
    return BackboneEncoder(backbone, cells=config.images.cells, device=device)


def groups_of(method: Method, phase: str, *, backbone_rate: float, decay: float = 1.0) -> list[ParameterGroup]:
    """The parameter groups of a phase, those of the image network at `backbone_rate` times their group's rate.

    Each layer of the network below the topmost has `decay` times the rate of the one above (Howard & Ruder 2018).
    """
    backbone = method.backbone
    layers = backbone.layers() if isinstance(backbone, Backbone) else []
    depths = {id(parameter): depth for depth, layer in enumerate(layers) for parameter in layer}
    groups = []
    for group in method.groups(phase):
        heads = [one for one in group.parameters if id(one) not in depths]
        groups.append(ParameterGroup(heads, group.rate, group.betas))
        for depth in range(len(layers)):
            theirs = [one for one in group.parameters if depths.get(id(one)) == depth]
            if theirs:
                groups.append(ParameterGroup(theirs, group.rate * backbone_rate * decay**depth, group.betas))
    return groups
