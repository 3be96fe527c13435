"""Finished dual encoders with a query bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.data.joined import join_corpora
from crossgraph.data.sources import given_corpus
from crossgraph.device import checked_device
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import TrainedModel
from crossgraph.training.query_banks import BankReport
from crossgraph.training.query_banks import add_query_bank as write_with_bank
from crossgraph.verbs.models import run_folder


def add_query_bank(
    run: Path | str,
    data: Corpus | Path | str | Sequence[Corpus | Path | str],
    out: Path | str,
    *,
    images: int = 1000,
    texts: int = 2000,
    share: float | None = None,
    sharpness: float | None = None,
    cache: FeatureCache | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> tuple[TrainedModel, BankReport]:
    """Make the run folder `out` of a finished dual encoder, by folder or name, with a bank drawn from `data`.

    Its vectors are charged for being near to everything *(QB-Norm, Bogolin 2022)*. Several data are joined as in
    training. Arguments and errors as in `training.query_banks.add_query_bank`.
    """
    several = [data] if isinstance(data, Corpus | Path | str) else data
    corpus = join_corpora([given_corpus(one) for one in several], progress=progress)
    return write_with_bank(
        run_folder(run, "dense"),
        Path(out).expanduser(),
        corpus,
        cache=cache or default_cache(),
        images=images,
        texts=texts,
        share=share,
        sharpness=sharpness,
        device=str(checked_device(device)),
        progress=progress,
    )
