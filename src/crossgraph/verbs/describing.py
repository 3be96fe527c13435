"""What a model is, read from its manifests: its stages, what they read with, the writing and languages it knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.encoders.names import model_folder, model_reference, packaged_model
from crossgraph.encoders.text import described_languages
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Learned, Part, Planes, is_cascade
from crossgraph.training.checkpoint import RunManifest, read_manifest, run_fingerprint

CARD = "README.md"
LANGUAGES = re.compile(r"^## Languages\s+(.+?)(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class StageFacts:
    """One stage: `role` is codes, dense or rerank, or `run` of a run alone."""

    role: str
    method: str
    images: str
    texts: str
    parameters: int
    trained_on: str
    fingerprint: str


@dataclass(frozen=True)
class ModelFacts:
    """What a model is; `writing` has the share of the training captions with letters of each script.

    `languages` is what its card says of them, else their ISO codes, where its encoders tell.
    """

    name: str
    folder: Path
    fingerprint: str
    bytes: int
    stages: tuple[StageFacts, ...]
    calibrated_for: tuple[str, ...]
    writing: dict[str, float]
    languages: str | None
    card: Path | None


def model_facts(model: Path | str = DEFAULT_MODEL) -> ModelFacts:
    """What the model that comes with crossgraph is, or any run or cascade; nothing is loaded.

    Raises `ModelError` where it is not there, or is no run or cascade.
    """
    folder = model_folder(model)
    if is_cascade(folder):
        manifest = CascadeManifest.read(folder)
        stages = tuple(
            _stage(role, folder / role) if isinstance(part, Part) else _planes(part)
            for role, part in manifest.parts().items()
            if part is not None
        )
        runs = [read_manifest(folder / role) for role, part in manifest.parts().items() if isinstance(part, Part)]
        fingerprint, calibration = manifest.fingerprint, manifest.calibration
    else:
        runs = [read_manifest(folder)]
        stages = (_stage("run", folder),)
        fingerprint, calibration = run_fingerprint(folder), runs[0].calibration
    card = _card(folder)
    return ModelFacts(
        name=model_reference(folder),
        folder=folder,
        fingerprint=fingerprint,
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        stages=stages,
        calibrated_for=tuple(calibration),
        writing=runs[-1].data.scripts,
        languages=(None if card is None else _languages(card))
        or ", ".join(dict.fromkeys(code for run in runs for code in described_languages(run.text_encoder)))
        or None,
        card=card,
    )


def _stage(role: str, run: Path) -> StageFacts:
    manifest = read_manifest(run)
    data = manifest.data
    return StageFacts(
        role=role,
        method=manifest.config.method,
        images=_images(manifest),
        texts=_texts(manifest),
        parameters=manifest.parameters,
        trained_on=f"{data.name}: {data.train_images:,} pictures, {data.train_captions:,} captions",
        fingerprint=run_fingerprint(run),
    )


def _images(manifest: RunManifest) -> str:
    images = manifest.config.images
    return f"{images.encoder}{', trained further' if images.trainable else ''}"


def _texts(manifest: RunManifest) -> str:
    texts = manifest.text_encoder
    name = str(texts.get("name") or f"{len(texts.get('words', ())):,} words")
    return f"{name}{', trained further' if manifest.config.texts.trainable else ''}"


def _planes(planes: Planes | Learned) -> StageFacts:
    if isinstance(planes, Learned):
        what, of = "learned planes", f"{planes.data}: {planes.images:,} pictures, {planes.captions:,} captions"
    else:
        what, of = "random planes", ""
    return StageFacts("codes", f"{planes.bits} {what}", "", "", 0, of, planes.fingerprint)


def _card(folder: Path) -> Path | None:
    """The card in the folder of a model, or beside that of one that comes with crossgraph."""
    places = [folder, *([folder.parent] if packaged_model(model_reference(folder)) is not None else [])]
    return next((place / CARD for place in places if (place / CARD).is_file()), None)


def _languages(card: Path) -> str | None:
    found = LANGUAGES.search(card.read_text(encoding="utf-8"))
    return None if found is None else " ".join(found.group(1).split())
