"""The number that selects: rSum on the validation split, in two stages for a re-ranker."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.evaluation.metrics import RetrievalMetrics, relevance, retrieval_metrics
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress
from crossgraph.training.material import Material
from crossgraph.training.model import encode_images, encode_texts


@dataclass(frozen=True)
class Validation:
    """Measures a method on `material`. A re-ranker orders `shortlist` candidates per query, found by
    `shortlist_scores` or, without them, by its own embedding."""

    material: Material
    shortlist: int
    shortlist_scores: Float[Tensor, "n m"] | None
    blend: float
    device: str

    def measure(self, method: Method, *, progress: Progress) -> RetrievalMetrics:
        """R@K, ranks and rSum of the method as it is; leaves it in evaluation mode."""
        method.eval()
        images = encode_images(method, self.material.images, device=self.device)
        texts = encode_texts(method, self.material.texts, device=self.device)
        relevant = relevance(self.material.corpus.caption_image, len(self.material.corpus))
        coarse = images.embedding @ texts.embedding.T
        if not method.reranks:
            return retrieval_metrics(coarse.cpu(), relevant)
        first = coarse if self.shortlist_scores is None else self.shortlist_scores.to(coarse.device)
        with torch.inference_mode():
            ranked = two_stage(
                method,
                images,
                texts,
                shortlist_scores=first,
                k=self.shortlist,
                blend=self.blend,
                progress=progress,
            )
        return retrieval_metrics(ranked.image_to_text.cpu(), relevant, text_to_image=ranked.text_to_image.cpu())
