"""Training a method on a corpus, into a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.data.joined import join_corpora
from crossgraph.data.sources import given_corpus
from crossgraph.device import checked_device
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import TrainedModel
from crossgraph.training.run import train_run
from crossgraph.verbs.models import run_folder


def train(
    data: Corpus | Path | str | Sequence[Corpus | Path | str],
    config: RunConfig,
    out: Path | str,
    *,
    shortlist: Path | str | None = None,
    resume: bool = False,
    cache: FeatureCache | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> TrainedModel:
    """Train `config.method` on the train split of `data` into the run folder `out` and load the selected weights.

    Several `data` are joined (`data.joined`): each step is of one of them, in the shares that the settings say.
    `shortlist` is a trained dual encoder: it finds the candidates of a re-ranker in training (`training.neighbours`),
    validation and search, and is copied into the run. With `resume` the run continues where it was saved; without,
    an existing run is never written over. Raises `ConfigError`, `DataError` or `ModelError`.
    """
    several = [data] if isinstance(data, Corpus | Path | str) else data
    return train_run(
        join_corpora([given_corpus(one) for one in several], progress=progress),
        config,
        Path(out),
        shortlist=None if shortlist is None else run_folder(shortlist, "dense", "rerank"),
        resume=resume,
        cache=cache or default_cache(),
        progress=progress,
        device=str(checked_device(device)),
    )
