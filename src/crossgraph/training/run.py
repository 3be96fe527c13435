"""One training run from corpus to manifest: gather the material, build the method, train, choose the blend."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float

from crossgraph.config import RunConfig, validated
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.text_features import extract_text_features
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.given import GivenImageEncoder
from crossgraph.encoders.image import ImageEncoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.errors import ConfigError, DataError, ModelError
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.layers.pooling import masked_mean
from crossgraph.methods.catalogue import build_method, method_type
from crossgraph.methods.contract import InputSizes, TrainingSet
from crossgraph.progress import Progress
from crossgraph.training.checkpoint import (
    LAST,
    MANIFEST,
    WEIGHTS,
    environment,
    read_manifest,
    weights_fingerprint,
    write_manifest,
)
from crossgraph.training.dataset import Dataset, gather_dataset
from crossgraph.training.held_out import training_parts, training_split
from crossgraph.training.labels import derive_labels, describe_labels
from crossgraph.training.loop import Trainer, shrunk
from crossgraph.training.model import SHORTLIST, TrainedModel, build_encoder
from crossgraph.training.negative_sampler import NegativeSampler
from crossgraph.training.neighbours import find_neighbours
from crossgraph.training.places import copy_manifest, places_of, regions_digest, run_identity
from crossgraph.training.validation import Validation
from crossgraph.words import Vocabulary


def train_run(
    corpus: Corpus,
    config: RunConfig,
    out: Path,
    *,
    shortlist: Path | None,
    resume: bool,
    cache: FeatureCache,
    progress: Progress,
    device: str,
) -> TrainedModel:
    """Train on `corpus` into the folder `out`, which afterwards holds all that the loaded run needs."""
    validated(method_type(config.method).config_type, config.model, section="model")  # before any work is put in
    derives = config.labels.source == "concepts"
    if method_type(config.method).reads_labels and corpus.labels is None and not derives:
        raise DataError(
            f"{config.method} learns from labels, and corpus {corpus.name!r} has none; give one that has, or derive "
            "concept labels from its captions with labels.source=concepts."
        )
    _require_place(out, resume=resume)
    source, vocabulary = corpus, None
    if derives:
        split = training_split(corpus)
        corpus, vocabulary = derive_labels(corpus, config.labels, training_split=split, cache=cache, progress=progress)
    helper = _shortlist_of(out, shortlist, resume=resume, cache=cache, device=device)
    trained_on, selected_on, selection = training_parts(corpus, config)
    text_encoder, image_encoder = encoders_for(config, corpus, trained_on.captions, device=device)
    parser = CaptionParser() if method_type(config.method).reads_graphs else None
    gather = partial(
        gather_dataset,
        image_encoder=image_encoder,
        text_encoder=text_encoder,
        cache=cache,
        parser=parser,
        progress=progress,
    )
    dataset = gather(trained_on, mirror=config.images.mirror)
    held_out = gather(selected_on, mirror=False)
    validation = Validation(
        held_out,
        config.training.validation_shortlist,
        _first_stage(helper, held_out),
        device=device,
        by=config.training.select_by,
    )
    config = config.model_copy(update={"training": shrunk(config.training, captions=len(dataset.corpus.captions))})
    known = training_set(dataset, text_encoder) if method_type(config.method).reads_labels else None
    manifest = _manifest(config, source, dataset, held_out, image_encoder, text_encoder, helper, known)
    manifest["data"]["validation_split"] = selection
    manifest |= {"places": places_of(out, config), "regions": regions_digest(config)}
    if vocabulary is not None or method_type(config.method).reads_labels:
        manifest["labels"] = describe_labels(corpus, vocabulary)
    if parser is not None:
        manifest["parser"] = parser.fingerprint
    torch.manual_seed(config.training.seed)
    method = build_method(config.method, config.model, InputSizes.model_validate(manifest["sizes"]))
    if known is not None:
        method.learn(known)
    manifest["parameters"] = sum(parameter.numel() for parameter in method.parameters())
    trainer = Trainer(
        method,
        config,
        run=out,
        dataset=dataset,
        validation=validation,
        neighbours=_neighbours_of(helper, dataset, count=config.training.neighbours),
        negative_sampler=NegativeSampler(
            dataset,
            method.edits,
            partial(extract_text_features, encoder=text_encoder, cache=cache, parser=parser, progress=progress),
            seed=config.training.seed,
            progress=progress,
        )
        if method.edits
        else None,
        fingerprint=run_identity(manifest),
        progress=progress,
        device=device,
    )
    if resume and (out / LAST).exists():
        trainer.restore()
        manifest |= {key: read_manifest(out)[key] for key in ("started", "environment")}
    else:
        _keep_shortlist(helper, out)
        manifest |= {"started": datetime.now(UTC).isoformat(timespec="seconds"), "environment": environment()}
        write_manifest(out, manifest)
    manifest |= {"selected": trainer.train(), "weights": weights_fingerprint(out)}
    write_manifest(out, manifest)
    model = TrainedModel(out, cache=cache, device=device, image_encoder=image_encoder)
    rsums = trainer.validation.blends(model.method, progress=progress)
    if not rsums:
        return model
    blend = {"chosen": max(rsums, key=lambda share: rsums[share]), "validation_rsum": rsums}
    progress.note("blend", **blend)
    write_manifest(out, {**manifest, "blend": blend})
    return TrainedModel(out, cache=cache, device=device, image_encoder=image_encoder)


def encoders_for(
    config: RunConfig, corpus: Corpus, captions: Sequence[str], *, device: str
) -> tuple[TextEncoder, ImageEncoder]:
    """The encoders that the settings name, or what stands for them where the corpus has given features."""
    if corpus.features is None:
        return text_encoder_for(config, captions, device=device), build_encoder(config.images, device)
    if method_type(config.method).reads_graphs:
        raise DataError(
            f"{config.method} reads scene graphs of captions, and corpus {corpus.name!r} has given features and no "
            "captions; choose a method that reads none (crossgraph methods list)."
        )
    if config.images.mirror:
        raise ConfigError(
            f"corpus {corpus.name!r} has given features, which cannot be mirrored; set images.mirror=false."
        )
    given = corpus.features.describe()
    text_encoder = build_text_encoder({"kind": "given", "of": given["kind"], "width": given["text_width"]})
    return text_encoder, GivenImageEncoder(given)


def text_encoder_for(config: RunConfig, captions: Sequence[str], *, device: str = "cpu") -> TextEncoder:
    """The sentence encoder that the settings name; `words` builds its vocabulary from the training captions."""
    texts = config.texts
    if texts.encoder == "words":
        vocabulary = Vocabulary.build(captions, min_count=texts.min_count)
        return build_text_encoder({"kind": "vocabulary", "words": vocabulary.words, "max_words": texts.max_words})
    return build_text_encoder(
        {"kind": "transformer", "name": texts.encoder, "max_words": texts.max_words}, device=device
    )


def training_set(dataset: Dataset, text_encoder: TextEncoder) -> TrainingSet:
    """What is known of all training pictures of a corpus with labels."""
    corpus = dataset.corpus
    assert corpus.labels is not None, "checked before any work was put in"
    return TrainingSet(
        torch.from_numpy(corpus.labels.copy()),
        corpus.label_names,
        label_vectors(corpus.label_names, text_encoder),
        corpus.captions if text_encoder.reads_sentences else (),
        dataset.caption_image(),
        partial(caption_vectors, dataset),
    )


def caption_vectors(dataset: Dataset, *, block: int = 2048) -> Float[torch.Tensor, "m w"] | None:
    """The mean frozen word state of each training caption; none where words have no frozen states."""
    if not dataset.texts.state_width:
        return None
    blocks = [
        dataset.texts.rows(range(i, min(i + block, len(dataset.texts)))) for i in range(0, len(dataset.texts), block)
    ]
    return torch.cat([masked_mean(block.states, block.mask) for block in blocks if block.states is not None])


def label_vectors(names: Sequence[str], text_encoder: TextEncoder) -> Float[torch.Tensor, "c w"]:
    """A vector for each label: the mean state of the words of its name; one-hot where no frozen states can be had."""
    if not text_encoder.state_width or not text_encoder.reads_sentences:
        return torch.eye(len(names))
    texts = text_encoder.encode([name.replace("_", " ").replace("-", " ") for name in names])
    states = [text.states for text in texts if text.states is not None]
    return torch.stack([torch.from_numpy(one.astype("float32")).mean(dim=0) for one in states])


def _require_place(out: Path, *, resume: bool) -> None:
    """A new run needs a folder without one, a resumed run a folder with one."""
    if not resume and (out / MANIFEST).exists():
        raise ModelError(f"{out} holds a run already; continue it with --resume, or train into another folder.")
    if resume and not (out / MANIFEST).exists():
        raise ModelError(f"{out} holds no run to resume; train without --resume first.")


def _manifest(
    config: RunConfig,
    corpus: Corpus,
    dataset: Dataset,
    held_out: Dataset,
    image_encoder: ImageEncoder,
    text_encoder: TextEncoder,
    helper: TrainedModel | None,
    known: TrainingSet | None,
) -> dict[str, Any]:
    """What decides the outcome of a run: a run may be resumed only where all of this is the same.

    `corpus` is the whole corpus as it was given, before labels were derived.
    """
    sizes = InputSizes(
        part_width=image_encoder.part_width,
        whole_width=image_encoder.whole_width,
        vocabulary=text_encoder.vocabulary_size,
        state_width=text_encoder.state_width,
        text_whole_width=text_encoder.whole_width,
        labels=0 if known is None else len(known.label_names),
        label_width=0 if known is None else known.label_vectors.shape[1],
    )
    skipped = dict.fromkeys((*dataset.corpus.skipped, *held_out.corpus.skipped))
    return {
        "config": config.model_dump(mode="json"),
        "sizes": sizes.model_dump(),
        "image_encoder": image_encoder.fingerprint,
        "text_encoder": text_encoder.describe(),
        "data": {
            "name": corpus.name,
            "fingerprint": corpus.fingerprint(),
            "train_images": len(dataset.corpus),
            "train_captions": len(dataset.corpus.captions),
            "skipped": [[str(entry.path), entry.reason] for entry in skipped],
        },
        "shortlist": None if helper is None else helper.fingerprint,
        **({} if corpus.features is None else {"given": corpus.features.describe()}),
    }


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
    shutil.copy2(helper.run / WEIGHTS, copy / WEIGHTS)
    copy_manifest(helper.run, copy)


def _first_stage(helper: TrainedModel | None, dataset: Dataset) -> torch.Tensor | None:
    if helper is None:
        return None
    images = helper.encode_corpus_images(dataset.corpus).encoded
    return images.embedding @ helper.encode_corpus_texts(dataset.corpus).embedding.T


def _neighbours_of(helper: TrainedModel | None, dataset: Dataset, *, count: int) -> torch.Tensor | None:
    """Look-alikes of every training picture, by the shortlist model."""
    if count == 0:
        return None
    if helper is None:
        raise ConfigError(
            f"training.neighbours={count} needs a trained dual encoder to find look-alikes; give it with "
            "--shortlist RUN, or set training.neighbours=0."
        )
    images = helper.encode_corpus_images(dataset.corpus).encoded
    texts = helper.encode_corpus_texts(dataset.corpus)
    return find_neighbours(images, texts, dataset.caption_image(), count=count)
