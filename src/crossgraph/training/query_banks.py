"""A query bank for a finished dual encoder: a new run whose vectors are charged for being near to everything.

Nothing is trained. The bank is drawn from what the run may have been trained on; how much is charged, and how sharply,
is what ranks the validation pictures best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.data.drawing import drawn_rows
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.label_captions import with_label_captions, without_labels
from crossgraph.errors import ConfigError, DataError
from crossgraph.evaluation.metrics import relevance, retrieval_metrics
from crossgraph.layers.query_bank import QueryBank
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.methods.encoder_ensemble import EncoderEnsemble
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import (
    WEIGHTS,
    read_manifest,
    read_tensors,
    weights_fingerprint,
    write_manifest,
    write_tensors,
)
from crossgraph.training.held_out import divided_as_trained, training_parts
from crossgraph.training.model import TrainedModel
from crossgraph.training.places import copy_manifest

SHARES = (0.25, 0.5, 0.75, 1.0)
SHARPNESSES = (10.0, 20.0, 40.0)
"""What is tried."""

FEWEST = 10
"""Fewer pictures or sentences are no bank."""


@dataclass(frozen=True)
class BankTrial:
    """How well the validation pictures were ranked with a share and a sharpness of the bank; rSum in points."""

    share: float
    sharpness: float
    rsum: float


@dataclass(frozen=True)
class BankReport:
    """What a bank holds, and what it did for the validation pictures. `without` is the rSum of the run as it was."""

    images: int
    texts: int
    without: float
    trials: tuple[BankTrial, ...]

    @property
    def best(self) -> BankTrial:
        """The trial that was kept."""
        return max(self.trials, key=lambda trial: trial.rsum)


def add_query_bank(
    run: Path,
    out: Path,
    corpus: Corpus,
    *,
    cache: FeatureCache,
    images: int = 1000,
    texts: int = 2000,
    share: float | None = None,
    sharpness: float | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[TrainedModel, BankReport]:
    """Write `run` with a query bank into the new folder `out`, and load it.

    The bank has at most so many `images` and `texts` of the training part of `corpus`, drawn by the run's seed, of each
    source in proportion to training.shares (none: as many of each). `share` and `sharpness`, where they are not given,
    are those of the best rSum over the part that epochs are selected by. Raises `ConfigError` for a run that can have
    none, `DataError` for too little data.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already. Give a new folder, or remove it first.")
    model = TrainedModel(run, cache=cache, device=device)
    if not isinstance(model.method, DualEncoder | EncoderEnsemble):
        raise ConfigError(f"{run} is {model.method.name!r}; a query bank is for dual_encoder and encoder_ensemble.")
    if model.method.bank is not None:
        raise ConfigError(f"{run} has a query bank already; give the run that it was made of.")
    progress = progress or Silent()
    config, data = model.config, model.manifest.data
    corpus = without_labels(divided_as_trained(data, corpus), data.left_out)
    trained_on, selected_on = training_parts(corpus, config)
    trained_on = with_label_captions(trained_on, config.labels.captions)
    rows, captions = draw_bank(trained_on, images, texts, seed=config.training.seed, shares=config.training.shares)
    known_images, _ = _images(model, trained_on.take(rows), progress)
    known_texts = model.encode_raw_texts([trained_on.captions[row] for row in captions], progress=progress).embedding
    if (fewest := min(len(known_images), len(known_texts))) < FEWEST:
        raise DataError(
            f"{fewest} readable pictures or sentences of corpus {corpus.name!r} are no query bank, which wants "
            f"{FEWEST} of each. Give the corpus that the run was trained on."
        )
    own_images, selected_on = _images(model, selected_on, progress)
    own_texts = model.encode_corpus_texts(selected_on, progress=progress).embedding
    relevant = relevance(selected_on.caption_image, len(selected_on))
    trials = []
    for charged in SHARES if share is None else (share,):
        for sharp in SHARPNESSES if sharpness is None else (sharpness,):
            bank = filled_bank(known_images, known_texts, share=charged, sharpness=sharp)
            scores = bank.of_images(own_images) @ bank.of_texts(own_texts).T
            trials.append(BankTrial(charged, sharp, retrieval_metrics(scores, relevant).rsum))
    without = retrieval_metrics(own_images @ own_texts.T, relevant).rsum
    report = BankReport(len(known_images), len(known_texts), without, tuple(trials))
    best = filled_bank(known_images, known_texts, share=report.best.share, sharpness=report.best.sharpness)
    _write(run, out, best, report)
    return TrainedModel(out, cache=cache, device=device), report


def draw_bank(
    corpus: Corpus, images: int, texts: int, *, seed: int, shares: Mapping[str, float] | None = None
) -> tuple[list[int], list[int]]:
    """Rows of the pictures and captions of a bank: `drawn_rows`."""
    return drawn_rows(corpus, images, texts, np.random.default_rng((seed, images, texts)), shares=shares)


def filled_bank(
    images: Float[Tensor, "i d"], texts: Float[Tensor, "c d"], *, share: float, sharpness: float
) -> QueryBank:
    """A bank of these unit vectors."""
    bank = QueryBank(len(images), len(texts), width=images.shape[1], share=share, sharpness=sharpness)
    bank.fill(images.float().cpu(), texts.float().cpu())
    return bank


def _images(model: TrainedModel, corpus: Corpus, progress: Progress) -> tuple[Float[Tensor, "n d"], Corpus]:
    """The vectors of the pictures that can be read, and the corpus of these."""
    found = model.encode_corpus_images(corpus, progress=progress)
    return found.encoded.embedding, corpus.take(list(found.kept))


def _write(run: Path, out: Path, bank: QueryBank, report: BankReport) -> None:
    """The run with its bank in the folder `out`, which is whole once it has a manifest."""
    weights, facts = read_tensors(run / WEIGHTS)
    weights |= {f"bank.{name}": value for name, value in bank.state_dict().items()}
    write_tensors(out / WEIGHTS, weights, {**facts, "bank_of": weights_fingerprint(run)})
    copy_manifest(run, out)
    manifest = read_manifest(out)
    model = {
        **manifest.config.model,
        "bank_images": report.images,
        "bank_texts": report.texts,
        "bank_share": bank.share,
        "bank_sharpness": bank.sharpness,
    }
    changed = {
        "config": manifest.config.model_copy(update={"model": model}),
        "selected": None if manifest.selected is None else {**manifest.selected, "rsum": report.best.rsum},
        "weights": weights_fingerprint(out),
        "calibration": {},
    }
    write_manifest(out, manifest.model_copy(update=changed))
