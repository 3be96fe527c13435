"""The number that selects: rSum on what is held out, in two stages for a re-ranker, or mAP by labels.

On which pictures, `held_out` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.errors import DataError
from crossgraph.evaluation.code_health import note_collapse
from crossgraph.evaluation.label_search import LabelledItems, mean_average_precision
from crossgraph.evaluation.metrics import RetrievalMetrics, relevance, retrieval_metrics
from crossgraph.evaluation.two_stage import two_stage_blends
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress
from crossgraph.training.dataset import Dataset
from crossgraph.training.model import encode_images, encode_texts
from crossgraph.types import Encoded

BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Shares of the first stage's score that are tried; beside a strong first stage a weak re-ranker wants a large one."""


@dataclass(frozen=True)
class Measured:
    """What one validation found: every value by name, and under `by` the one that selects. More is better."""

    by: str
    values: dict[str, float]

    @property
    def selects(self) -> float:
        """The number by which the best epoch is chosen."""
        return self.values[self.by]


@dataclass(frozen=True)
class Validation:
    """Measures a method on `material` by `by`. A re-ranker orders `shortlist` candidates per query, found by
    `shortlist_scores` or, without them, by its own embedding."""

    dataset: Dataset
    shortlist: int
    shortlist_scores: Float[Tensor, "n m"] | None
    device: str
    by: Literal["rsum", "map"] = field(default="rsum", kw_only=True)

    def __post_init__(self) -> None:
        if self.by == "map" and self.dataset.corpus.labels is None:
            raise DataError(
                f"training.select_by='map' needs labels, and corpus {self.dataset.corpus.name!r} has none; give one "
                "that has, or select by rsum."
            )

    def measure(self, method: Method, *, progress: Progress) -> Measured:
        """The method as it is, by recall of captions or by labels; leaves it in evaluation mode.

        Collapsed codes are noted.
        """
        if self.by == "map":
            return Measured("map", self._by_labels(method, progress))
        images, texts, relevant, coarse = self._first_look(method)
        self._watch_codes(images, texts, progress)
        if not method.reranks:
            metrics = retrieval_metrics(coarse.cpu(), relevant)
        else:
            metrics = self._reranked(method, images, texts, relevant, blends=[0.0], progress=progress)[0]
        return Measured("rsum", {"rsum": metrics.rsum, **metrics.values()})

    def _by_labels(self, method: Method, progress: Progress) -> dict[str, float]:
        """mAP@all of pictures and captions as each other's queries, less their own pairs, and the mean of both.

        By code or embedding, also for a method that re-ranks.
        """
        method.eval()
        corpus = self.dataset.corpus
        assert corpus.labels is not None  # refused when this was made
        links, rows = corpus.caption_image, np.arange(len(corpus))
        images = encode_images(method, self.dataset.images, device=self.device)
        texts = encode_texts(method, self.dataset.texts, device=self.device)
        self._watch_codes(images, texts, progress)
        image_items = LabelledItems(images, corpus.labels, rows)
        captions = LabelledItems(texts, corpus.labels[links], links)
        there = mean_average_precision(image_items, captions, own_pair=False)
        back = mean_average_precision(captions, image_items, own_pair=False)
        return {"map": (there + back) / 2, "image_to_text_map": there, "text_to_image_map": back}

    def blends(self, method: Method, *, progress: Progress) -> dict[float, float]:
        """The rSum that each blend of `BLENDS` gives; none for a method that does not re-rank.

        A blend adds its share of the first stage's score to the method's own. Two models err differently, so a
        sum is often better than either; how much of each is a matter of their scales, hence measured.
        """
        if not method.reranks:
            return {}
        images, texts, relevant, _ = self._first_look(method)
        found = self._reranked(method, images, texts, relevant, blends=BLENDS, progress=progress)
        return {blend: metrics.rsum for blend, metrics in zip(BLENDS, found, strict=True)}

    def _watch_codes(self, images: Encoded, texts: Encoded, progress: Progress) -> None:
        """Say so when the codes of a hashing method no longer tell items apart; equal captions are one item."""
        distinct = len(set(self.dataset.corpus.captions))
        note_collapse({"pictures": (images, len(images)), "captions": (texts, distinct)}, progress)

    def _first_look(self, method: Method) -> tuple[Encoded, Encoded, Bool[Tensor, "n m"], Float[Tensor, "n m"]]:
        """Both sides encoded, what is relevant, and the cosines of the embeddings."""
        method.eval()
        images = encode_images(method, self.dataset.images, device=self.device)
        texts = encode_texts(method, self.dataset.texts, device=self.device)
        relevant = relevance(self.dataset.corpus.caption_image, len(self.dataset.corpus))
        return images, texts, relevant, images.embedding @ texts.embedding.T

    def _reranked(
        self,
        method: Method,
        images: Encoded,
        texts: Encoded,
        relevant: Bool[Tensor, "n m"],
        *,
        blends: Sequence[float],
        progress: Progress,
    ) -> list[RetrievalMetrics]:
        first = images.embedding @ texts.embedding.T if self.shortlist_scores is None else self.shortlist_scores
        results = two_stage_blends(
            method,
            images,
            texts,
            shortlist_scores=first.to(images.embedding.device),
            k=self.shortlist,
            blends=blends,
            progress=progress,
        )
        return [
            retrieval_metrics(result.image_to_text.cpu(), relevant, text_to_image=result.text_to_image.cpu())
            for result in results
        ]
