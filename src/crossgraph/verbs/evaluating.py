"""Retrieval metrics of trained runs: by captions or by labels, of one run or of several seeds of one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import given_corpus
from crossgraph.data.splits import VAL
from crossgraph.distributed.given import Workers, on_cluster
from crossgraph.errors import ConfigError
from crossgraph.evaluation.difference import Difference, difference
from crossgraph.evaluation.label_report import LabelReport, LabelRun, require_same_task
from crossgraph.evaluation.label_scores import code_facts, score_and_worst
from crossgraph.evaluation.label_search import LabelledItems
from crossgraph.evaluation.pair_precision import FLOAT32, in_precision, multiplies, require_precision
from crossgraph.evaluation.protocols import LabelProtocol, protocol_named
from crossgraph.evaluation.ranking import score_corpus
from crossgraph.evaluation.report import EvaluationReport, evaluate_scores, over_seeds
from crossgraph.evaluation.two_stage import TwoStageResult, require_blend, require_shortlist, two_stage_blends
from crossgraph.evaluation.worst import WorstQueries, caption_of, named, picture_of
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.progress import Progress, Silent
from crossgraph.training.held_out import divided_as_trained, said_of_split, split_as_trained
from crossgraph.training.model import TrainedModel
from crossgraph.types import Encoded
from crossgraph.verbs.models import given_search_model, last_run


def evaluate(
    model: TrainedModel | CascadeModel | Path | str,
    data: Corpus | Path | str,
    *,
    split: str = "val",
    two_stage_k: int | None = None,
    blend: float | None = None,
    worst: int = 0,
    pair_precision: str = FLOAT32,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> EvaluationReport:
    """Retrieval metrics of a model on one split: every pair scored, or only shortlists of `two_stage_k` candidates.

    A shortlist is ordered by fine score + `blend` x shortlist score, by default the blend that the run chose. A cascade
    is measured by its last stage, its codes left out, with its own shortlist and blend. `worst` queries of each
    direction are kept with what they found. Workers of a `cluster` encode; scores are computed here, pairs of a method
    that scores picture by picture in `pair_precision`: in bfloat16 sooner, and a little beside (docs/evaluation.md).
    Raises `DataError` for an unknown split, `ConfigError` for a shortlist asked of a method that does not re-rank, and
    for a precision that this method or device does not have, and for a blend that is below 0 or not finite.
    """
    if blend is not None:
        require_blend(blend)
    if two_stage_k is not None:
        require_shortlist(two_stage_k)
    given: TrainedModel | CascadeModel = given_search_model(model, device=device)
    with on_cluster(cluster, device=device, progress=progress) as workers:
        return _evaluated(
            *_on_workers(given, workers),
            data,
            split,
            two_stage_k,
            [given.blend if blend is None else blend],
            worst,
            pair_precision,
            progress,
        )[0]


def evaluate_blends(
    model: TrainedModel,
    data: Corpus | Path | str,
    *,
    two_stage_k: int,
    blends: Sequence[float],
    split: str = "val",
    progress: Progress = Silent(),
) -> list[EvaluationReport]:
    """`evaluate` in two stages with each of several blends, in order; every pair is scored once for all of them."""
    return _evaluated(model, model.shortlist, data, split, two_stage_k, blends, 0, FLOAT32, progress)


def _on_workers(
    given: TrainedModel | CascadeModel, workers: Workers | None
) -> tuple[TrainedModel, TrainedModel | None]:
    """The run of the last stage and that of the shortlist, which encode on workers, if there are any."""
    last, shortlist = last_run(given), given.shortlist
    if workers is None:
        return last, shortlist
    return workers.run(last), None if shortlist is None else workers.run(shortlist)


def _evaluated(
    model: TrainedModel,
    shortlist: TrainedModel | None,
    data: Corpus | Path | str,
    split: str,
    two_stage_k: int | None,
    blends: Sequence[float],
    worst: int,
    pair_precision: str,
    progress: Progress,
) -> list[EvaluationReport]:
    """A report for each blend; one where every pair is scored, which nothing is blended with."""
    require_precision(pair_precision, model.method, model.device)
    whole, trained_on = given_corpus(data), model.manifest.data
    corpus, about = split_as_trained(trained_on, whole, split), said_of_split(trained_on, whole, split)
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    texts = model.encode_corpus_texts(corpus, progress=progress)
    sides = in_precision(pair_precision, model.method, images, texts, progress=progress)

    def report(scores: torch.Tensor | TwoStageResult) -> EvaluationReport:
        seed = model.config.training.seed
        return evaluate_scores(
            scores, corpus, split=split, about=about, seed=seed, worst=worst, pair_precision=pair_precision
        )

    if two_stage_k is None:
        return [report(score_corpus(model.method, *sides, progress=progress))]
    if not model.method.reranks:
        raise ConfigError(
            f"{model.config.method} has one score for every pair and nothing to re-rank with; evaluate it without "
            "--two-stage, or give a run of a re-ranking method."
        )
    first = shortlist_scores(model, corpus, images, texts, shortlist=shortlist, progress=progress)
    ranked = two_stage_blends(
        model.method, *sides, shortlist_scores=first, k=two_stage_k, blends=blends, progress=progress
    )
    return [report(one) for one in ranked]


def evaluate_seeds(
    runs: Sequence[TrainedModel | CascadeModel | Path | str],
    data: Corpus | Path | str,
    *,
    split: str = "val",
    two_stage_k: int | None = None,
    blend: float | None = None,
    worst: int = 0,
    pair_precision: str = FLOAT32,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> EvaluationReport:
    """One report of several runs of one recipe: mean and deviation over their seeds.

    Raises `ConfigError` when two of them have the same weights: that deviation would mean nothing.
    """
    if blend is not None:
        require_blend(blend)
    corpus = given_corpus(data)
    models = _distinct(runs, device=device)
    with on_cluster(cluster, device=device, progress=progress) as workers:
        reports = [
            evaluate(
                model,
                corpus,
                split=split,
                two_stage_k=two_stage_k,
                blend=blend,
                worst=worst,
                pair_precision=pair_precision,
                cluster=workers,
                progress=progress,
                device=device,
            )
            for model in models
        ]
    return over_seeds(reports)


def evaluate_by_labels(
    runs: Sequence[TrainedModel | CascadeModel | Path | str],
    data: Corpus | Path | str,
    protocol: LabelProtocol | str = "train-database",
    *,
    worst: int = 0,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> LabelReport:
    """Label retrieval of one or more runs of one recipe, both ways, under one protocol.

    Raises `ConfigError` for a run whose epoch was selected on the queries, unless the protocol allows it, or that was
    trained on another drawing of the corpus; `DataError` for a corpus without labels or without the splits asked for.
    """
    chosen = protocol_named(protocol) if isinstance(protocol, str) else protocol
    corpus = chosen.drawn(given_corpus(data))
    given = _distinct(runs, device=device)
    with on_cluster(cluster, device=device, progress=progress) as workers:
        models = [_on_workers(model, workers)[0] for model in given]
        for model in models:
            _refuse_tainted(model, corpus, chosen)
        found = tuple(
            _label_run(model, chosen.needed(_labelled(model, corpus, chosen, progress)), chosen, worst, progress)
            for model in models
        )
    require_same_task(found)
    return LabelReport(corpus.name, chosen, found)


def _labelled(model: TrainedModel, corpus: Corpus, protocol: LabelProtocol, progress: Progress) -> Corpus:
    """The corpus with the labels that the run knows, and with the `val` that it held out, if that is to ask."""
    if protocol.query_split == VAL:
        corpus = divided_as_trained(model.manifest.data, corpus)
    return model.with_labels(corpus, progress=progress)


def _label_run(
    model: TrainedModel, corpus: Corpus, protocol: LabelProtocol, worst: int, progress: Progress
) -> LabelRun:
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    items = protocol.text_items(corpus)
    texts, image = model.encode_corpus_texts(items, progress=progress), items.caption_image
    assert corpus.labels is not None  # the protocol refuses a corpus without
    image_items = LabelledItems(images, corpus.labels, np.arange(len(corpus)))
    captions = LabelledItems(texts, corpus.labels[image], image)
    asks, searched = protocol.asks(corpus), protocol.searched(corpus)
    facts = (code_facts(images), code_facts(texts))
    pictures = (image_items.where(asks), image_items.where(searched))
    sentences = (captions.where(asks[image]), captions.where(searched[image]))
    there, lost_pictures = score_and_worst(pictures[0], sentences[1], protocol, worst=worst)
    back, lost_sentences = score_and_worst(sentences[0], pictures[1], protocol, worst=worst)
    kept = None
    if worst:
        picture = [picture_of(corpus, np.flatnonzero(part)) for part in (asks, searched)]
        sentence = [caption_of(items, np.flatnonzero(part[image])) for part in (asks, searched)]
        kept = WorstQueries(
            protocol.measure,
            "cosine" if images.code is None or texts.code is None else "minus the Hamming distance",
            tuple(named(row, picture[0], sentence[1]) for row in lost_pictures),
            tuple(named(row, sentence[0], picture[1]) for row in lost_sentences),
        )
    return LabelRun(
        model.config.method,
        model.config.training.seed,
        there,
        back,
        None if facts[0] is None or facts[1] is None else (facts[0], facts[1]),
        f"{len(corpus.label_names)} {corpus.label_kind}",
        f"by {model.config.training.select_by} on {model.manifest.data.validation_split}",
        kept,
    )


def _refuse_tainted(model: TrainedModel, corpus: Corpus, protocol: LabelProtocol) -> None:
    """Raise `ConfigError` when a run knows the queries: by selection, or because it was trained on another drawing."""
    data = model.manifest.data
    if protocol.selection == "apart" and data.validation_split == protocol.query_split:
        raise ConfigError(
            f"the epoch of {model.run} was selected on split {data.validation_split!r}, which asks the queries of "
            f"protocol {protocol.name}; train with training.validation_slice=0.1, or vary selection=any and say so."
        )
    if protocol.queries == "drawn" and data.fingerprint != corpus.fingerprint():
        raise ConfigError(
            f"{model.run} was trained on other data than protocol {protocol.name} draws from {corpus.name!r}, so its "
            "queries may have been trained on; train on the same corpus with --protocol, and the same seed."
        )


def _distinct(
    runs: Sequence[TrainedModel | CascadeModel | Path | str], *, device: str
) -> list[TrainedModel | CascadeModel]:
    """The runs, loaded. Raises `ConfigError` when two have the same weights: their deviation would mean nothing."""
    models: list[TrainedModel | CascadeModel] = [given_search_model(run, device=device) for run in runs]
    if len({model.fingerprint for model in models}) < len(models):
        raise ConfigError(
            f"two of {', '.join(str(model.run) for model in models)} have the same weights; give every run once."
        )
    return models


def encode_corpus_images(
    model: TrainedModel, corpus: Corpus, *, progress: Progress = Silent()
) -> tuple[Encoded, Corpus]:
    """Encoded pictures, and the corpus less those that could not be read."""
    images = model.encode_corpus_images(corpus, progress=progress)
    return images.encoded, corpus.without(list(images.skipped)) if images.skipped else corpus


def shortlist_scores(
    model: TrainedModel,
    corpus: Corpus,
    images: Encoded,
    texts: Encoded,
    *,
    shortlist: TrainedModel | None = None,
    progress: Progress = Silent(),
) -> torch.Tensor:
    """What the first stage of `model` scores: the cosine of `shortlist`, or of its own, or its own embedding's."""
    if (first := shortlist or model.shortlist) is not None:
        images = first.encode_corpus_images(corpus, progress=progress).encoded
        texts = first.encode_corpus_texts(corpus, progress=progress)
    return images.embedding @ texts.embedding.T


