"""Trained runs put together for search."""

from __future__ import annotations

from pathlib import Path

from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.device import checked_device
from crossgraph.gallery.stages import cascade_model
from crossgraph.gallery.stages.cascade_model import RANDOM, CascadeManifest
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
