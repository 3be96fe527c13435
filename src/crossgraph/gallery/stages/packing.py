"""A cascade made ready to be given away: smaller, and the same wherever it lies.

    weights      matrices and kernels in half precision; once loaded they are computed with in single precision
    manifests    without places, versions, skipped files and the state of the source; fingerprints are those of the copy
    left out     training states, logs, and a network that two runs share, which the copy has once

What reads pictures or sentences must come with crossgraph, or be a network that one of the runs trained.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.names import BUILT_IN
from crossgraph.encoders.tuned import is_run
from crossgraph.errors import ConfigError, ModelError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Learned, Part, Role
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.training.checkpoint import (
    MANIFEST,
    WEIGHTS,
    Place,
    RunManifest,
    own_weights,
    read_manifest,
    read_tensors,
    run_fingerprint,
    weights_fingerprint,
    write_manifest,
    write_tensors,
)
from crossgraph.training.fine_tuning import tuned_texts
from crossgraph.training.model import SHORTLIST, TrainedModel, build_encoder
from crossgraph.training.places import IMAGES, LANGUAGES, languages_folder, located, located_images

LIMIT = 40_000_000
"""Bytes that a copy may have unless told otherwise: what a package on an index can carry with ease."""

BESIDE = "(beside the run)"
"""Stands for the whole path of what lies in the copy, whose place nobody knows; no folder is called so."""

ORDER: tuple[Role, ...] = ("dense", "codes", "rerank")


@dataclass(frozen=True)
class Packed:
    """What was written: the manifest of the copy, and the bytes of each of its files, by path in it."""

    manifest: CascadeManifest
    files: dict[str, int]

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(self.files.values())


def pack_cascade(cascade: Path, out: Path, *, cache: FeatureCache, limit: int = LIMIT) -> Packed:
    """Write a copy of `cascade` for distribution into the new folder `out`, which is whole or absent.

    Raises `ConfigError` if `out` is there already, if it would have more than `limit` bytes, or if a run reads with
    what is neither part of crossgraph nor of the cascade; `ModelError` for a cascade that cannot be loaded.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already. Give a new folder, or remove it first.")
    CascadeModel(cascade, cache=cache)  # refuses parts that were changed or are not whole
    manifest = CascadeManifest.read(cascade)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    packer = _Packer(draft)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Part] = {}
        for role in ORDER:
            if isinstance(part := manifest.parts()[role], Part):
                fingerprint = packer.pack(cascade / role, draft / role)
                parts[role] = part.model_copy(update={"fingerprint": fingerprint, "source": Path(part.source).name})
        if isinstance(manifest.codes, Learned):
            shutil.copytree(cascade / "codes", draft / "codes")
        manifest = manifest.model_copy(update=parts)
        _require_no_paths(manifest.model_dump(mode="json"), "cascade.json")
        manifest.write(draft)
        CascadeModel(draft, cache=cache)
        packed = Packed(manifest, _sizes(draft))
        if packed.bytes > limit:
            largest = sorted(packed.files, key=lambda name: -packed.files[name])[:3]
            raise ConfigError(
                f"the copy would have {packed.bytes / 1e6:.1f} MB, more than the limit of {limit / 1e6:g}; the largest "
                f"files: {', '.join(f'{name} {packed.files[name] / 1e6:.1f} MB' for name in largest)}. Leave out a "
                "stage, train fewer weights, or raise --limit."
            )
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return packed


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels of single precision in half precision, where their values can be written so.

    Whole numbers and truth values stay as they are, and so do vectors: scales, offsets and statistics are few.
    """
    return {name: tensor.half() if _can_be_halved(tensor) else tensor for name, tensor in tensors.items()}


def _can_be_halved(tensor: Tensor) -> bool:
    return (
        tensor.dtype == torch.float32
        and tensor.ndim > 1
        and bool((tensor.abs() <= torch.finfo(torch.float16).max).all())  # not true of nan, which stays as it is
    )


class _Packer:
    """Packs runs into one folder; each is known by the fingerprint of its weights before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: dict[str, Path] = {}

    def pack(self, run: Path, to: Path) -> str:
        """Write the copy of one run, with its shortlist; the fingerprint of the copy's weights."""
        manifest = read_manifest(run)
        before = own_weights(run, manifest)
        shortlist = None
        if (run / SHORTLIST).is_dir():
            shortlist = self.pack(run / SHORTLIST, to / SHORTLIST)
        elif manifest.shortlist in self.places:
            shortlist = weights_fingerprint(self.places[manifest.shortlist])
        places, texts = self._places(run, manifest, to), self._texts(run, manifest, to)
        tensors, facts = read_tensors(run / WEIGHTS)
        _require_no_paths(facts, f"{to.relative_to(self.root)}/{WEIGHTS}")
        write_tensors(to / WEIGHTS, halved(tensors), facts)
        self.places[before] = to
        packed = _without_place(manifest).model_copy(
            update={
                "places": places,
                "text_encoder": texts,
                "weights": weights_fingerprint(to),
                "shortlist": shortlist or manifest.shortlist,
            }
        )
        if places:
            images = packed.config.images.model_copy(update={"encoder": places[IMAGES].from_run})
            packed = packed.model_copy(update={"config": packed.config.model_copy(update={"images": images})})
        write_manifest(to, packed)
        if packed.config.texts.trainable:
            packed = packed.model_copy(update={"text_encoder": tuned_texts(to, packed)})
            write_manifest(to, packed)
        if places or packed.config.images.trainable:
            packed = packed.model_copy(update={"image_encoder": _encoder_fingerprint(to, packed)})
            write_manifest(to, packed)
        told = packed.model_dump(mode="json", exclude={"text_encoder": {"words"}, "labels": True})
        _require_no_paths(told, f"{to.relative_to(self.root)}/{MANIFEST}")
        return run_fingerprint(to)

    def _texts(self, run: Path, manifest: RunManifest, to: Path) -> dict[str, Any]:
        """The sentence encoder as the copy names it; languages that were taught are copied once for all runs."""
        folder = languages_folder(run, manifest)
        if folder is None:
            return manifest.text_encoder
        own = self.root / LANGUAGES
        if not own.exists():
            shutil.copytree(folder, own)
        return {**manifest.text_encoder, "folder": os.path.relpath(own, to)}

    def _places(self, run: Path, manifest: RunManifest, to: Path) -> dict[str, Place]:
        """Where the copy finds what it reads with. Raises `ConfigError` for what no copy can have."""
        texts, images = manifest.text_encoder.get("name"), manifest.config.images
        if manifest.config.images.regions is not None:
            raise _not_our_own(run, "boxes", str(images.regions))
        if manifest.given is not None:
            raise _not_our_own(run, "features", str(manifest.given["kind"]))
        if texts is not None and texts not in BUILT_IN["text encoder"]:
            raise _not_our_own(run, "sentences", str(texts))
        if images.encoder in BUILT_IN["image encoder"]:
            return {}
        network = Path(located(run, manifest, IMAGES, name=images.encoder))
        if not is_run(network):
            raise _not_our_own(run, "pictures", images.encoder)
        known = self.places.get(weights_fingerprint(network))
        if known is None:
            known = to / "images"
            self.pack(network, known)
        return {IMAGES: Place(path=BESIDE, from_run=os.path.relpath(known, to))}


