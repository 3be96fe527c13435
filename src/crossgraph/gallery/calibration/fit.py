"""Fit a calibration of a model on one half of a split and test it on the other, for captions and for their phrases."""

from __future__ import annotations

import numpy as np
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
from crossgraph.gallery.calibration.phrases import drawn_phrases
from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.search.score_calibration import Calibration, fit, with_reliability
from crossgraph.gallery.stages.model import SearchModel, encode_texts_for_stages
from crossgraph.gallery.stages.modes import MODES
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.progress import Progress, Silent

MOST_QUERIES = 1000
FEWEST_PHRASES = 50
BINS = 10


def calibrate_model(
    model: SearchModel,
    corpus: EncodedCorpus,
    *,
    cache: FeatureCache,
    parser: CaptionParser,
    seed: int = 0,
    progress: Progress = Silent(),
) -> dict[Stage, Calibration]:
    """A calibration for each stage of `model`, fitted on a random half of the pictures of `corpus` with their captions
    and tested on the other half, of each at most `MOST_QUERIES` captions.

    The same for phrases of one to three words that the captions hold by `parser`, where each half has enough of them.
    Raises `GalleryError` if there are too few pictures.
    """
    both = halves(corpus, seed=seed)
    captions = _fitted([half_pairs(model, half, cache=cache, seed=seed, progress=progress) for half in both])
    asked = [phrase_pairs(model, half, cache=cache, parser=parser, seed=seed, progress=progress) for half in both]
    if not all(asked):
        return captions
    phrases = _fitted(asked)
    return {stage: one.model_copy(update={"phrases": phrases[stage]}) for stage, one in captions.items()}


def _fitted(pairs: list[dict[Stage, Pairs]]) -> dict[Stage, Calibration]:
    """Calibrations fitted on the pairs of one half and tested on those of the other."""
    fitted, held_out = pairs
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


def phrase_pairs(
    model: SearchModel,
    half: EncodedCorpus,
    *,
    cache: FeatureCache,
    parser: CaptionParser,
    share: float = UNLIKE,
    seed: int = 0,
    progress: Progress = Silent(),
) -> dict[Stage, Pairs]:
    """The pairs of at most `MOST_QUERIES` phrases of the captions of one half, every other one with an article.

    Of no stage where there are fewer than `FEWEST_PHRASES`.
    """
    phrases = drawn_phrases(half.captions, parser.parse_all(half.captions), MOST_QUERIES, seed=seed)
    if len(phrases) < FEWEST_PHRASES:
        return {}
    said = tuple(one.with_article if place % 2 else one.text for place, one in enumerate(phrases))
    owners = half.caption_image[[one.caption for one in phrases]]
    sentences = sentence_vectors((*half.captions, *said), cache)
    rows = range(len(half.captions), len(sentences))
    unlike = unlike_images(sentences, np.concatenate([half.caption_image, owners]), rows, share=share)
    asked = EncodedCorpus(half.images, encode_texts_for_stages(model, said), owners, said)
    return calibration_pairs(
        model, asked, range(len(said)), unlike, shortlist=MODES["best"].shortlist or 0, progress=progress
    )
