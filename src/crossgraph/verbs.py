"""The verbs of the command line as functions: train, evaluate, probe, index, sync, migrate, search, explain, ..."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, cache_root
from crossgraph.data.graphs.caption_graphs import parse_captions
from crossgraph.data.images import read_image
from crossgraph.data.sources import open_corpus
from crossgraph.errors import ConfigError, GalleryError
from crossgraph.evaluation.compositional_probe import ProbeResult, caption_editor, swap_accuracy
from crossgraph.evaluation.label_report import LabelReport, LabelRun, require_same_task
from crossgraph.evaluation.label_scores import code_facts, score_direction
from crossgraph.evaluation.label_search import LabelledItems
from crossgraph.evaluation.protocols import LabelProtocol, protocol_named
from crossgraph.evaluation.ranking import score_corpus, score_matched
from crossgraph.evaluation.report import EvaluationReport, evaluate_scores, over_seeds
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.gallery.calibration.fit import calibrate_model
from crossgraph.gallery.changes.sync import SyncReport
from crossgraph.gallery.explanations.code_match import explain_pair
from crossgraph.gallery.explanations.explain import draw_alignment
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.results import SearchResults, Stage
from crossgraph.gallery.search.score_calibration import Calibration
from crossgraph.gallery.stages.cascade_model import CascadeModel, is_cascade
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.upkeep.migrate import Migration
from crossgraph.gallery.upkeep.migrate import migrate as migrate_gallery
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import MANIFEST, read_manifest, write_manifest
from crossgraph.training.memory import keep_freed_memory
from crossgraph.training.model import TrainedModel
from crossgraph.training.run import train_run
from crossgraph.types import Alignment, Encoded


def default_cache() -> FeatureCache:
    """The feature cache of this user: under $CROSSGRAPH_CACHE, by default ~/.cache/crossgraph."""
    return FeatureCache(cache_root() / "features")


def load_model(run: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu") -> TrainedModel:
    """A trained run, ready to encode and score. Raises `ModelError` when `run` is not one."""
    return TrainedModel(Path(run), cache=cache or default_cache(), device=device)


def load_search_model(
    folder: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu"
) -> TrainedModel | CascadeModel:
    """A trained run or a cascade of them, ready to encode and search. Raises `ModelError` when `folder` is neither."""
    if is_cascade(Path(folder)):
        return CascadeModel(Path(folder), cache=cache or default_cache(), device=device)
    return load_model(folder, cache=cache, device=device)


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
    return train_run(
        open_corpus(data) if isinstance(data, (Path, str)) else data,
        config,
        Path(out),
        shortlist=None if shortlist is None else Path(shortlist),
        resume=resume,
        cache=cache or default_cache(),
        progress=progress,
        device=device,
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

    A shortlist is ordered by fine score + `blend` x shortlist score, by default the blend that the run chose.
    Raises `DataError` for an unknown split, `ConfigError` for a shortlist asked of a method that does not re-rank.
    """
    keep_freed_memory()
    model = model if isinstance(model, TrainedModel) else load_model(model)
    corpus = (open_corpus(data) if isinstance(data, (Path, str)) else data).split(split)
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    texts = model.encode_corpus_texts(corpus, progress=progress)
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
    return over_seeds(
        [
            evaluate(model, corpus, split=split, two_stage_k=two_stage_k, blend=blend, progress=progress)
            for model in _distinct(runs)
        ]
    )


def evaluate_by_labels(
    runs: Sequence[TrainedModel | Path | str],
    data: Corpus | Path | str,
    protocol: LabelProtocol | str = "train-database",
    *,
    progress: Progress = Silent(),
) -> LabelReport:
    """Label retrieval of one or more runs of one recipe, both ways, under one protocol.

    Raises `ConfigError` for a run whose epoch was selected on the queries, unless the protocol allows it, or that was
    trained on another drawing of the corpus; `DataError` for a corpus without labels or without the splits asked for.
    """
    keep_freed_memory()
    chosen = protocol_named(protocol) if isinstance(protocol, str) else protocol
    corpus = chosen.drawn(open_corpus(data) if isinstance(data, (Path, str)) else data)
    models = _distinct(runs)
    for model in models:
        _refuse_tainted(model, corpus, chosen)
    found = tuple(
        _label_run(model, chosen.needed(model.with_labels(corpus, progress=progress)), chosen, progress)
        for model in models
    )
    require_same_task(found)
    return LabelReport(corpus.name, chosen, found)


