"""What finished runs say of training pairs: soft targets for a run that is taught by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ConfigError
from crossgraph.progress import Progress
from crossgraph.training.encoder_pool import EncoderPool
from crossgraph.training.model import TrainedModel


@dataclass(frozen=True)
class Teachers:
    """The embeddings of some runs side by side, of every training picture and caption, in half precision: their
    product is the mean of the runs' cosines."""

    images: Float[Tensor, "n d"]
    texts: Float[Tensor, "m d"]

    def scores(self, images: Sequence[int], captions: Sequence[int]) -> Float[Tensor, "b c"]:
        """The mean cosine of these pictures with these captions."""
        return self.images[list(images)].float() @ self.texts[list(captions)].float().T


def gather_teachers(
    runs: Sequence[str],
    corpus: Corpus,
    *,
    cache: FeatureCache,
    encoders: EncoderPool,
    device: str = "cpu",
    progress: Progress,
) -> tuple[Teachers | None, tuple[str, ...]]:
    """What `runs` give every picture and caption of a training set, with the fingerprint of each run.

    None where there are no runs. Raises `ConfigError` for a run that gives codes and no vectors.
    """
    sides: list[tuple[Tensor, Tensor]] = []
    known = []
    for run in runs:
        model = TrainedModel(Path(run), cache=cache, device=device, encoders=encoders)
        images = model.encode_corpus_images(corpus, progress=progress).encoded
        if images.code is not None:
            raise ConfigError(f"{run} gives codes, which teach too little; name dense runs in training.teachers.")
        texts = model.encode_corpus_texts(corpus, progress=progress)
        sides.append((images.embedding.half().cpu(), texts.embedding.half().cpu()))
        known.append(model.fingerprint)
    if not sides:
        return None, ()
    share = len(sides) ** -0.5
    pictures, captions = (torch.cat([side[which] for side in sides], dim=1) * share for which in (0, 1))
    return Teachers(pictures, captions), tuple(known)
