"""Finished dual encoders as one run, an `encoder_ensemble` whose branches they are: nothing is trained.

At most one of them has an image network that it trained itself; its network reads pictures once, and gives what it
learned beside what it came with, which the others read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from crossgraph.config import ImagesConfig
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.tuned import NETWORK
from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.methods.encoder_ensemble import EncoderEnsemble
from crossgraph.training.checkpoint import (
    WEIGHTS,
    RunManifest,
    environment,
    load_weights,
    own_weights,
    read_manifest,
    read_tensors,
    weights_fingerprint,
    write_manifest,
    write_tensors,
)
from crossgraph.training.fine_tuning import own_encoder, without_network
from crossgraph.training.model import TrainedModel
from crossgraph.training.places import places_of

DIFFERENT = ("trainable", "from_block", "beside", "crops", "uncropped", "rate", "rate_decay", "mirror", "turned")
"""What settings of pictures may differ: how a network was trained, not what it reads."""


def join_runs(runs: Sequence[Path], out: Path, *, cache: FeatureCache, device: str = "cpu") -> TrainedModel:
    """Write the ensemble of some finished dual encoders into the new folder `out`, and load it.

    Its score is the mean of theirs. It keeps the settings of the run with a network of its own, or else of the first,
    and was selected by nothing. Raises `ConfigError` for runs that cannot be put together.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already. Give a new folder, or remove it first.")
    if len(runs) < 2:
        raise ConfigError(f"an ensemble has at least two runs, got {len(runs)}.")
    manifests = [read_manifest(run) for run in runs]
    first = _leading(runs, manifests)
    for run, manifest in zip(runs, manifests, strict=True):
        _require_like(runs[first], manifests[first], run, manifest)
        own_weights(run, manifest)
    order = [first, *(place for place in range(len(runs)) if place != first)]
    tensors = [read_tensors(runs[place] / WEIGHTS)[0] for place in order]
    manifest = _described([manifests[place] for place in order], out)
    weights: dict[str, Tensor] = {
        f"branches.{branch}.{name}": value
        for branch, found in enumerate(tensors)
        for name, value in without_network(found).items()
    }
    method = build_method(EncoderEnsemble.name, manifest.config.model, manifest.sizes)
    load_weights(method, weights, run=runs[first])
    if manifest.config.images.trainable:
        weights |= {name: value for name, value in tensors[0].items() if name.startswith(NETWORK)}
        encoder = own_encoder(manifest.config, weights, run=runs[first], device=device)
        manifest = manifest.model_copy(update={"image_encoder": encoder.fingerprint})
    write_tensors(out / WEIGHTS, weights, {"joined": [manifests[place].weights for place in order]})
    count = sum(value.numel() for value in weights.values())
    write_manifest(out, manifest.model_copy(update={"weights": weights_fingerprint(out), "parameters": count}))
    return TrainedModel(out, cache=cache, device=device)


def _leading(runs: Sequence[Path], manifests: Sequence[RunManifest]) -> int:
    """The place of the run whose network all read: the one that trained it, or else the first."""
    tuned = [place for place, manifest in enumerate(manifests) if manifest.config.images.trainable]
    if len(tuned) > 1:
        raise ConfigError(
            f"{runs[tuned[0]]} and {runs[tuned[1]]} each trained an image network of their own; an ensemble has one. "
            "Put runs on the network as it came beside one of them."
        )
    if tuned and not manifests[tuned[0]].config.images.from_block:
        raise ConfigError(
            f"{runs[tuned[0]]} trained its whole image network, so that nothing is left of the network as it came; "
            "train it from a block on (images.from_block)."
        )
    return tuned[0] if tuned else 0


def _require_like(one: Path, first: RunManifest, other: Path, second: RunManifest) -> None:
    """Raise `ConfigError` unless the second run reads what the first does, and is a dual encoder as it is."""
    if second.config.method != DualEncoder.name:
        raise ConfigError(f"{other} is {second.config.method!r}; the runs of an ensemble are dual encoders.")
    if second.config.model.get("bank_images"):
        raise ConfigError(f"{other} has a query bank; join the runs it was made of, and give the ensemble a bank.")
    if second.given is not None or second.weights is None:
        raise ModelError(f"{other} is no finished run on pictures and sentences. Train it to its end.")
    if first.config.texts.trainable or second.config.texts.trainable:
        raise ConfigError(
            f"{one if first.config.texts.trainable else other} trained layers of its sentence encoder, and an ensemble "
            "reads sentences once for all. Join runs with texts.trainable=false."
        )
    differing = [
        name
        for name in ImagesConfig.model_fields
        if name not in DIFFERENT and getattr(first.config.images, name) != getattr(second.config.images, name)
    ]
    texts = [one.text_encoder.get("fingerprint") or one.text_encoder for one in (first, second)]
    if texts[0] != texts[1]:
        differing.append("texts.encoder")
    widths = [(manifest.sizes.part_width, manifest.sizes.whole_width) for manifest in (first, second)]
    if differing or widths[0] != widths[1]:
        raise ConfigError(
            f"{one} and {other} read pictures or sentences differently ({', '.join(differing) or 'widths'}); the runs "
            "of an ensemble read the same."
        )


def _described(manifests: Sequence[RunManifest], out: Path) -> RunManifest:
    """The manifest of the ensemble of these branches, less what its weights say."""
    first, count = manifests[0], len(manifests)
    tuned = first.config.images.trainable
    model: dict[str, Any] = {**first.config.model, "branches": count}
    sizes = first.sizes
    named = [branch for branch, manifest in enumerate(manifests) if manifest.sizes.classifier]
    if named:
        model |= {"region_names": True, "named": named}
        of_names = manifests[named[0]].sizes
        sizes = sizes.model_copy(
            update={name: getattr(of_names, name) for name in ("classifier", "classes", "class_width")}
        )
    images = first.config.images
    if tuned:
        model |= {"blocks": 2, "reads": [0, *[1] * (count - 1)]}
        sizes = sizes.model_copy(update={"part_width": 2 * sizes.part_width, "whole_width": 2 * sizes.whole_width})
        images = images.model_copy(update={"beside": True})
    config = first.config.model_copy(update={"method": EncoderEnsemble.name, "model": model, "images": images})
    return first.model_copy(
        update={
            "config": config,
            "sizes": sizes,
            "places": places_of(out, config),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment(),
            "selected": None,
            "weights": None,
            "calibration": {},
        }
    )
