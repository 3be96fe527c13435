"""Trained runs put together for search."""

from __future__ import annotations

from pathlib import Path

from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.device import checked_device
from crossgraph.encoders.names import model_folder
from crossgraph.gallery.stages import cascade_model, packing
from crossgraph.gallery.stages.cascade_model import RANDOM, CascadeManifest
from crossgraph.gallery.stages.packing import Packed
from crossgraph.verbs.models import run_folder


def build_cascade(
    out: Path | str,
    *,
    codes: str | None = None,
    dense: Path | str | None = None,
    rerank: Path | str | None = None,
    blend: float | None = None,
    cache: FeatureCache | None = None,
    device: str = "cpu",
) -> CascadeManifest:
    """Copy trained runs into the new folder `out`, which serves wherever a run does; `codes` is a run or `random:BITS`.

    A cascade, also one by name, in the place of a run stands for its part in that role.

    Arguments as in `gallery.stages.cascade_model.build_cascade`.
    """
    return cascade_model.build_cascade(
        Path(out),
        cache=cache or default_cache(),
        codes=codes if codes is None or codes.startswith(RANDOM) else str(run_folder(codes, "codes")),
        dense=None if dense is None else run_folder(dense, "dense", "rerank"),
        rerank=None if rerank is None else run_folder(rerank, "rerank"),
        blend=blend,
        device=str(checked_device(device)),
    )


def pack_cascade(
    cascade: Path | str, out: Path | str, *, limit: int = packing.LIMIT, cache: FeatureCache | None = None
) -> Packed:
    """Write a copy of a cascade that can be given away, of at most `limit` bytes, into the new folder `out`.

    Arguments as in `gallery.stages.packing.pack_cascade`.
    """
    return packing.pack_cascade(model_folder(cascade), Path(out), cache=cache or default_cache(), limit=limit)
