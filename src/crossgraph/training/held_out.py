"""What a run trains on, and what it keeps apart to select its epoch by.

Epochs are chosen on pictures that are neither trained on nor ever queries of a reported number: a validation split,
or a slice of the training split.
"""

from __future__ import annotations

import numpy as np

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.errors import ConfigError, DataError

TRAIN_SPLITS = ("train", "all")


def training_split(corpus: Corpus) -> str:
    """The split to train on: "train", or all of a corpus without splits."""
    training = next((name for name in TRAIN_SPLITS if name in corpus.splits), None)
    if training is None:
        raise ConfigError(f"corpus {corpus.name!r} has no train split, only {', '.join(corpus.splits)}.")
    return training


def selection_of(corpus: Corpus, config: RunConfig) -> str:
    """The name of what epochs are selected by: a split, or a slice of the one that is trained on."""
    training = training_split(corpus)
    if config.training.validation_slice:
        return f"slice of {training}"
    return config.training.validation_split if training == "train" else training


def training_parts(corpus: Corpus, config: RunConfig) -> tuple[Corpus, Corpus, str]:
    """What to train on, what to select by, and the name of the latter; a corpus without splits is both."""
    whole, settings, selection = corpus.split(training_split(corpus)), config.training, selection_of(corpus, config)
    if settings.validation_slice:
        return *hold_out(whole, share=settings.validation_slice, seed=settings.seed), selection
    if selection not in corpus.splits:
        raise DataError(
            f"corpus {corpus.name!r} has no split {selection!r} to select epochs by, only {', '.join(corpus.splits)}; "
            "hold out a share of the training pictures (training.validation_slice=0.1), or name a split "
            "(training.validation_split)."
        )
    return whole, corpus.split(selection), selection


def hold_out(corpus: Corpus, *, share: float, seed: int) -> tuple[Corpus, Corpus]:
    """A corpus less a random slice, and the slice: the same for every method and setting of one seed.

    Raises `ConfigError` when either would have fewer than two pictures.
    """
    n = len(corpus)
    size = round(share * n)
    if not 2 <= size <= n - 2:
        raise ConfigError(
            f"training.validation_slice={share:g} of {n:,} training pictures are {size}, which leaves {n - size}; "
            "both parts need at least two."
        )
    held = np.zeros(n, np.bool_)
    held[np.random.default_rng((seed, n)).permutation(n)[:size]] = True
    return corpus.take(np.flatnonzero(~held).tolist()), corpus.take(np.flatnonzero(held).tolist())
