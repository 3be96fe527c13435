"""Models: loaded from the folder of a run, taken as they are where a verb is given one, or made of a pretrained one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.device import checked_device
from crossgraph.encoders.names import model_folder
from crossgraph.gallery.stages.cascade_model import CascadeModel, is_cascade
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.training.model import TrainedModel
from crossgraph.training.one_model import make_pretrained_run

GivenModel = TypeVar("GivenModel", bound=SearchModel)


def load_model(run: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu") -> TrainedModel:
    """A trained run, by folder or name, ready to encode and score. Raises `ModelError` when `run` is not one."""
    return TrainedModel(model_folder(run), cache=cache or default_cache(), device=str(checked_device(device)))


def load_search_model(
    folder: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu"
) -> TrainedModel | CascadeModel:
    """A trained run or a cascade of them, by folder or name, ready to encode and search.

    Raises `ModelError` when `folder` is neither, `ConfigError` when it is not there.
    """
    if is_cascade(found := model_folder(folder)):
        return CascadeModel(found, cache=cache or default_cache(), device=str(checked_device(device)))
    return load_model(found, cache=cache, device=device)


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


def given_model(model: TrainedModel | Path | str, *, device: str = "cpu") -> TrainedModel:
    """The run that a verb was given: loaded onto `device` from its folder, or as it is."""
    return load_model(model, device=device) if isinstance(model, (Path, str)) else model


def given_search_model(
    model: GivenModel | Path | str, *, device: str = "cpu"
) -> GivenModel | TrainedModel | CascadeModel:
    """The run or cascade that a verb was given: loaded onto `device` from its folder, or as it is."""
    return load_search_model(model, device=device) if isinstance(model, (Path, str)) else model