def _label_run(model: TrainedModel, corpus: Corpus, protocol: LabelProtocol, progress: Progress) -> LabelRun:
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    items = protocol.text_items(corpus)
    texts, image = model.encode_corpus_texts(items, progress=progress), items.caption_image
    assert corpus.labels is not None  # the protocol refuses a corpus without
    pictures = LabelledItems(images, corpus.labels, np.arange(len(corpus)))
    captions = LabelledItems(texts, corpus.labels[image], image)
    asks, searched = protocol.asks(corpus), protocol.searched(corpus)
    facts = (code_facts(images), code_facts(texts))
    return LabelRun(
        model.config.method,
        model.config.training.seed,
        score_direction(pictures.where(asks), captions.where(searched[image]), protocol),
        score_direction(captions.where(asks[image]), pictures.where(searched), protocol),
        None if facts[0] is None or facts[1] is None else (facts[0], facts[1]),
        f"{len(corpus.label_names)} {corpus.label_kind}",
        f"by {model.config.training.select_by} on {model.manifest['data']['validation_split']}",
    )


def _refuse_tainted(model: TrainedModel, corpus: Corpus, protocol: LabelProtocol) -> None:
    """Raise `ConfigError` when a run knows the queries: by selection, or because it was trained on another drawing."""
    data = model.manifest["data"]
    if protocol.selection == "apart" and data["validation_split"] == protocol.query_split:
        raise ConfigError(
            f"the epoch of {model.run} was selected on split {data['validation_split']!r}, which asks the queries of "
            f"protocol {protocol.name}; train with training.validation_slice=0.1, or vary selection=any and say so."
        )
    if protocol.queries == "drawn" and data["fingerprint"] != corpus.fingerprint():
        raise ConfigError(
            f"{model.run} was trained on other data than protocol {protocol.name} draws from {corpus.name!r}, so its "
            "queries may have been trained on; train on the same corpus with --protocol, and the same seed."
        )


def _distinct(runs: Sequence[TrainedModel | Path | str]) -> list[TrainedModel]:
    """The runs, loaded. Raises `ConfigError` when two have the same weights: their deviation would mean nothing."""
    models = [run if isinstance(run, TrainedModel) else load_model(run) for run in runs]
    if len({model.fingerprint for model in models}) < len(models):
        raise ConfigError(
            f"two of {', '.join(str(model.run) for model in models)} have the same weights; give every run once."
        )
    return models


def probe(
    model: TrainedModel | Path | str, data: Corpus | Path | str, *, split: str = "val", progress: Progress = Silent()
) -> ProbeResult:
    """How often a model scores a picture's caption above the same caption edited to be false, by kind of edit.

    Pairs are scored by the method alone: no shortlist, no blend. Raises `MissingExtraError` without the caption parser.
    """
    keep_freed_memory()
    model = model if isinstance(model, TrainedModel) else load_model(model)
    corpus = (open_corpus(data) if isinstance(data, (Path, str)) else data).split(split)
    if corpus.features is not None:
        raise ConfigError(f"corpus {corpus.name!r} has given features and no sentences that could be made false.")
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    graphs = parse_captions(corpus.captions, model.parser or CaptionParser(), model.cache, progress=progress)

    def score(rows: Sequence[int], sentences: Sequence[str]) -> torch.Tensor:
        places = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        texts = model.encode_raw_texts(list(places), progress=progress)
        spoken = texts[torch.tensor([places[sentence] for sentence in sentences])]
        return score_matched(model.method, images, spoken, torch.tensor(rows), progress=progress).cpu()

    return swap_accuracy(score, corpus, caption_editor(corpus, graphs), split=split)


def encode_corpus_images(
    model: TrainedModel, corpus: Corpus, *, progress: Progress = Silent()
) -> tuple[Encoded, Corpus]:
    """Encoded pictures, and the corpus less those that could not be read."""
    images = model.encode_corpus_images(corpus, progress=progress)
    return images.encoded, corpus.without(list(images.skipped)) if images.skipped else corpus


def shortlist_scores(
    model: TrainedModel, corpus: Corpus, images: Encoded, texts: Encoded, *, progress: Progress = Silent()
) -> torch.Tensor:
    """What the first stage of `model` scores: its shortlist's cosine, or its own embedding's."""
    if model.shortlist is not None:
        images = model.shortlist.encode_corpus_images(corpus, progress=progress).encoded
        texts = model.shortlist.encode_corpus_texts(corpus, progress=progress)
    return images.embedding @ texts.embedding.T


