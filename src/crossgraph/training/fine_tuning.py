"""Training the image network, or layers of the sentence encoder, with the method that reads what they make.

They run where features enter (`PixelTable`, `TextTable.upper`), so that no method knows of them. Their weights are
the method's (`Method.backbone`, `Method.text_backbone`), so that they are stepped, averaged, saved and resumed with
them, and a run stays one file of weights that is whole or absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from crossgraph.config import RunConfig
from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.backbone_encoder import BackboneEncoder
from crossgraph.encoders.catalogue import build_backbone, build_text_encoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.encoders.tuned import NETWORK, TEXT_NETWORK
from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.catalogue import method_type
from crossgraph.methods.contract import ClosedForm, Method, ParameterGroup
from crossgraph.training.checkpoint import WEIGHTS, RunManifest, load_weights, read_tensors
from crossgraph.training.places import located_texts

if TYPE_CHECKING:
    from crossgraph.encoders.tuned_text import InnerStateEncoder


def trainable_backbone(config: RunConfig, *, download: bool) -> Backbone | None:
    """The image network that a run of these settings trains, as it starts; None where it is frozen.

    Raises `ConfigError` for what cannot go with it.
    """
    if not config.images.trainable:
        if config.images.turned:
            raise ConfigError(
                "images.turned is for an image network in training, and this one is frozen; set images.trainable=true, "
                "or leave it out."
            )
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


def trainable_texts(config: RunConfig, encoder: TextEncoder) -> InnerStateEncoder | None:
    """What reads sentences for a run that trains layers of `encoder`, with these as they start; None where it does not.

    Raises `ConfigError` for what cannot go with it.
    """
    if not config.texts.trainable:
        return None
    if issubclass(method_type(config.method), ClosedForm):
        raise ConfigError(f"{config.method} is solved, not trained, so no network can be trained with it.")
    # Imported here because a search by a run that trained no layers has no use for it.
    from crossgraph.encoders.transformer_text import TransformerTextEncoder
    from crossgraph.encoders.tuned_text import InnerStateEncoder, TextBackbone

    upper = TextBackbone(encoder, from_layer=config.texts.from_layer)
    assert isinstance(encoder, TransformerTextEncoder), "the layers of others are refused"
    return InnerStateEncoder(encoder, upper)


def own_text_encoder(run: Path, manifest: RunManifest, *, device: str, fingerprint: bool = True) -> TextEncoder:
    """The sentence encoder of a run with the layers that it trained, at its selected weights.

    Raises `ModelError` where they do not fit, or make another encoder than the `fingerprint` in the manifest, which is
    not asked before the run is finished.
    """
    from crossgraph.encoders.tuned_text import tuned_weights

    description = located_texts(run, manifest)
    if not fingerprint:
        description.pop("fingerprint", None)
    tuned = tuned_weights(read_tensors(run / WEIGHTS)[0])
    return build_text_encoder(description, device=device, download=False, tuned=tuned)


def tuned_texts(run: Path, manifest: RunManifest, *, device: str = "cpu") -> dict[str, Any]:
    """The description of that encoder for the manifest, with the fingerprint that the weights in `run` give it."""
    own = own_text_encoder(run, manifest, device=device, fingerprint=False)
    return {**manifest.text_encoder, "fingerprint": own.fingerprint}


def without_network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a run less those of networks that it trained."""
    return {name: value for name, value in tensors.items() if not name.startswith((NETWORK, TEXT_NETWORK))}


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


def groups_of(
    method: Method,
    phase: str,
    *,
    backbone_rate: float,
    decay: float = 1.0,
    text_rate: float = 1.0,
    text_decay: float = 1.0,
) -> list[ParameterGroup]:
    """The parameter groups of a phase: the image network at `backbone_rate` times their group's rate, the layers of the
    sentence encoder at `text_rate`.

    Each layer of a network below the topmost has `decay` (`text_decay`) times the rate of the one above (Howard &
    Ruder 2018).
    """
    tuned = [
        (layer, rate * below**depth)
        for network, rate, below in (
            (method.backbone, backbone_rate, decay),
            (method.text_backbone, text_rate, text_decay),
        )
        for depth, layer in enumerate(_layers_of(network))
    ]
    of_layer = {id(parameter): place for place, (layer, _) in enumerate(tuned) for parameter in layer}
    groups = []
    for group in method.groups(phase):
        heads = [one for one in group.parameters if id(one) not in of_layer]
        groups.append(ParameterGroup(heads, group.rate, group.betas))
        for place, (_, rate) in enumerate(tuned):
            theirs = [one for one in group.parameters if of_layer.get(id(one)) == place]
            if theirs:
                groups.append(ParameterGroup(theirs, group.rate * rate, group.betas))
    return groups


def _layers_of(network: nn.Module | None) -> list[list[nn.Parameter]]:
    """The parameters of a network in training by layer, the topmost first; none where there is no network."""
    return [] if network is None else cast(Backbone, network).layers()
