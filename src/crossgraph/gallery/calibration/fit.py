"""Fit a calibration of a model on one half of a split and test it on the other."""

from __future__ import annotations

import torch

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import GalleryError
from crossgraph.gallery.calibration.pairs import (
    UNLIKE,
    EncodedCorpus,
    Pairs,
    calibration_pairs,
    sentence_vectors,
    unlike_images,
)
from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.search.score_calibration import Calibration, fit, with_reliability
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.stages.modes import MODES
from crossgraph.progress import Progress, Silent

MOST_QUERIES = 1000
BINS = 10


def calibrate_model(
    model: SearchModel, corpus: EncodedCorpus, *, cache: FeatureCache, seed: int = 0, progress: Progress = Silent()
) -> dict[Stage, Calibration]:
    """A calibration for each stage of `model`, fitted on a random half of the pictures of `corpus` with their captions
    and tested on the other half, of each at most `MOST_QUERIES` captions.

    Raises `GalleryError` if there are too few pictures.
    """
    fitted, held_out = (
        half_pairs(model, half, cache=cache, seed=seed, progress=progress) for half in halves(corpus, seed=seed)
    )
    return {
        stage: with_reliability(
            fit(fitted[stage].signs, fitted[stage].good), held_out[stage].signs, held_out[stage].good, bins=BINS
        )
        for stage in fitted
    }


def halves(encoded: EncodedCorpus, *, seed: int = 0) -> tuple[EncodedCorpus, EncodedCorpus]:
    """Two random halves of the pictures, with their captions."""
    order = torch.randperm(len(encoded), generator=torch.Generator().manual_seed(seed)).tolist()
    middle = len(order) // 2
    return encoded.part(sorted(order[:middle])), encoded.part(sorted(order[middle:]))


def half_pairs(
    model: SearchModel,
    half: EncodedCorpus,
    *,
    cache: FeatureCache,
    share: float = UNLIKE,
    seed: int = 0,
    progress: Progress = Silent(),
) -> dict[Stage, Pairs]:
    """The pairs of at most `MOST_QUERIES` captions of one half, with `share` of its pictures as the unlike ones."""
    if not len(half.captions):
        raise GalleryError("calibration needs captions, and the pictures have none. Give a captioned split.")
    order = torch.randperm(len(half.captions), generator=torch.Generator().manual_seed(seed))
    queries = order[:MOST_QUERIES].sort().values.tolist()
    unlike = unlike_images(sentence_vectors(half.captions, cache), half.caption_image, queries, share=share)
    return calibration_pairs(model, half, queries, unlike, shortlist=MODES["best"].shortlist or 0, progress=progress)
