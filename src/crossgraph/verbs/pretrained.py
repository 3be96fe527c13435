"""A run made of a pretrained two-tower model, without data or training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.device import checked_device
from crossgraph.training.model import TrainedModel
from crossgraph.training.one_model import make_pretrained_run


def pretrained(
    model: Path | str,
    out: Path | str,
    *,
    cells: Sequence[int] = (5,),
    cache: FeatureCache | None = None,
    device: str = "cpu",
) -> TrainedModel:
    """Make the run folder `out` of CLIP, SigLIP, ALIGN, Chinese-CLIP or their kin, by folder or `hf:owner/model`.

    It serves wherever a trained run does, and re-rankers can be trained over its features: `cells` are the sides of
    the grids of parts. Raises `ConfigError` or `ModelError`.
    """
    return make_pretrained_run(
        str(model), Path(out), cells=cells, cache=cache or default_cache(), device=str(checked_device(device))
    )
