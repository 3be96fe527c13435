"""Look-alike pictures, found by a trained dual encoder: what batches of hard negatives are made of."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.errors import ConfigError
from crossgraph.training.dataset import Dataset
from crossgraph.training.model import TrainedModel
from crossgraph.types import Encoded


def caption_centroids(texts: Encoded, caption_image: Int[Tensor, " m"], *, images: int) -> Float[Tensor, "n d"]:
    """The mean caption embedding of every picture; zeros where a picture has no caption."""
    total = texts.embedding.new_zeros(images, texts.embedding.shape[1]).index_add_(0, caption_image, texts.embedding)
    counts = torch.bincount(caption_image, minlength=images).clamp(min=1)
    return total / counts[:, None]


def find_neighbours(
    images: Encoded, texts: Encoded, caption_image: Int[Tensor, " m"], *, count: int, block: int = 1024
) -> Int[Tensor, "n k"]:
    """For every picture, the `count` others that a shortlist would mistake it for, nearest first.

    Pictures i and j are near when i fits j's captions and j fits i's: the sum of both cross-modal similarities,
    with each picture's captions taken at their centroid. Fewer than `count` others give as many as there are.
    """
    n = len(images)
    centroids = caption_centroids(texts, caption_image, images=n)
    left = torch.cat([images.embedding, centroids], dim=1)
    right = torch.cat([centroids, images.embedding], dim=1)
    rows = []
    for start in range(0, n, block):
        near = left[start : start + block] @ right.T
        own = torch.arange(start, min(start + block, n), device=near.device)
        near[own - start, own] = float("-inf")
        rows.append(near.topk(min(count, n - 1), dim=1).indices)
    return torch.cat(rows)


def shortlist_neighbours(helper: TrainedModel | None, dataset: Dataset, *, count: int) -> Int[Tensor, "n k"] | None:
    """Look-alikes of every training picture by a shortlist model; None where none are asked for.

    Raises `ConfigError` where they are, and there is no such model.
    """
    if count == 0:
        return None
    if helper is None:
        raise ConfigError(
            f"training.neighbours={count} needs a trained dual encoder to find look-alikes; give it with "
            "--shortlist RUN, or set training.neighbours=0."
        )
    images = helper.encode_corpus_images(dataset.corpus).encoded
    texts = helper.encode_corpus_texts(dataset.corpus)
    return find_neighbours(images, texts, dataset.caption_image().to(texts.embedding.device), count=count)