def index(
    source: Corpus | Path | str,
    gallery: Path | str,
    *,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    progress: Progress = Silent(),
) -> SyncReport:
    """Add a folder's pictures to a gallery, which is made if need be; a second run adds what is new or changed.

    A new gallery needs a `model`; an existing one remembers its own.
    """
    if Gallery.exists(gallery):
        return open_gallery(gallery, model=model).index(source, progress=progress)
    if model is None:
        raise GalleryError(f"{gallery} is a new gallery; name the trained run to encode with (--model RUN).")
    loaded = load_search_model(model) if isinstance(model, (Path, str)) else model
    return Gallery.create(gallery, loaded, run=str(loaded.run.resolve())).index(source, progress=progress)


def sync(
    gallery: Path | str,
    folders: Sequence[Path | str] = (),
    *,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    dry_run: bool = False,
    rehash: bool = False,
    allow_empty: bool = False,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> SyncReport:
    """Make a gallery hold what `folders` hold, by default all it was given before; it is made if need be.

    Arguments as in `Gallery.sync`. A new gallery needs a `model`; a dry run of an existing one needs none, and one of a
    gallery that is not there yet leaves nothing behind.
    """
    if Gallery.exists(gallery) and dry_run and model is None:
        opened = Gallery.open(gallery)
    elif Gallery.exists(gallery):
        opened = open_gallery(gallery, model=model, device=device)
    elif model is None:
        raise GalleryError(f"{gallery} is not a gallery yet. Name the run to encode with (--model RUN).")
    else:
        loaded = load_search_model(model, device=device) if isinstance(model, (Path, str)) else model
        if dry_run:
            with tempfile.TemporaryDirectory() as nowhere:
                return Gallery.create(Path(nowhere) / "gallery", loaded).sync(folders, dry_run=True, progress=progress)
        opened = Gallery.create(gallery, loaded, run=str(loaded.run.resolve()))
    return opened.sync(folders, dry_run=dry_run, rehash=rehash, allow_empty=allow_empty, progress=progress)


def migrate(
    gallery: Path | str,
    model: TrainedModel | CascadeModel | Path | str,
    *,
    leave_out: bool = False,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> Migration:
    """Encode a gallery with another trained run beside the old tables, then switch to it at once."""
    loaded = load_search_model(model, device=device) if isinstance(model, (Path, str)) else model
    opened = Gallery.open(gallery)
    return migrate_gallery(opened, loaded, run=str(loaded.run.resolve()), leave_out=leave_out, progress=progress)


def open_gallery(
    gallery: Path | str, *, model: TrainedModel | CascadeModel | Path | str | None = None, device: str = "cpu"
) -> Gallery:
    """A gallery with the model it was made with; give `model` when the run has moved."""
    if model is None:
        run = Manifest.read(Path(gallery)).run
        if run is None or not ((Path(run) / MANIFEST).exists() or is_cascade(Path(run))):
            raise GalleryError(f"the run that made {gallery} ({run}) is gone; say where it is with --model RUN.")
        model = run
    return Gallery.open(gallery, load_search_model(model, device=device) if isinstance(model, (Path, str)) else model)


def search(query: str | Path, gallery: Gallery | Path | str, *, k: int = 10, shortlist: int = 100) -> SearchResults:
    """The best `k` pictures for a sentence, or for a picture given as a path."""
    opened = gallery if isinstance(gallery, Gallery) else open_gallery(gallery)
    return opened.search(query, k=k, shortlist=shortlist)


def explain(sentence: str, image: Path | str, model: SearchModel | Path | str) -> tuple[Alignment, Image.Image]:
    """Why a picture and a sentence match: the alignment, and the picture with it drawn over."""
    loaded = load_search_model(model) if isinstance(model, (Path, str)) else model
    alignment = explain_pair(loaded, sentence, Path(image))
    return alignment, draw_alignment(read_image(Path(image)), alignment)


def calibrate(
    model: Path | str, data: Corpus | Path | str, *, split: str = "val", progress: Progress = Silent()
) -> dict[Stage, Calibration]:
    """Fit when a search of `model`, a run or a cascade, found something good, and write that into its manifest.

    Fitted on half of the pictures of the split and tested on the other half; see `gallery.calibration.fit`.
    """
    corpus = (open_corpus(data) if isinstance(data, (Path, str)) else data).split(split)
    loaded = load_search_model(model)
    fitted = calibrate_model(loaded, corpus, cache=default_cache(), progress=progress)
    stored = {stage: found.model_dump() for stage, found in fitted.items()}
    if isinstance(loaded, CascadeModel):
        loaded.manifest.model_copy(update={"calibration": stored}).write(loaded.run)
    else:
        write_manifest(loaded.run, {**read_manifest(loaded.run), "calibration": stored})
    return fitted
