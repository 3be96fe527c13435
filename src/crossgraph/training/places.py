"""Where the encoders of a run lie, when they are folders of the user's: hints beside the fingerprints that decide.

    manifest.places = {"image encoder": Place(path="/models/clip", from_run="../../models/clip"), ...}

A run is the same run wherever its encoders are, so hints are no part of what it is (`RunManifest.fingerprint`). A hint
may be wrong: what is found at it must have the fingerprint that the manifest names.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from crossgraph.config import ImagesConfig, RunConfig
from crossgraph.encoders.names import Kind, is_folder
from crossgraph.errors import ModelError
from crossgraph.training.checkpoint import Place, RunManifest, read_manifest, write_manifest

IMAGES, TEXTS, REGIONS = "image encoder", "text encoder", "regions"
LANGUAGES = "languages"
"""The folder in a run where languages lie that it was taught."""


def places_of(run: Path, config: RunConfig) -> dict[str, Place]:
    """The places of what `config` names by path: whole, and as seen from the folder `run`, which may move with them."""
    kinds: dict[str, tuple[str, Kind]] = {
        IMAGES: (config.images.encoder, "image encoder"),
        TEXTS: (config.texts.encoder, "text encoder"),
    }
    found = {what: Path(name) for what, (name, kind) in kinds.items() if is_folder(name, kind=kind)}
    if config.images.regions is not None:
        found[REGIONS] = Path(config.images.regions)
    return {what: place(run, path.expanduser().resolve()) for what, path in found.items()}


def place(run: Path, path: Path) -> Place:
    """One place as a manifest holds it."""
    return Place(path=str(path), from_run=os.path.relpath(path, run.resolve()))


def regions_digest(config: RunConfig) -> str | None:
    """What supplied regions are, wherever their file lies; None where there are none."""
    if config.images.regions is None:
        return None
    return hashlib.sha256(Path(config.images.regions).expanduser().read_bytes()).hexdigest()[:16]


def located(run: Path, manifest: RunManifest, what: str, *, name: str, fingerprint: str = "") -> str:
    """Where `what` is now, or `name` where a run has no place for it: at its path, or as far from the run as it was.

    Raises `ModelError` with the fingerprint that is looked for if it is at neither.
    """
    known = manifest.places.get(what)
    if known is None:
        return name
    candidates = (Path(known.path), Path(os.path.normpath(run.resolve() / known.from_run)))
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    print_of = f" with fingerprint {fingerprint}" if fingerprint else ""
    raise ModelError(
        f"{run} needs the {what}{print_of} that was at {candidates[0]}; it is neither there nor at {candidates[1]}. "
        "Put it back; or say where it is: crossgraph gallery move GALLERY OLD NEW or, where there is no gallery, "
        "relocate_run of crossgraph.training.relocate."
    )


def located_images(run: Path, manifest: RunManifest, images: ImagesConfig) -> ImagesConfig:
    """The picture settings of a run with the encoder and the regions where they are now."""
    encoder = located(run, manifest, IMAGES, name=images.encoder, fingerprint=manifest.image_encoder)
    regions = images.regions and located(run, manifest, REGIONS, name=images.regions)
    return images.model_copy(update={"encoder": encoder, "regions": regions})


def located_texts(run: Path, manifest: RunManifest) -> dict[str, Any]:
    """The description of a run's sentence encoder with the folders where they are now.

    Languages that were taught (`encoders.polyglot`) lie in a folder named as seen from the run.
    """
    description = dict(manifest.text_encoder)
    if "name" in description:
        sought = description.get("fingerprint", "")
        description["name"] = located(run, manifest, TEXTS, name=description["name"], fingerprint=sought)
    if (own := languages_folder(run, manifest)) is not None:
        description["folder"] = str(own)
    return description


def languages_folder(run: Path, manifest: RunManifest) -> Path | None:
    """Where the languages lie that a run's sentences may be in besides English; None where none were taught."""
    folder = manifest.text_encoder.get("folder")
    return None if folder is None else Path(os.path.normpath(run / folder))


def copy_manifest(run: Path, to: Path) -> None:
    """The manifest of `run` in the folder `to`, with its places as seen from there, and the languages it was taught."""
    manifest = read_manifest(run)
    changed: dict[str, Any] = {"places": places_seen_from(to, run, manifest)}
    if (own := languages_folder(run, manifest)) is not None:
        (to / LANGUAGES).mkdir(parents=True, exist_ok=True)
        for file in (*own.glob("*.json"), *own.glob("*.safetensors")):  # no more, whatever a manifest names
            shutil.copyfile(file, to / LANGUAGES / file.name)
        changed["text_encoder"] = {**manifest.text_encoder, "folder": LANGUAGES}
    write_manifest(to, manifest.model_copy(update=changed))


def places_seen_from(to: Path, run: Path, manifest: RunManifest) -> dict[str, Place]:
    """The places of a run as a copy of it in the folder `to` sees them."""
    seen = {}
    for what, known in manifest.places.items():
        beside = Path(os.path.normpath(run.resolve() / known.from_run))
        path = Path(known.path)
        seen[what] = place(to, beside if beside.exists() and not path.exists() else path)
    return seen
