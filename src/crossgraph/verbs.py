"""The verbs of the command line as functions: train, evaluate, index, search, explain."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from crossgraph.config import RunConfig, validated
from crossgraph.data.corpus import Corpus
from crossgraph.data.features import FeatureCache
from crossgraph.data.images import read_image
from crossgraph.data.sources import open_corpus
from crossgraph.data.text import Vocabulary
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.errors import ConfigError, GalleryError, ModelError
from crossgraph.evaluation.ranking import score_corpus
from crossgraph.evaluation.report import EvaluationReport, evaluate_scores, over_seeds
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.gallery.cascade import SearchResults
from crossgraph.gallery.explain import draw_alignment
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.indexing import IndexReport
from crossgraph.methods.catalogue import build_method, method_type
from crossgraph.methods.contract import InputSizes
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import (
    LAST,
    MANIFEST,
    WEIGHTS,
    environment,
    read_manifest,
    weights_fingerprint,
    write_manifest,
)
from crossgraph.training.loop import Trainer, shrunk
from crossgraph.training.material import Material, gather_material
from crossgraph.training.memory import keep_freed_memory
from crossgraph.training.model import SHORTLIST, TrainedModel, build_encoder
from crossgraph.training.neighbours import find_neighbours
from crossgraph.training.validation import Validation
from crossgraph.types import Alignment, Encoded

TRAIN_SPLITS = ("train", "all")


def default_cache() -> FeatureCache:
    """The feature cache of this user: under $CROSSGRAPH_CACHE, by default ~/.cache/crossgraph."""
    root = os.environ.get("CROSSGRAPH_CACHE")
    return FeatureCache((Path(root) if root else Path.home() / ".cache" / "crossgraph") / "features")


def load_model(run: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu") -> TrainedModel:
    """A trained run, ready to encode and score. Raises `ModelError` when `run` is not one."""
    return TrainedModel(Path(run), cache=cache or default_cache(), device=device)


def train(
    data: Corpus | Path | str,
    config: RunConfig,
    out: Path | str,
    *,
    shortlist: Path | str | None = None,
    resume: bool = False,
    cache: FeatureCache | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> TrainedModel:
    """Train `config.method` on the train split of `data` into the run folder `out` and load the selected weights.

    `shortlist` is a trained dual encoder: it finds the candidates of a re-ranker in training (`training.neighbours`),
    validation and search, and is copied into the run. With `resume` the run continues where it was saved; without,
    an existing run is never written over. Raises `ConfigError`, `DataError` or `ModelError`.
    """
    keep_freed_memory()
    out, cache = Path(out), cache or default_cache()
    validated(method_type(config.method).config_type, config.model, section="model")  # before any work is put in
    corpus = open_corpus(data) if isinstance(data, (Path, str)) else data
    if not resume and (out / MANIFEST).exists():
        raise ModelError(f"{out} holds a run already; continue it with --resume, or train into another folder.")
    if resume and not (out / MANIFEST).exists():
        raise ModelError(f"{out} holds no run to resume; train without --resume first.")
    helper = _shortlist_of(out, shortlist, resume=resume, cache=cache, device=device)
    split = next((name for name in TRAIN_SPLITS if name in corpus.splits), None)
    if split is None:
        raise ConfigError(f"corpus {corpus.name!r} has no train split, only {', '.join(corpus.splits)}.")
    training_corpus = corpus.split(split)
    validation_corpus = corpus.split(config.training.validation_split if split == "train" else split)
    text_encoder = text_encoder_for(config, training_corpus.captions, device=device)
    image_encoder = build_encoder(config.images, device)
    gather = partial(
        gather_material, image_encoder=image_encoder, text_encoder=text_encoder, cache=cache, progress=progress
    )
    material = gather(training_corpus, mirror=config.images.mirror)
    held_out = gather(validation_corpus, mirror=False)
    sizes = InputSizes(
        part_width=image_encoder.part_width,
        whole_width=image_encoder.whole_width,
        vocabulary=text_encoder.vocabulary_size,
        state_width=text_encoder.state_width,
    )
    config = config.model_copy(update={"training": shrunk(config.training, captions=len(material.corpus.captions))})
    torch.manual_seed(config.training.seed)
    method = build_method(config.method, config.model, sizes)
    skipped = dict.fromkeys((*material.corpus.skipped, *held_out.corpus.skipped))
    manifest: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "sizes": sizes.model_dump(),
        "image_encoder": image_encoder.fingerprint,
        "text_encoder": text_encoder.describe(),
        "data": {
            "name": corpus.name,
            "fingerprint": corpus.fingerprint(),
            "train_images": len(material.corpus),
            "train_captions": len(material.corpus.captions),
            "validation_split": config.training.validation_split if split == "train" else split,
            "skipped": [[str(entry.path), entry.reason] for entry in skipped],
        },
        "shortlist": None if helper is None else helper.fingerprint,
        "parameters": sum(parameter.numel() for parameter in method.parameters()),
    }
    fingerprint = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    trainer = Trainer(
        method,
        config,
        run=out,
        material=material,
        validation=Validation(
            held_out,
            config.training.validation_shortlist,
            _first_stage(helper, held_out),
            blend=config.training.blend,
            device=device,
        ),
        neighbours=_neighbours_of(helper, material, count=config.training.neighbours),
        fingerprint=fingerprint,
        progress=progress,
        device=device,
    )
    started: dict[str, Any] = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "environment": environment()}
    if resume and (out / LAST).exists():
        trainer.restore()
    else:
        _keep_shortlist(helper, out)
        write_manifest(out, {**manifest, **started})
    selected = trainer.train()
    begun = {key: read_manifest(out)[key] for key in started}
    write_manifest(out, {**manifest, **begun, "selected": selected, "weights": weights_fingerprint(out)})
    return TrainedModel(out, cache=cache, device=device, image_encoder=image_encoder)


def text_encoder_for(config: RunConfig, captions: Sequence[str], *, device: str = "cpu") -> TextEncoder:
    """The sentence encoder that the settings name; `words` builds its vocabulary from the training captions."""
    texts = config.texts
    if texts.encoder == "words":
        vocabulary = Vocabulary.build(captions, min_count=texts.min_count)
        return build_text_encoder({"kind": "vocabulary", "words": vocabulary.words, "max_words": texts.max_words})
    return build_text_encoder(
        {"kind": "transformer", "name": texts.encoder, "max_words": texts.max_words}, device=device
    )


def evaluate(
    model: TrainedModel | Path | str,
    data: Corpus | Path | str,
    *,
    split: str = "val",
    two_stage_k: int | None = None,
    blend: float | None = None,
    progress: Progress = Silent(),
) -> EvaluationReport:
    """Retrieval metrics of a model on one split: every pair scored, or only shortlists of `two_stage_k` candidates.

    A shortlist is ordered by fine score + `blend` x shortlist score, by default the run's own `training.blend`.
    Raises `DataError` for an unknown split, `ConfigError` for a shortlist asked of a method that does not re-rank.
    """
    keep_freed_memory()
    model = model if isinstance(model, TrainedModel) else load_model(model)
    corpus = (open_corpus(data) if isinstance(data, (Path, str)) else data).split(split)
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    texts = model.encode_sentences(corpus.captions, progress=progress)
    seed = model.config.training.seed
    if two_stage_k is None:
        scores = score_corpus(model.method, images, texts, progress=progress)
        return evaluate_scores(scores, corpus, split=split, seed=seed)
    if not model.method.reranks:
        raise ConfigError(
            f"{model.config.method} has one score for every pair and nothing to re-rank with; evaluate it without "
            "--two-stage, or give a run of a re-ranking method."
        )
    first = shortlist_scores(model, corpus, images, texts, progress=progress)
    ranked = two_stage(
        model.method,
        images,
        texts,
        shortlist_scores=first,
        k=two_stage_k,
        blend=model.blend if blend is None else blend,
        progress=progress,
    )
    return evaluate_scores(ranked, corpus, split=split, seed=seed)


def evaluate_seeds(
    runs: Sequence[TrainedModel | Path | str],
    data: Corpus | Path | str,
    *,
    split: str = "val",
    two_stage_k: int | None = None,
    blend: float | None = None,
    progress: Progress = Silent(),
) -> EvaluationReport:
    """One report of several runs of one recipe: mean and deviation over their seeds.

    Raises `ConfigError` when two of them have the same weights: that deviation would mean nothing.
    """
    corpus = open_corpus(data) if isinstance(data, (Path, str)) else data
    models = [run if isinstance(run, TrainedModel) else load_model(run) for run in runs]
    if len({model.fingerprint for model in models}) < len(models):
        raise ConfigError(
            f"two of {', '.join(str(model.run) for model in models)} have the same weights; give every run once."
        )
    return over_seeds(
        [
            evaluate(model, corpus, split=split, two_stage_k=two_stage_k, blend=blend, progress=progress)
            for model in models
        ]
    )


def encode_corpus_images(
    model: TrainedModel, corpus: Corpus, *, progress: Progress = Silent()
) -> tuple[Encoded, Corpus]:
    """Encoded pictures, and the corpus less those that could not be read."""
    pictures = model.encode_pictures(corpus.image_paths, progress=progress)
    return pictures.encoded, corpus.without(list(pictures.skipped)) if pictures.skipped else corpus


def shortlist_scores(
    model: TrainedModel, corpus: Corpus, images: Encoded, texts: Encoded, *, progress: Progress = Silent()
) -> torch.Tensor:
    """What the first stage of `model` scores: its shortlist's cosine, or its own embedding's."""
    if model.shortlist is not None:
        images = model.shortlist.encode_pictures(corpus.image_paths, progress=progress).encoded
        texts = model.shortlist.encode_sentences(corpus.captions, progress=progress)
    return images.embedding @ texts.embedding.T


def index(
    source: Corpus | Path | str,
    gallery: Path | str,
    *,
    model: TrainedModel | Path | str | None = None,
    progress: Progress = Silent(),
) -> IndexReport:
    """Add a folder's pictures to a gallery, which is made if need be; a second run adds what is new or changed.

    A new gallery needs a `model`; an existing one remembers its own.
    """
    if Gallery.exists(gallery):
        return open_gallery(gallery, model=model).index(source, progress=progress)
    if model is None:
        raise GalleryError(f"{gallery} is a new gallery; name the trained run to encode with (--model RUN).")
    loaded = model if isinstance(model, TrainedModel) else load_model(model)
    return Gallery.create(gallery, loaded, run=str(loaded.run.resolve())).index(source, progress=progress)


def open_gallery(
    gallery: Path | str, *, model: TrainedModel | Path | str | None = None, device: str = "cpu"
) -> Gallery:
    """A gallery with the model it was made with; give `model` when the run has moved."""
    if model is None:
        run = Gallery.open(gallery).manifest.run
        if run is None or not (Path(run) / MANIFEST).exists():
            raise GalleryError(f"the run that made {gallery} ({run}) is gone; say where it is with --model RUN.")
        model = run
    return Gallery.open(gallery, model if isinstance(model, TrainedModel) else load_model(model, device=device))


def search(query: str | Path, gallery: Gallery | Path | str, *, k: int = 10, shortlist: int = 100) -> SearchResults:
    """The best `k` pictures for a sentence, or for a picture given as a path."""
    opened = gallery if isinstance(gallery, Gallery) else open_gallery(gallery)
    return opened.search(query, k=k, shortlist=shortlist)


def explain(sentence: str, image: Path | str, model: TrainedModel | Path | str) -> tuple[Alignment, Image.Image]:
    """Why a picture and a sentence match: the alignment, and the picture with it drawn over."""
    loaded = model if isinstance(model, TrainedModel) else load_model(model)
    alignment = loaded.explain(sentence, Path(image))
    return alignment, draw_alignment(read_image(Path(image)), alignment)


def _shortlist_of(
    out: Path, given: Path | str | None, *, resume: bool, cache: FeatureCache, device: str
) -> TrainedModel | None:
    """The shortlist model: the one given, or the run's own copy when it is resumed."""
    if resume:
        given = out / SHORTLIST if (out / SHORTLIST).exists() else None
    return None if given is None else TrainedModel(Path(given), cache=cache, device=device)


def _keep_shortlist(helper: TrainedModel | None, out: Path) -> None:
    """Copy the shortlist model into the run, which then needs nothing beside itself."""
    copy = out / SHORTLIST
    if helper is None or helper.run.resolve() == copy.resolve():
        return
    copy.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, MANIFEST):
        shutil.copy2(helper.run / name, copy / name)


def _first_stage(helper: TrainedModel | None, material: Material) -> torch.Tensor | None:
    if helper is None:
        return None
    images = helper.encode_pictures(material.corpus.image_paths).encoded
    return images.embedding @ helper.encode_sentences(material.corpus.captions).embedding.T


def _neighbours_of(helper: TrainedModel | None, material: Material, *, count: int) -> torch.Tensor | None:
    """Look-alikes of every training picture, by the shortlist model."""
    if count == 0:
        return None
    if helper is None:
        raise ConfigError(
            f"training.neighbours={count} needs a trained dual encoder to find look-alikes; give it with "
            "--shortlist RUN, or set training.neighbours=0."
        )
    images = helper.encode_pictures(material.corpus.image_paths).encoded
    texts = helper.encode_sentences(material.corpus.captions)
    return find_neighbours(images, texts, material.caption_image(), count=count)
