"""What is known of all training pictures of a corpus with labels, for methods that ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.encoders.text import TextEncoder
from crossgraph.layers.pooling import masked_mean
from crossgraph.methods.contract import TrainingSet
from crossgraph.training.dataset import Dataset


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


@torch.no_grad()
def caption_vectors(dataset: Dataset, *, block: int = 2048) -> Float[Tensor, "m w"] | None:
    """The mean frozen word state of each training caption; none where words have no frozen states."""
    if not dataset.texts.state_width:
        return None
    blocks = [
        dataset.texts.rows(range(i, min(i + block, len(dataset.texts)))) for i in range(0, len(dataset.texts), block)
    ]
    return torch.cat([masked_mean(block.states, block.mask) for block in blocks if block.states is not None])


def label_vectors(names: Sequence[str], text_encoder: TextEncoder) -> Float[Tensor, "c w"]:
    """A vector for each label: the mean state of the words of its name; one-hot where no frozen states can be had."""
    if not text_encoder.state_width or not text_encoder.reads_sentences:
        return torch.eye(len(names))
    texts = text_encoder.encode([name.replace("_", " ").replace("-", " ") for name in names])
    states = [text.states for text in texts if text.states is not None]
    return torch.stack([torch.from_numpy(one.astype("float32")).mean(dim=0) for one in states])
