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
from crossgraph.encoders.names import model_folder
from crossgraph.gallery.stages import cascade_model, packing
from crossgraph.gallery.stages.cascade_manifest import LEARNED, RANDOM, CascadeManifest, Explaining
from crossgraph.gallery.stages.packing import Packed
from crossgraph.progress import Progress, Silent
from crossgraph.verbs.models import run_folder


def build_cascade(
    out: Path | str,
    *,
    codes: str | None = None,
    dense: Path | str | None = None,
    rerank: Path | str | None = None,
    blend: float | None = None,
    explains: Explaining | None = None,
    data: Corpus | Path | str | Sequence[Corpus | Path | str] = (),
    split: str = TRAIN,
    most: int | None = None,
    cache: FeatureCache | None = None,
    device: str = "cpu",
    progress: Progress = Silent(),
) -> CascadeManifest:
    """Copy trained runs into the new folder `out`, which serves wherever a run does.

    A cascade, also one by name, in the place of a run stands for its part in that role. `codes` is a run,
    `random:BITS`, or `itq:BITS` for codes that are learned of one `split` of `data`, several of which are joined, or of
    at most so many pictures and captions of it.
    Arguments as in `gallery.stages.cascade_model.build_cascade`.
    """
    several = [data] if isinstance(data, Corpus | Path | str) else data
    corpora = [given_corpus(one) for one in several]
    return cascade_model.build_cascade(
        Path(out).expanduser(),
        cache=cache or default_cache(),
        codes=codes if codes is None or codes.startswith((RANDOM, LEARNED)) else str(run_folder(codes, "codes")),
        dense=None if dense is None else run_folder(dense, "dense", "rerank"),
        rerank=None if rerank is None else run_folder(rerank, "rerank"),
        blend=blend,
        explains=explains,
        data=join_corpora(corpora, progress=progress) if corpora else None,
        split=split,
        most=most,
        device=str(checked_device(device)),
        progress=progress,
    )


def pack_cascade(
    cascade: Path | str, out: Path | str, *, limit: int = packing.LIMIT, cache: FeatureCache | None = None
) -> Packed:
    """Write a copy of a cascade that can be given away, of at most `limit` bytes, into the new folder `out`.

    Arguments as in `gallery.stages.packing.pack_cascade`.
    """
    return packing.pack_cascade(
        model_folder(cascade), Path(out).expanduser(), cache=cache or default_cache(), limit=limit
    )
