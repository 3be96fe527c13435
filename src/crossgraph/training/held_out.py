"""What a run trains on, and what it keeps apart to select its epoch by.

Epochs are chosen on pictures that are neither trained on nor ever queries of a reported number: a validation split,
or a slice of the training split. Where a source names no validation split, a tenth is held out (`data.splits`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossgraph.config import RunConfig
from crossgraph.data.assembly import NO_SPLIT, SPLIT_WORDS_TOLD
from crossgraph.data.corpus import Corpus
from crossgraph.data.splits import TEST, TRAIN, VAL, HeldOut, drawn_splits, rule_for, split_of, undivided
from crossgraph.errors import ConfigError, DataError
from crossgraph.training.checkpoint import DataFacts


def selection_of(config: RunConfig) -> str:
    """The name of what epochs are selected by: a split, or a slice of the one that is trained on."""
    split = f"slice of {TRAIN}" if config.training.validation_slice else config.training.validation_split
    return f"{split} of {config.training.select_source}" if config.training.select_source else split


def divided(corpus: Corpus, config: RunConfig) -> tuple[Corpus, HeldOut | None]:
    """The corpus with a split to train on and one to select by, and the rule by which that was held out, if it was.

    A corpus without splits always has a tenth held out, and one with `train` alone where nothing else selects. Raises
    `ConfigError` where pictures would be selected by that are trained on, or that a reported number is measured on.
    """
    _refuse_selection(config)
    of = undivided(corpus)
    selects = bool(config.training.validation_slice) or config.training.validation_split in corpus.splits
    if of is None or (of == TRAIN and selects):
        return corpus, None
    rule = rule_for(corpus)
    return drawn_splits(corpus, rule), rule


def training_parts(corpus: Corpus, config: RunConfig) -> tuple[Corpus, Corpus]:
    """What to train on and what to select by, of a corpus that `divided` returned."""
    if TRAIN not in corpus.splits:
        raise ConfigError(
            f"corpus {corpus.name!r} has no train split, only {', '.join(corpus.splits)}; give a source that names the "
            f"pictures to train on, or none of its splits. Of words in any case, {SPLIT_WORDS_TOLD}; write one of "
            "these in the place of any other."
        )
    whole, settings, selection = corpus.split(TRAIN), config.training, config.training.validation_split
    if settings.validation_slice:
        kept, held = hold_out(whole, share=settings.validation_slice, seed=settings.seed)
        return kept, _selected(held, settings.select_source)
    if selection not in corpus.splits:
        raise DataError(
            f"corpus {corpus.name!r} has no split {selection!r} to select epochs by, only {', '.join(corpus.splits)}; "
            "leave the setting out (val selects), or hold out a share of the training pictures "
            "(training.validation_slice=0.1)."
        )
    return whole, _selected(corpus.split(selection), settings.select_source)


def _selected(held: Corpus, source: str) -> Corpus:
    """What is held out of one source; all of it where none is named."""
    return held.of_source(source) if source else held


def shared_pictures(trained_on: Sequence[str], held: Sequence[str], *, selection: str) -> str:
    """What must be said of pictures of `selection` that are trained on too, by the digests of their files; or ""."""
    trained = frozenset(trained_on)
    count = sum(digest in trained for digest in held)
    if not count:
        return ""
    said = "1 picture is" if count == 1 else f"{count:,} pictures are"
    return (
        f"{said} both in {selection} and in what is trained on, so its numbers are too good; crossgraph data check "
        "names equal files"
    )


def split_as_trained(data: DataFacts, corpus: Corpus, name: str) -> Corpus:
    """One split of a corpus; where it has no `val`, as the run of `data` held it out.

    Raises `DataError` for a split that is not there, and where the run held nothing out of this corpus.
    """
    if name == VAL:
        corpus = divided_as_trained(data, corpus)
    return split_of(corpus, name, data.held_out)


def divided_as_trained(data: DataFacts, corpus: Corpus) -> Corpus:
    """The corpus with a `val`; where it has none, the one that the run of `data` held out, or one drawn as it would be.

    Raises `DataError` where the run was trained on this corpus and held nothing out.
    """
    if undivided(corpus) is not None and data.held_out is None and data.fingerprint == corpus.fingerprint():
        raise DataError(
            f"nothing of corpus {corpus.name!r} was held out when the run was trained on it (epochs were selected by "
            f"{data.validation_split}), so it has no split {VAL!r}; it has {', '.join(corpus.splits)}. Measure one of "
            "these and say so, or train again."
        )
    return drawn_splits(corpus, data.held_out)


def said_of_split(data: DataFacts, corpus: Corpus, name: str) -> str:
    """What must stand beside a number measured on this split with the run of `data`; empty for an ordinary one."""
    if name == VAL and undivided(corpus) is not None:
        return "held out by the hash of names"
    if name in (TRAIN, NO_SPLIT) and data.fingerprint == corpus.fingerprint():
        return "trained on" if name == TRAIN else "with what was trained on"
    return ""


def _refuse_selection(config: RunConfig) -> None:
    """Raise `ConfigError` for a split that must not select."""
    split = config.training.validation_split
    if config.training.validation_slice or split not in (TEST, TRAIN, NO_SPLIT):
        return
    why = "numbers are reported on it" if split == TEST else "it is trained on"
    raise ConfigError(
        f"training.validation_split={split} would select epochs by that split, and {why}. Leave the setting out: "
        "val selects, and where a source has none, a tenth of the training pictures is held out."
    )


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
