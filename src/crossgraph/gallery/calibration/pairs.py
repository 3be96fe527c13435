"""Queries of which it is known whether they have a good answer, for fitting and testing a calibration.

Each caption is asked twice: of a gallery of its picture among unlike pictures, and of the same gallery without its
picture. How like a picture is to a caption is the largest cosine of that caption with any of the picture's own, by a
sentence encoder that was trained for sentences alone and knows nothing of pictures or of the model in question. The
unlike pictures of a caption are the `UNLIKE` share of all that are least like it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.text_features import extract_text_features
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.errors import GalleryError
from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.search.score_calibration import Evidence, sample_rows
from crossgraph.gallery.stages.code_index import agreement, hamming
from crossgraph.gallery.stages.model import (
    SearchModel,
    Stages,
    code_bits,
    encode_images_for_stages,
    encode_texts_for_stages,
    has_own_vectors,
)
from crossgraph.gallery.stages.shortlist import best_first
from crossgraph.gallery.stages.unit_length import unit_rows
from crossgraph.progress import Progress, Silent
from crossgraph.types import Encoded

UNLIKE = 0.1
FEWEST = 20
BLOCK = 512


@dataclass(frozen=True)
class Pairs:
    """The signs of searches by the last stage named, and whether each query's picture was there."""

    signs: Float[np.ndarray, "q 4"]
    good: Bool[np.ndarray, " q"]


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus encoded for every stage: pictures, captions, and which caption is whose."""

    images: Stages
    texts: Stages
    caption_image: Int[np.ndarray, " m"]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images.vectors)

    def part(self, images: Sequence[int]) -> EncodedCorpus:
        """Only some pictures, in the order given, with their captions."""
        place = {image: row for row, image in enumerate(images)}
        kept = [row for row, image in enumerate(self.caption_image.tolist()) if image in place]
        owners = np.array([place[int(self.caption_image[row])] for row in kept])
        texts = tuple(self.captions[row] for row in kept)
        return EncodedCorpus(_rows(self.images, list(images)), _rows(self.texts, kept), owners, texts)


def encode_corpus(model: SearchModel, corpus: Corpus) -> EncodedCorpus:
    """The readable pictures of `corpus` and their captions, encoded."""
    images, kept, skipped = encode_images_for_stages(model, corpus.image_paths)
    corpus = corpus.without(list(skipped)) if skipped else corpus
    assert len(kept) == len(corpus)
    owners = np.array(corpus.caption_image)
    return EncodedCorpus(images, encode_texts_for_stages(model, corpus.captions), owners, tuple(corpus.captions))


def sentence_vectors(captions: Sequence[str], cache: FeatureCache) -> Float[np.ndarray, "m d"]:
    """A unit vector per caption: the mean of its words by the frozen sentence encoder."""
    table = extract_text_features(captions, TransformerTextEncoder(), cache, progress=Silent())
    blocks = []
    for start in range(0, len(captions), BLOCK):
        batch = table.rows(range(start, min(start + BLOCK, len(captions))))
        assert batch.states is not None
        blocks.append((batch.states * batch.mask[..., None]).sum(1).numpy())
    return unit_rows(np.concatenate(blocks))


def unlike_images(
    sentences: Float[np.ndarray, "m d"],
    caption_image: Int[np.ndarray, " m"],
    queries: Sequence[int],
    *,
    share: float = UNLIKE,
) -> Bool[np.ndarray, "n q"]:
    """For every picture and query, a caption's number, whether the picture is of the share least like it.

    Raises `GalleryError` if that is fewer than `FEWEST` pictures.
    """
    count = int(caption_image.max()) + 1
    kept = int(share * count)
    if kept < FEWEST:
        raise GalleryError(
            f"calibration needs {FEWEST} unlike pictures a query; a {share:g} share of {count} pictures is {kept}. "
            "Give a larger split."
        )
    unlike = np.zeros((count, len(queries)), np.bool_)
    for column, query in enumerate(queries):
        likeness = np.full(count, -np.inf, np.float32)
        np.maximum.at(likeness, caption_image, sentences @ sentences[query])
        likeness[caption_image[query]] = np.inf
        unlike[likeness.argsort(kind="stable")[:kept], column] = True
    return unlike


def first_scores(model: SearchModel, images: Stages, texts: Stages) -> dict[Stage, Float[np.ndarray, "n m"]]:
    """What each stage before re-ranking scores: images x captions."""
    found: dict[Stage, Float[np.ndarray, "n m"]] = {}
    if images.codes is not None and texts.codes is not None:
        bits = code_bits(model, texts)
        columns = [agreement(hamming(images.codes, code), bits) for code in texts.codes]
        found["codes"] = np.stack(columns, axis=1)
    if "codes" not in found or has_own_vectors(model):
        found["shortlist"] = images.vectors @ texts.vectors.T
    return found


def calibration_pairs(
    model: SearchModel,
    gallery: EncodedCorpus,
    queries: Sequence[int],
    unlike: Bool[np.ndarray, "n q"],
    *,
    shortlist: int,
    progress: Progress = Silent(),
) -> dict[Stage, Pairs]:
    """The pairs of every stage of `model` for the captions `queries`, each with its unlike pictures."""
    scores = first_scores(model, gallery.images, _rows(gallery.texts, queries))
    owners = gallery.caption_image[list(queries)].tolist()
    found: dict[Stage, Pairs] = {}
    with progress.task("calibrating", len(owners) * (len(scores) + model.method.reranks)) as task:
        for stage, table in scores.items():
            found[stage] = _pairs([_both(table[:, place], unlike[:, place], own) for place, own in enumerate(owners)])
            task.advance(len(owners))
        if model.method.reranks:
            table = list(scores.values())[-1]
            signs = []
            for place, (query, own) in enumerate(zip(queries, owners, strict=True)):
                rescore = _rescorer(
                    model, gallery.images.need_fine(), gallery.texts.need_fine()[[query]], table[:, place]
                )
                signs.append(_both(table[:, place], unlike[:, place], own, rescore=rescore, shortlist=shortlist))
                task.advance(1)
            found["rerank"] = _pairs(signs)
    return found


def search_signs(
    first: Float[np.ndarray, " n"],
    inside: Bool[np.ndarray, " n"],
    *,
    rescored: Float[np.ndarray, " n"] | None = None,
    shortlist: int = 0,
) -> Float[np.ndarray, " 4"]:
    """The signs of one search of the rows `inside`; `rescored` are scores of the last stage, used on the shortlist."""
    rows = inside.nonzero()[0]
    order = best_first(first[rows])
    best = rows[order][: shortlist or len(rows)]
    last = first[best] if rescored is None else -np.sort(-rescored[best])
    return Evidence(last, first[best], first[sample_rows(len(first), inside)], len(rows)).signs()


def _both(
    first: Float[np.ndarray, " n"],
    unlike: Bool[np.ndarray, " n"],
    own: int,
    *,
    rescore: Callable[[Int[np.ndarray, " k"]], Float[np.ndarray, " k"]] | None = None,
    shortlist: int = 0,
) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]]:
    """The signs of one query with its picture in the gallery, and without."""
    without = unlike.copy()
    without[own] = False
    inside = without.copy()
    inside[own] = True
    rescored = None
    if rescore is not None:
        rows = inside.nonzero()[0]
        best = rows[best_first(first[rows])][: shortlist + 1]
        rescored = np.full_like(first, -np.inf)
        rescored[best] = rescore(best)
    return (
        search_signs(first, inside, rescored=rescored, shortlist=shortlist),
        search_signs(first, without, rescored=rescored, shortlist=shortlist),
    )


def _rescorer(
    model: SearchModel, images: Encoded, query: Encoded, first: Float[np.ndarray, " n"]
) -> Callable[[Int[np.ndarray, " k"]], Float[np.ndarray, " k"]]:
    """The score that re-ranking gives some pictures for one query."""

    @torch.inference_mode()
    def rescore(rows: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        same = query.without_padding()[[0] * len(rows)]
        own = model.method.score_pairs(images[rows.tolist()], same).float().cpu().numpy()
        blended: Float[np.ndarray, " k"] = own + np.float32(model.blend) * first[rows]
        return blended

    return rescore


def _pairs(signs: Sequence[tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]]]) -> Pairs:
    flat = [one for both in signs for one in both]
    return Pairs(
        np.stack(flat) if flat else np.empty((0, 4), np.float32), np.array([True, False] * len(signs), np.bool_)
    )


def _rows(stages: Stages, rows: Sequence[int]) -> Stages:
    codes = None if stages.codes is None else stages.codes[list(rows)]
    return Stages(stages.vectors[list(rows)], stages.need_fine()[rows], codes)
