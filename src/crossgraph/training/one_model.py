"""Runs whose pictures and sentences are read by one pretrained model, and a run made of such a model alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from crossgraph.config import ImagesConfig, RunConfig, TextsConfig
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.image import IMAGE_ENCODERS, ImageEncoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.catalogue import build_method, method_type
from crossgraph.methods.contract import InputSizes, Method
from crossgraph.methods.pretrained import Pretrained
from crossgraph.training.checkpoint import (
    MANIFEST,
    WEIGHTS,
    DataFacts,
    RunManifest,
    environment,
    weights_fingerprint,
    write_manifest,
    write_tensors,
)
from crossgraph.training.model import TrainedModel, build_encoder
from crossgraph.training.places import places_of

SAME = "images"
"""As `texts.encoder`: the text side of the model that `images.encoder` names."""


def with_one_model(config: RunConfig) -> RunConfig:
    """The settings with the model named once written down for both sides, where they or the method want one model.

    Raises `ConfigError` where a method wants one and the settings name two, or none.
    """
    name, texts = config.images.encoder, config.texts.encoder
    wanted = method_type(config.method).one_model
    if not wanted and texts != SAME:
        return config
    if name in IMAGE_ENCODERS:
        raise ConfigError(
            f"{name} reads no text; name a model with a space for pictures and texts: images.encoder=FOLDER, or "
            "hf:owner/model (CLIP, SigLIP, ALIGN, Chinese-CLIP)."
        )
    if wanted and texts not in (SAME, name, TextsConfig().encoder):
        raise ConfigError(
            f"{config.method} reads pictures and texts with one model, and the settings name {name!r} and {texts!r}; "
            "leave texts.encoder out."
        )
    return config.model_copy(update={"texts": config.texts.model_copy(update={"encoder": name})})


def take_towers(method: Method, images: ImageEncoder, texts: TextEncoder, *, name: str) -> None:
    """Tell a method that wants one model which it is. Raises `ModelError` for encoders without a space in common."""
    if not isinstance(method, Pretrained):
        return
    require_common_space(images, texts, name=name)
    assert texts.logits is not None, "checked above"
    method.take(images.fingerprint, texts.fingerprint, texts.logits)


def require_common_space(images: ImageEncoder, texts: TextEncoder, *, name: str) -> None:
    """Raise `ModelError` unless both encoders end in a space that one model has for pictures and texts."""
    if not images.joint or texts.logits is None:
        raise ModelError(
            f"{name!r} has no space for both pictures and texts: one of its towers or projections is missing. Give the "
            "folder of a whole two-tower model (CLIP, SigLIP, ALIGN, Chinese-CLIP), as saved by its model class."
        )


def make_pretrained_run(
    name: str, out: Path, *, cells: Sequence[int], cache: FeatureCache, device: str
) -> TrainedModel:
    """Write the run of a pretrained two-tower model, by folder or hub name, into `out`, and load it.

    The model's files stay where they are, as with every run. Equal models give equal runs, wherever they lie. Raises
    `ConfigError` for a name that means nothing, `ModelError` for a model without a space for both sides.
    """
    if (out / MANIFEST).exists() or (out.exists() and not out.is_dir()):
        raise ModelError(f"{out} is there already; give a new folder.")
    config = with_one_model(RunConfig(method=Pretrained.name, images=ImagesConfig(encoder=name, cells=tuple(cells))))
    images = build_encoder(config.images, device)
    texts = build_text_encoder(
        {"kind": "transformer", "name": name, "max_words": config.texts.max_words}, device=device
    )
    require_common_space(images, texts, name=name)
    sizes = InputSizes(
        part_width=images.part_width,
        whole_width=images.whole_width,
        state_width=texts.state_width,
        text_whole_width=texts.whole_width,
    )
    method = build_method(config.method, config.model, sizes)
    take_towers(method, images, texts, name=name)
    write_tensors(out / WEIGHTS, method.state_dict(), {})
    manifest = RunManifest(
        config=config,
        sizes=sizes,
        image_encoder=images.fingerprint,
        text_encoder=texts.describe(),
        data=DataFacts(name="none", fingerprint="", train_images=0, train_captions=0, validation_split="none"),
        places=places_of(out, config),
        parameters=0,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(),
        weights=weights_fingerprint(out),
    )
    write_manifest(out, manifest)
    return TrainedModel(out, cache=cache, device=device)
