"""Trained runs put together for search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.data.joined import join_corpora
from crossgraph.data.sources import given_corpus
from crossgraph.data.splits import TRAIN
from crossgraph.device import checked_device
from crossgraph.gallery.stages import cascade_model
from crossgraph.gallery.stages.cascade_model import CascadeManifest
from crossgraph.progress import Progress, Silent


def build_cascade(
    out: Path | str,
    *,
    codes: str | None = None,
    dense: Path | str | None = None,
    rerank: Path | str | None = None,
    blend: float | None = None,
    data: Corpus | Path | str | Sequence[Corpus | Path | str] = (),
    split: str = TRAIN,
    cache: FeatureCache | None = None,
    device: str = "cpu",
    progress: Progress = Silent(),
) -> CascadeManifest:
    """Copy trained runs into the new folder `out`, which serves wherever a run does.

    `codes` is a run, `random:BITS`, or `itq:BITS` for codes that are learned of one `split` of `data`, several of which
    are joined. Arguments as in `gallery.stages.cascade_model.build_cascade`.
    """
    several = [data] if isinstance(data, Corpus | Path | str) else data
    corpora = [given_corpus(one) for one in several]
    return cascade_model.build_cascade(
        Path(out),
        cache=cache or default_cache(),
        codes=codes,
        dense=None if dense is None else Path(dense),
        rerank=None if rerank is None else Path(rerank),
        blend=blend,
        data=join_corpora(corpora, progress=progress) if corpora else None,
        split=split,
        device=str(checked_device(device)),
        progress=progress,
    )