SHORTLIST = "shortlist"
"""What `evaluate_against` calls the first stage of the models themselves."""


def evaluate_against(
    report: EvaluationReport,
    models: Sequence[TrainedModel | CascadeModel],
    others: Sequence[TrainedModel | CascadeModel | Path | str],
    data: Corpus | Path | str,
    *,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> Difference:
    """What the numbers of `report`, measured of `models`, exceed those of `others` by, with paired intervals.

    The others are measured on the same split and in the same precision, those that re-rank on as long a shortlist.
    `shortlist` among them is the first stage of each of the models. Raises `ConfigError` where a model has none,
    `ScoreError` where one side alone could read a picture.
    """
    corpus, stages = given_corpus(data), dict[str, TrainedModel | CascadeModel]()
    for other in others:
        found: list[TrainedModel | CascadeModel] = []
        if other == SHORTLIST:
            found += [_first_stage(one) for one in models]
        else:
            found.append(given_search_model(other, device=device))
        stages |= {one.fingerprint: one for one in found}
    with on_cluster(cluster, device=device, progress=progress) as workers:
        theirs = [
            evaluate(
                one,
                corpus,
                split=report.protocol.split,
                two_stage_k=report.protocol.shortlist if last_run(one).method.reranks else None,
                pair_precision=report.protocol.pair_precision if multiplies(last_run(one).method) else FLOAT32,
                cluster=workers,
                progress=progress,
                device=device,
            )
            for one in stages.values()
        ]
    return difference(report, over_seeds(theirs))


def _first_stage(model: TrainedModel | CascadeModel) -> TrainedModel:
    if model.shortlist is None:
        raise ConfigError(f"{model.run} has no shortlist model to compare it with; give --against RUN.")
    return model.shortlist
