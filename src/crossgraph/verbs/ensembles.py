"""Finished runs put side by side as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.device import checked_device
from crossgraph.training.joined_runs import join_runs
from crossgraph.training.model import TrainedModel
from crossgraph.verbs.models import run_folder


def ensemble(
    runs: Sequence[Path | str], out: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu"
) -> TrainedModel:
    """Make the run folder `out` of finished dual encoders, by folder or name, whose score is the mean of theirs.

    Arguments and errors as in `training.joined_runs.join_runs`.
    """
    folders = [run_folder(run, "dense") for run in runs]
    return join_runs(
        folders, Path(out).expanduser(), cache=cache or default_cache(), device=str(checked_device(device))
    )