def _not_our_own(run: Path, what: str, name: str) -> ConfigError:
    return ConfigError(
        f"{run} reads {what} with {name}, which is not part of crossgraph, so that no copy could be read elsewhere. "
        "Train it with an encoder that comes with crossgraph, or with the network of a run."
    )


def _without_place(manifest: RunManifest) -> RunManifest:
    """A manifest without what it says of the machine and the moment."""
    name = Path(manifest.data.name).name
    data = manifest.data.model_copy(update={"name": name, "skipped": ()})
    return manifest.model_copy(
        update={"data": data, "environment": {}, "started": manifest.started[: len("2000-01-01")]}
    )


def _encoder_fingerprint(run: Path, manifest: RunManifest) -> str:
    """Of the network that the run trained, or another run for it, as its weights in half precision make it."""
    if manifest.config.images.trainable:
        return TrainedModel(run, cache=FeatureCache(run)).image_encoder.fingerprint
    return build_encoder(located_images(run, manifest, manifest.config.images), "cpu", False).fingerprint


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _require_no_paths(tree: Any, where: str) -> None:
    """Raise `ModelError` if a text in `tree` is a whole path: it would say where somebody kept things."""
    for text in _texts(tree):
        if len(text) > 1 and (text.startswith("~/") or os.path.isabs(text)):
            raise ModelError(f"{where} of the copy would hold the path {text!r}; this is a fault of crossgraph.")


def _texts(tree: Any) -> Iterator[str]:
    match tree:
        case str():
            yield tree
        case dict():
            for name, value in tree.items():
                yield from (*_texts(name), *_texts(value))
        case list() | tuple():
            for value in tree:
                yield from _texts(value)
