"""The image network that a run trained for itself, as the encoder of other runs: `images.encoder=RUN`.

RUN/manifest.json         from which network, at what size, from which block on
RUN/weights.safetensors   what was trained, as backbone.*
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from crossgraph.encoders.backbone import Backbone
from crossgraph.errors import ConfigError, ModelError
from crossgraph.files import content_hash

MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"
NETWORK = "backbone."
"""How the weights of an image network begin among those of its run."""
TEXT_NETWORK = "text_backbone."
"""The same of layers of a sentence encoder (`tuned_text`)."""


def is_run(folder: Path) -> bool:
    """Whether `folder` is a trained run rather than a model of another library."""
    return (folder / MANIFEST).is_file()


def require_own_weights(run: Path, said: str | None) -> str:
    """The hash of a run's weights; raises `ModelError` where its manifest has `said` another, `OSError` without any."""
    found = content_hash(run / WEIGHTS)
    if said not in (None, found):
        raise ModelError(
            f"{run / WEIGHTS} is damaged or belongs to another run: its content has hash {found}, and {MANIFEST} says "
            f"{said}. Copy the whole run, or the cascade that it is part of, again from where it is sound, or make it "
            "again."
        )
    return found


def load_tuned(folder: Path, *, size: int | None = None) -> Backbone:
    """The image network of the run in `folder`, as it was selected, at the size it was trained at.

    Raises `ConfigError` for a run that trained none and for another size, `ModelError` for one that cannot be read.
    """
    # Imported here because the catalogue builds what a run started from, and calls this.
    from crossgraph.encoders.catalogue import build_backbone

    manifest = _manifest(folder)
    images = manifest["config"]["images"]
    if not images.get("trainable"):
        raise ConfigError(
            f"the run {folder} trained no image network; it reads pictures by {images['encoder']!r}: name that, or a "
            "run that was trained with images.trainable=true."
        )
    if size not in (None, images["size"]):
        raise ConfigError(f"the network of {folder} was trained at size {images['size']}, got {size}; leave it out.")
    if (folder / WEIGHTS).is_file():
        require_own_weights(folder, manifest.get("weights"))
    backbone = build_backbone(_started_from(folder, manifest), size=images["size"], download=False)
    if images.get("from_block"):
        backbone.freeze_below(images["from_block"], beside=images.get("beside", False))
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(NETWORK)]  # noqa: SIM118
            backbone.load_state_dict({name.removeprefix(NETWORK): file.get_tensor(name) for name in names})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"the image network of the run {folder} cannot be read: {error}") from error
    return backbone.eval()


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if "images" not in manifest["config"]:
            raise KeyError("images")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / MANIFEST} is not the manifest of a trained run: {error!r}.") from error
    return manifest


def _started_from(folder: Path, manifest: dict[str, Any]) -> str:
    """The network that a run began with: a name, or a folder where it is now."""
    name = str(manifest["config"]["images"]["encoder"])
    known = manifest.get("places", {}).get("image encoder")
    if known is None:
        return name
    beside = os.path.normpath(folder.resolve() / known["from_run"])
    return next((place for place in (known["path"], beside) if Path(place).exists()), name)
